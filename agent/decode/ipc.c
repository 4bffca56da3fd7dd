#include "decode/ipc.h"

#include <string.h>

enum {
        TAG_STRING = 1,
        TAG_BUFFER = 2,
        TAG_VSBUFFER = 3,
        TAG_ARRAY = 4,
        TAG_OBJECT = 5,
        TAG_INT = 6
};

enum {
        HEAD_PROMISE = 100,
        HEAD_PROMISE_CANCEL = 101,
        HEAD_LISTEN = 102,
        HEAD_DISPOSE = 103,
        HEAD_INITIALIZE = 200,
        HEAD_SUCCESS = 201,
        HEAD_ERROR = 202,
        HEAD_ERROR_OBJECT = 203,
        HEAD_FIRE = 204,
};

struct reader {
        const uint8_t *at, *end;
};

/* A number of 7 bits a byte, the lowest first; at most five bytes. */
static bool take_vql(struct reader *r, uint32_t *ret_value)
{
        uint64_t v = 0;

        for (unsigned shift = 0; shift < 35; shift += 7) {
                uint8_t b;

                if (r->at == r->end)
                        return false;
                b = *r->at++;
                v |= (uint64_t)(b & 0x7f) << shift;
                if (!(b & 0x80)) {
                        if (v > UINT32_MAX)
                                return false;
                        *ret_value = (uint32_t)v;
                        return true;
                }
        }
        return false;
}

static bool take_tag(struct reader *r, uint8_t tag)
{
        if (r->at == r->end || *r->at != tag)
                return false;
        r->at++;
        return true;
}

static bool take_int(struct reader *r, uint32_t *ret_value)
{
        return take_tag(r, TAG_INT) && take_vql(r, ret_value);
}

static bool take_string(struct reader *r, const uint8_t **ret_text, uint32_t *ret_len)
{
        uint32_t n;

        if (!take_tag(r, TAG_STRING) || !take_vql(r, &n) || n > (size_t)(r->end - r->at))
                return false;
        *ret_text = r->at;
        *ret_len = n;
        r->at += n;
        return true;
}

static void append(struct ipc_message *m, const void *text, size_t len)
{
        len = MIN(len, sizeof(m->name) - m->name_len);
        memcpy(m->name + m->name_len, text, len);
        m->name_len += len;
}

/* The header's strings: channel and command, or event. */
static bool take_call(struct reader *r, struct ipc_message *m)
{
        const uint8_t *channel, *command;
        uint32_t channel_len, command_len;

        if (!take_string(r, &channel, &channel_len) || !take_string(r, &command, &command_len) ||
            channel_len == 0 || command_len == 0)
                return false;
        append(m, channel, channel_len);
        append(m, ".", 1);
        append(m, command, command_len);
        m->args = r->at;
        m->args_len = MIN((size_t)(r->end - r->at), (size_t)RULES_ARGS_MAX);
        return true;
}

/* What the first number of a header calls for: how many values, and what it is. */
static bool header_shape(uint32_t type, uint32_t *ret_count, enum ipc_what *ret_what)
{
        *ret_what = IPC_OTHER;
        switch (type) {
        case HEAD_PROMISE:
        case HEAD_LISTEN:
                *ret_count = 4;
                *ret_what = type == HEAD_PROMISE ? IPC_REQUEST : IPC_LISTEN;
                return true;
        case HEAD_INITIALIZE:
                *ret_count = 1;
                return true;
        case HEAD_PROMISE_CANCEL:
        case HEAD_DISPOSE:
        case HEAD_SUCCESS:
        case HEAD_ERROR:
        case HEAD_ERROR_OBJECT:
        case HEAD_FIRE:
                *ret_count = 2;
                return true;
        default:
                return false;
        }
}

/* {"remoteAuthority": ..., "clientId": ...}, before all else, and nothing behind it. */
static bool is_greeting(struct reader *r, size_t len, size_t total)
{
        uint32_t n;

        return take_tag(r, TAG_OBJECT) && take_vql(r, &n) && r->at < r->end && *r->at == '{' &&
               n == total - (len - (size_t)(r->end - r->at));
}

bool ipc_parse(const uint8_t *body, size_t len, size_t total, struct ipc_message *ret_message)
{
        struct reader r = {body, body + len};
        uint32_t count, expected, type, id;
        enum ipc_what what;

        ret_message->what = IPC_OTHER;
        ret_message->name_len = ret_message->args_len = 0;
        ret_message->args = NULL;
        if (!take_tag(&r, TAG_ARRAY))
                return is_greeting(&r, len, total);
        if (!take_vql(&r, &count) || !take_int(&r, &type) ||
            !header_shape(type, &expected, &what) || count != expected)
                return false;
        if (count > 1 && !take_int(&r, &id))
                return false;
        ret_message->what = what;
        return what == IPC_OTHER || take_call(&r, ret_message);
}

bool ipc_typed(const uint8_t *args, size_t len, const uint8_t **ret_text, size_t *ret_text_len,
               bool *ret_cut)
{
        struct reader r = {args, args + len};
        uint32_t count, id, n;
        size_t there;

        if (!take_tag(&r, TAG_ARRAY) || !take_vql(&r, &count) || count != 2 || !take_int(&r, &id))
                return false;
        if (!take_tag(&r, TAG_STRING) && !take_tag(&r, TAG_BUFFER) && !take_tag(&r, TAG_VSBUFFER))
                return false;
        if (!take_vql(&r, &n))
                return false;
        there = (size_t)(r.end - r.at);
        *ret_text = r.at;
        *ret_text_len = MIN(there, (size_t)n);
        *ret_cut = n > there;
        return true;
}
