/*
 * One text out of each object of a JSON list, from bytes that come in pieces. Strict, bounded, no
 * allocation: what is not JSON, or nested deeper than JSON_DEPTH_MAX, ends the reading for good.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "presence/rules.h"

#define JSON_DEPTH_MAX 32

typedef void (*json_text_fn)(void *ctx, const char *text, size_t len);

struct json_list {
        const char *field; /* the list may be this member of an object instead of the whole */
        const char *key;   /* the wanted member of each entry */
        json_text_fn fn;
        void *ctx;
        /* private */
        uint32_t objects_; /* bit per level: 1 an object, 0 a list */
        uint8_t state_, depth_, base_;
        uint8_t escape_;    /* in a text: 1 behind '\', 2 to 5 for the digits of "\uXXXX" */
        bool is_key_, cut_; /* the text is a member's name; it was too long */
        bool wanted_;       /* the value that comes is the one */
        bool found_;        /* this entry had one already */
        uint16_t unit_;
        uint16_t len_;
        char text_[RULES_NAME_MAX];
};

void json_list_init(struct json_list *l, const char *field, const char *key, json_text_fn fn,
                    void *ctx);
void json_list_feed(struct json_list *l, const void *data, size_t len);
