/*
 * An event or an effect as one line of text: what the log shows at level debug and what the golden
 * traces under tests/trace compare. Pure; cut at `size`, always NUL-terminated.
 */
#pragma once

#include <stddef.h>

#include "core/core.h"

#define TRACE_LINE_SIZE 1024

void trace_event(const struct core_event *ev, char *dst, size_t size);
void trace_effect(const struct core_effect *fx, char *dst, size_t size);
