#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_deinit(struct buf *b)
{
        free(b->mem_);
        *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
        b->data = b->mem_;
        b->len = 0;
}

int buf_reserve(struct buf *b, size_t n)
{
        size_t cap = b->cap_ ? b->cap_ : 256;
        uint8_t *mem;

        if (n > b->max || b->len > b->max - n)
                return -ENOBUFS;
        if (b->mem_ && n <= buf_room(b))
                return 0;
        if (b->mem_ && b->len + n <= b->cap_) {
                memmove(b->mem_, b->data, b->len);
                b->data = b->mem_;
                return 0;
        }
        while (cap < b->len + n)
                cap *= 2;
        mem = malloc(cap);
        if (!mem)
                return -ENOMEM;
        if (b->len)
                memcpy(mem, b->data, b->len);
        free(b->mem_);
        b->mem_ = b->data = mem;
        b->cap_ = cap;
        return 0;
}

int buf_append(struct buf *b, const void *data, size_t n)
{
        int r = buf_reserve(b, n);

        if (r < 0)
                return r;
        if (n)
                memcpy(b->data + b->len, data, n);
        b->len += n;
        return 0;
}

int buf_append_str(struct buf *b, const char *s)
{
        return buf_append(b, s, strlen(s));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
        va_list ap;
        int n;
        int r;

        va_start(ap, fmt);
        n = vsnprintf(NULL, 0, fmt, ap);
        va_end(ap);
        if (n < 0)
                return -EINVAL;
        /* vsnprintf writes a NUL behind the text; the room for it counts against the maximum. */
        r = buf_reserve(b, (size_t)n + 1);
        if (r < 0)
                return r;
        va_start(ap, fmt);
        (void)vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
        va_end(ap);
        b->len += (size_t)n;
        return 0;
}

void buf_consume(struct buf *b, size_t n)
{
        assert(n <= b->len);
        b->data += n;
        b->len -= n;
        if (b->len == 0)
                b->data = b->mem_;
}

int buf_terminate(struct buf *b)
{
        int r = buf_reserve(b, 1);

        if (r < 0)
                return r;
        b->data[b->len] = 0;
        return 0;
}
