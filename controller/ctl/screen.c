#include "screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"

#define FRAME_MAX (1u << 20)
#define ESCAPE_MS 60 /* the rest of a key's sequence follows at once, also over ssh */

static const char enter[] = "\033[?1049h\033[?25l\033[2J";
static const char leave[] = "\033[0m\033[?25h\033[?1049l";

static struct {
        bool open;
        struct termios before;
        int wake[2]; /* signals, one byte each */
        int told;    /* SIGTERM or SIGHUP */
        int rows, columns;
        struct buf frame;
        int line, column;
        bool escape; /* the first byte of the next key was read already */
} screen = {.wake = {-1, -1}, .frame = BUF_INIT(FRAME_MAX)};

/* ---- the terminal ---- */

/* A terminal that takes nothing is gone; the next key says so. */
static void emit(const void *data, size_t len)
{
        int r = fd_write_all(STDOUT_FILENO, data, len);

        (void)r;
}

static void raw(void)
{
        struct termios t = screen.before;

        /* Signals stay, so that ctrl-c and ctrl-z are what they always are. */
        t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
        t.c_iflag &= ~(tcflag_t)(IXON | ICRNL);
        t.c_cc[VMIN] = 0;
        t.c_cc[VTIME] = 0;
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &t);
        emit(enter, sizeof(enter) - 1);
}

/* Fit for a signal handler. */
static void cooked(void)
{
        ssize_t r = write(STDOUT_FILENO, leave, sizeof(leave) - 1);

        (void)r;
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &screen.before);
}

static void measure(void)
{
        struct winsize w;

        screen.rows = 24;
        screen.columns = 80;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 && w.ws_col > 0) {
                screen.rows = w.ws_row;
                screen.columns = w.ws_col;
        }
}

const char *screen_check(void)
{
        const char *term = getenv("TERM");

        if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
                return "standard input and output must be a terminal";
        if (!term || !term[0] || strcmp(term, "dumb") == 0)
                return "this terminal can not move its cursor (TERM is dumb or not set)";
        return NULL;
}

/* ---- signals ---- */

static void on_signal(int number)
{
        int saved = errno;
        unsigned char byte = (unsigned char)number;
        ssize_t r = write(screen.wake[1], &byte, 1);

        (void)r;
        errno = saved;
}

static void on_crash(int number)
{
        cooked();
        (void)raise(number); /* its action is the default again */
}

static void handle(int number, void (*fn)(int), int flags)
{
        struct sigaction a = {.sa_handler = fn, .sa_flags = flags};

        sigemptyset(&a.sa_mask);
        (void)sigaction(number, &a, NULL);
}

static void handle_all(void (*fn)(int))
{
        static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH, SIGCONT};

        for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
                handle(numbers[i], fn, 0);
}

/* ctrl-z: the shell has its terminal as it was, until it gives it back. */
static void suspend(void)
{
        cooked();
        handle(SIGTSTP, SIG_DFL, 0);
        (void)raise(SIGTSTP);
        handle(SIGTSTP, on_signal, 0);
        raw();
}

static int key_of_signal(int number)
{
        switch (number) {
        case SIGTSTP:
                suspend();
                measure();
                return KEY_REDRAW;
        case SIGCONT:
                raw();
                measure();
                return KEY_REDRAW;
        case SIGWINCH:
                measure();
                return KEY_REDRAW;
        case SIGTERM:
        case SIGHUP:
                screen.told = number;
                return KEY_QUIT;
        default:
                return KEY_QUIT;
        }
}

int screen_open(void)
{
        static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};

        if (tcgetattr(STDIN_FILENO, &screen.before) < 0)
                return -errno;
        if (pipe2(screen.wake, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        screen.open = true;
        handle_all(on_signal);
        for (size_t i = 0; i < ARRAY_LEN(crashes); i++)
                handle(crashes[i], on_crash, (int)SA_RESETHAND | SA_NODEFER);
        handle(SIGPIPE, SIG_IGN, 0);
        (void)atexit(screen_close);
        measure();
        raw();
        return 0;
}

void screen_close(void)
{
        if (!screen.open)
                return;
        screen.open = false;
        cooked();
        handle_all(SIG_DFL);
        buf_deinit(&screen.frame);
}

void screen_die_if_told(void)
{
        if (screen.told)
                (void)raise(screen.told);
}

/* ---- keys ---- */

/* What follows ESC. */
static int key_of_sequence(const char *s)
{
        static const struct {
                const char *sequence;
                int key;
        } keys[] = {{"[A", KEY_UP},    {"OA", KEY_UP},       {"[B", KEY_DOWN},
                    {"OB", KEY_DOWN},  {"[5~", KEY_PAGE_UP}, {"[6~", KEY_PAGE_DOWN},
                    {"[H", KEY_HOME},  {"OH", KEY_HOME},     {"[1~", KEY_HOME},
                    {"[7~", KEY_HOME}, {"[F", KEY_END},      {"OF", KEY_END},
                    {"[4~", KEY_END},  {"[8~", KEY_END}};

        for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
                if (strcmp(keys[i].sequence, s) == 0)
                        return keys[i].key;
        }
        return KEY_OTHER;
}

