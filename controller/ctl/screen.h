/*
 * A terminal as a screen: the alternate buffer, keys one by one, and everything as it was when the
 * program ends, is stopped, or dies of a signal. Escape sequences that every terminal of the last
 * thirty years has (ECMA-48, xterm's 1049); no library. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "table.h"

enum screen_key {
        /* Characters are themselves. */
        KEY_NONE = 0, /* the time is over */
        KEY_ENTER = '\r',
        KEY_ESCAPE = 27,
        KEY_BACKSPACE = 127,
        KEY_UP = 256,
        KEY_DOWN,
        KEY_PAGE_UP,
        KEY_PAGE_DOWN,
        KEY_HOME,
        KEY_END,
        KEY_REDRAW, /* the size has changed, or it was stopped meanwhile */
        KEY_QUIT,   /* ctrl-c, or the terminal is gone */
        KEY_OTHER,
};

/* NULL: good; else why standard input and output are no such terminal. */
const char *screen_check(void);
/* 0 or -errno. */
NODISCARD int screen_open(void);
void screen_close(void);
/* SIGTERM or SIGHUP came: end by it, behind screen_close, as who sent it expects. */
void screen_die_if_told(void);

/* The next key, or KEY_NONE when `timeout_ms` are over. */
int screen_key(int64_t timeout_ms);

/* ---- drawing: lines from the top; what is too wide or too far down is cut ---- */

int screen_rows(void);
int screen_columns(void);
void screen_begin(void);
enum { SCREEN_REVERSE = 1, SCREEN_BOLD = 2 };
/* From now on; `color` false draws all of it plain, but for SCREEN_REVERSE. */
void screen_style(bool color, enum table_color c, int flags);
/* Control characters become '?'. */
void screen_put(const char *text);
void screen_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Blanks until this column. */
void screen_pad(int column);
void screen_next(void);
/* Move to that line, counted from 0. */
void screen_line(int line);
void screen_end(void);
