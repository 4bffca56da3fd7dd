/*
 * What a terminal says by itself: programs ask it for its cursor, its colours, its size, and the
 * answers travel the same way as keys. Pure; looks at one message as the page sent it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * How many of the bytes are not complete automatic reports, so perhaps a person's. Focus reports
 * are no typing either; *ret_focus says how many there were. Mouse reports, pastes and all keys
 * remain, and so does a report that is cut off.
 *
 * One ambiguity stays: F3 with Shift, Alt or Control is spelled as the report of a cursor in the
 * first row. Programs ask far more often than anyone presses that.
 */
size_t reply_strip(const uint8_t *data, size_t len, size_t *ret_focus);