static bool readable(int64_t timeout_ms)
{
        struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};

        return poll(&fd, 1, (int)timeout_ms) > 0;
}

static int key_after_escape(void)
{
        char s[16];
        size_t n = 0;

        while (n + 1 < sizeof(s) && readable(ESCAPE_MS) && read(STDIN_FILENO, &s[n], 1) == 1) {
                if (n == 0 && s[0] == 27) { /* the next key's: this one was escape alone */
                        screen.escape = true;
                        break;
                }
                n++;
                if (n > 1 && s[n - 1] >= '@' && s[n - 1] <= '~')
                        break;
        }
        s[n] = 0;
        return n == 0 ? KEY_ESCAPE : key_of_sequence(s);
}

static int read_key(void)
{
        unsigned char c;
        ssize_t n;

        if (screen.escape) {
                screen.escape = false;
                return key_after_escape();
        }
        n = read(STDIN_FILENO, &c, 1);
        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
                return KEY_QUIT; /* the terminal is gone */
        if (n < 0)
                return KEY_NONE;
        if (c == 27)
                return key_after_escape();
        if (c == '\n')
                return KEY_ENTER;
        return c == 8 ? KEY_BACKSPACE : c;
}

int screen_key(int64_t timeout_ms)
{
        struct pollfd fds[] = {{.fd = screen.wake[0], .events = POLLIN},
                               {.fd = STDIN_FILENO, .events = POLLIN}};
        unsigned char number;
        int r = poll(fds, ARRAY_LEN(fds), screen.escape ? 0 : (int)timeout_ms);

        /* A signal also interrupts the wait: its byte is there. */
        if (read(screen.wake[0], &number, 1) == 1)
                return key_of_signal(number);
        if (!screen.escape && (r <= 0 || !fds[1].revents))
                return KEY_NONE;
        return read_key();
}

/* ---- drawing ---- */

int screen_rows(void)
{
        return screen.rows;
}

int screen_columns(void)
{
        return screen.columns;
}

static void add(const char *text)
{
        /* A frame that does not fit is cut; its end is sent all the same. */
        int r = buf_append_str(&screen.frame, text);

        (void)r;
}

static void add_move(void)
{
        char text[32];

        (void)snprintf(text, sizeof(text), "\033[%d;1H", screen.line + 1);
        add(text);
}

void screen_begin(void)
{
        buf_clear(&screen.frame);
        screen.line = screen.column = 0;
        add("\033[0m");
        add_move();
}

void screen_style(bool color, enum table_color c, int flags)
{
        static const char *const codes[] = {
                [TABLE_PLAIN] = "",       [TABLE_GOOD] = "\033[32m", [TABLE_BUSY] = "\033[33m",
                [TABLE_BAD] = "\033[31m", [TABLE_DIM] = "\033[2m",
        };

        add("\033[0m");
        if (flags & SCREEN_REVERSE)
                add("\033[7m");
        if (color && (flags & SCREEN_BOLD))
                add("\033[1m");
        if (color && !(flags & SCREEN_REVERSE))
                add(codes[c]);
}

void screen_put(const char *text)
{
        char one[8];

        if (screen.line >= screen.rows)
                return;
        for (const unsigned char *p = (const unsigned char *)text; *p;) {
                size_t len = 1;

                while (*p >= 0xc0 && len < 4 && (p[len] & 0xc0) == 0x80)
                        len++;
                if (screen.column++ >= screen.columns)
                        return;
                memcpy(one, p, len);
                one[len] = 0;
                if (len == 1 && (*p < ' ' || *p >= 0x7f))
                        one[0] = '?';
                add(one);
                p += len;
        }
}

void screen_printf(const char *fmt, ...)
{
        char text[1024];
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        screen_put(text);
}

void screen_pad(int column)
{
        while (screen.column < MIN(column, screen.columns) && screen.line < screen.rows) {
                add(" ");
                screen.column++;
        }
}

void screen_next(void)
{
        screen_line(screen.line + 1);
}

void screen_line(int line)
{
        if (screen.line < screen.rows) {
                add("\033[0m");
                if (screen.column < screen.columns)
                        add("\033[K");
        }
        screen.line = line;
        screen.column = 0;
        if (line < screen.rows)
                add_move();
}

void screen_end(void)
{
        if (screen.line < screen.rows) {
                add("\033[0m");
                if (screen.column < screen.columns)
                        add("\033[K");
                if (screen.line + 1 < screen.rows) {
                        screen.line++;
                        add_move();
                        add("\033[J");
                }
        }
        emit(screen.frame.data, screen.frame.len);
}
