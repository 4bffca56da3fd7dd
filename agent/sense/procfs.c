#include "sense/procfs.h"

#include <errno.h>
#include <string.h>

#define LISTEN_STATE 0x0a /* TCP_LISTEN, include/net/tcp_states.h */

/* A reader over text that need not end with NUL. */
struct text {
        const char *at, *end;
};

static void skip_blanks(struct text *t)
{
        while (t->at < t->end && (*t->at == ' ' || *t->at == '\t'))
                t->at++;
}

static bool skip_word(struct text *t)
{
        skip_blanks(t);
        if (t->at == t->end)
                return false;
        while (t->at < t->end && *t->at != ' ' && *t->at != '\t' && *t->at != '\n')
                t->at++;
        return true;
}

static bool take_u64(struct text *t, uint64_t *ret)
{
        uint64_t n = 0;
        const char *from;

        skip_blanks(t);
        from = t->at;
        for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++) {
                uint64_t digit = (uint64_t)(*t->at - '0');

                if (n > (UINT64_MAX - digit) / 10)
                        return false;
                n = n * 10 + digit;
        }
        *ret = n;
        return t->at > from;
}

/* -1 (no terminal's group), and what is cut to 32 bits with a sign, counts as such. */
static bool take_i32(struct text *t, int32_t *ret)
{
        uint64_t n;
        bool minus;

        skip_blanks(t);
        minus = t->at < t->end && *t->at == '-';
        t->at += minus;
        if (!take_u64(t, &n) || n > INT32_MAX)
                return false;
        *ret = minus ? -(int32_t)n : (int32_t)n;
        return true;
}

static bool take_hex(struct text *t, uint64_t *ret)
{
        uint64_t n = 0;
        const char *from = t->at;

        for (; t->at < t->end; t->at++) {
                char c = *t->at;
                uint64_t digit;

                if (c >= '0' && c <= '9')
                        digit = (uint64_t)(c - '0');
                else if (c >= 'A' && c <= 'F')
                        digit = (uint64_t)(c - 'A') + 10;
                else if (c >= 'a' && c <= 'f')
                        digit = (uint64_t)(c - 'a') + 10;
                else
                        break;
                if (n >> 60)
                        return false;
                n = n << 4 | digit;
        }
        *ret = n;
        return t->at > from;
}

static bool skip_words(struct text *t, int n)
{
        while (n-- > 0) {
                if (!skip_word(t))
                        return false;
        }
        return true;
}

static uint64_t ticks_ms(uint64_t a, uint64_t b, unsigned tick_ms)
{
        uint64_t limit = UINT64_MAX / 2 / (tick_ms ? tick_ms : 1);

        return (MIN(a, limit / 2) + MIN(b, limit / 2)) * tick_ms;
}

static bool take_comm(struct text *t, char comm[16])
{
        const char *from = memchr(t->at, '(', (size_t)(t->end - t->at)), *to;
        size_t len;

        if (!from)
                return false;
        from++;
        to = memrchr(from, ')', (size_t)(t->end - from));
        if (!to)
                return false;
        len = MIN((size_t)(to - from), (size_t)15);
        memset(comm, 0, 16);
        memcpy(comm, from, len);
        t->at = to + 1;
        return true;
}

int procfs_stat(const char *text, size_t len, unsigned tick_ms, struct jobs_process *ret_process)
{
        struct text t = {text, text + len};
        struct jobs_process p = {0};
        uint64_t pid, user, system, waited_user, waited_system;
        int32_t tty, tpgid;

        if (len == 0 || !take_u64(&t, &pid) || pid == 0 || pid > INT32_MAX ||
            !take_comm(&t, p.comm))
                return -EBADMSG;
        p.pid = (pid_t)pid;
        /* 3 state; 9 flags, 10-13 page faults; 18-21 priority, nice, threads, itrealvalue */
        if (!skip_word(&t) || !take_i32(&t, &p.ppid) || !take_i32(&t, &p.pgrp) ||
            !take_i32(&t, &p.session) || !take_i32(&t, &tty) || !take_i32(&t, &tpgid) ||
            !skip_words(&t, 5) || !take_u64(&t, &user) || !take_u64(&t, &system) ||
            !take_u64(&t, &waited_user) || !take_u64(&t, &waited_system) || !skip_words(&t, 4) ||
            !take_u64(&t, &p.start))
                return -EBADMSG;
        if (p.ppid < 0 || p.pgrp < 0 || p.session < 0)
                return -EBADMSG;
        p.tty = (uint32_t)tty;
        p.self_ms = ticks_ms(user, system, tick_ms);
        p.waited_ms = ticks_ms(waited_user, waited_system, tick_ms);
        *ret_process = p;
        return 0;
}

static bool take_field(const char *text, size_t len, const char *name, uint64_t *ret)
{
        size_t n = strlen(name);
        const char *at = text, *end = text + len;

        while (at < end) {
                const char *line_end = memchr(at, '\n', (size_t)(end - at));
                struct text t = {at, line_end ? line_end : end};

                if ((size_t)(t.end - t.at) > n && memcmp(t.at, name, n) == 0) {
                        t.at += n;
                        return take_u64(&t, ret) && t.at == t.end;
                }
                if (!line_end)
                        return false;
                at = line_end + 1;
        }
        return false;
}

int procfs_io(const char *text, size_t len, uint64_t *ret_bytes)
{
        uint64_t in, out;

        if (!take_field(text, len, "rchar:", &in) || !take_field(text, len, "wchar:", &out))
                return -EBADMSG;
        *ret_bytes = MIN(in, UINT64_MAX / 4) + MIN(out, UINT64_MAX / 4);
        return 0;
}

bool procfs_tcp_listens(const char *line, size_t len, uid_t *ret_uid, uint64_t *ret_inode)
{
        struct text t = {line, line + len};
        uint64_t state, uid, inode;

        /* "sl: local remote st tx:rx tr:when retransmits uid timeout inode" */
        if (!skip_words(&t, 3))
                return false;
        skip_blanks(&t);
        if (!take_hex(&t, &state) || state != LISTEN_STATE || !skip_words(&t, 3) ||
            !take_u64(&t, &uid) || uid > UINT32_MAX || !skip_word(&t) || !take_u64(&t, &inode) ||
            inode == 0)
                return false;
        *ret_uid = (uid_t)uid;
        *ret_inode = inode;
        return true;
}

bool procfs_socket(const char *link, size_t len, uint64_t *ret_inode)
{
        static const char head[] = "socket:[";
        struct text t = {link + sizeof(head) - 1, link + len};
        uint64_t inode;

        if (len < sizeof(head) || memcmp(link, head, sizeof(head) - 1) != 0 ||
            !take_u64(&t, &inode) || t.end - t.at != 1 || *t.at != ']')
                return false;
        *ret_inode = inode;
        return true;
}
