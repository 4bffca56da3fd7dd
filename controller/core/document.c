/*
 * The timetable that was given by the API: a text, kept in setting rows so that it survives a
 * restart and comes to the next leader. The core keeps it and does not read it; who gave it reads
 * the classes in it and tells them by CLASS_SET.
 *
 * "timetable" is the head: revision, bytes, sum, time and who; "timetable.N" are the pieces. All
 * events of one replacement come in one turn, so they are one transaction.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "core/internal.h"

#define HEAD "timetable"
#define PIECE HEAD "."
#define SUM_FIRST UINT64_C(14695981039346656037)

struct document {
        struct core_timetable head;
        char pieces[CORE_TIMETABLE_PIECES][CORE_REASON_SIZE];
};

struct document *document_new(void)
{
        return calloc(1, sizeof(struct document));
}

/* FNV-1a and the bytes of all pieces. */
static uint64_t sum_of(const struct document *d, size_t *ret_length)
{
        uint64_t sum = SUM_FIRST;

        *ret_length = 0;
        for (uint32_t i = 0; i < d->head.n; i++) {
                for (const char *p = d->pieces[i]; *p; p++, (*ret_length)++)
                        sum = (sum ^ (uint8_t)*p) * UINT64_C(1099511628211);
        }
        return sum;
}

/* ---- reading ---- */

bool row_number(const char **p, uint64_t max, uint64_t *ret_value)
{
        const char *blank = strchr(*p, ' ');
        char text[24];

        if (!blank || (size_t)(blank - *p) >= sizeof(text))
                return false;
        (void)snprintf(text, sizeof(text), "%.*s", (int)(blank - *p), *p);
        *p = blank + 1;
        return num_parse_u64(text, 0, max, ret_value) == 0;
}

static bool boot_head(struct core_timetable *h, const char *value)
{
        uint64_t n, length, at_s;

        if (!row_number(&value, UINT64_MAX, &h->revision) ||
            !row_number(&value, CORE_TIMETABLE_PIECES, &n) ||
            !row_number(&value, CORE_TIMETABLE_BYTES, &length) ||
            !row_number(&value, UINT64_MAX, &h->sum) || !row_number(&value, UINT32_MAX, &at_s))
                return false;
        h->n = (uint32_t)n;
        h->length = length;
        h->at.us = (int64_t)at_s * US_PER_S;
        STR_CUT(h->actor, value);
        return true;
}

bool document_boot(struct core *c, const struct setting_row *row)
{
        struct document *d = c->document;
        uint64_t i;

        if (!str_starts(row->name, HEAD) || c->booted)
                return false;
        if (strcmp(row->name, HEAD) == 0)
                return boot_head(&d->head, row->value);
        if (!str_starts(row->name, PIECE) ||
            num_parse_u64(row->name + sizeof(PIECE) - 1, 0, CORE_TIMETABLE_PIECES - 1, &i) < 0)
                return false;
        STR_CUT(d->pieces[i], row->value);
        return true;
}

void document_booted(struct core *c)
{
        struct document *d = c->document;
        size_t length;

        if (d->head.n == 0 || (sum_of(d, &length) == d->head.sum && length == d->head.length))
                return;
        fx_audit(c, "", "", "core", "timetable-damaged",
                 "the timetable of the API is damaged in the store and not in force; set it again");
        d->head.n = 0;
        d->head.length = 0;
}

/* ---- replacing ---- */

void document_piece(struct core *c, const struct core_event *ev)
{
        uint32_t i = ev->timetable_piece.i;
        struct setting_row *row;
        char *piece;

        if (!c->booted || i >= CORE_TIMETABLE_PIECES) {
                c->ignored++;
                return;
        }
        piece = c->document->pieces[i];
        if (strcmp(piece, ev->timetable_piece.text) == 0)
                return;
        memcpy(piece, ev->timetable_piece.text, CORE_REASON_SIZE);
        row = &fx_add(c, FX_PUT_SETTING)->setting_row;
        (void)snprintf(row->name, sizeof(row->name), PIECE "%u", i);
        STR_CUT(row->value, piece);
}

void document_set(struct core *c, const struct core_event *ev)
{
        struct core_timetable *h = &c->document->head;
        struct setting_row *row;
        char text[CORE_REASON_SIZE];

        if (!c->booted || ev->timetable_set.n > CORE_TIMETABLE_PIECES) {
                c->ignored++;
                fx_reply(c, ev->timetable_set.token, REPLY_DRAINING, "");
                return;
        }
        h->n = ev->timetable_set.n;
        h->revision++;
        h->at = c->utc;
        h->sum = sum_of(c->document, &h->length);
        STR_CUT(h->actor, ev->timetable_set.actor);
        row = &fx_add(c, FX_PUT_SETTING)->setting_row;
        STR_CUT(row->name, HEAD);
        (void)snprintf(row->value, sizeof(row->value),
                       "%" PRIu64 " %u %zu %" PRIu64 " %" PRId64 " %.63s", h->revision, h->n,
                       h->length, h->sum, h->at.us / US_PER_S, h->actor);
        (void)snprintf(text, sizeof(text), "revision %" PRIu64 ", %zu bytes%s", h->revision,
                       h->length, h->n ? "" : ": cleared");
        fx_audit(c, "", "", h->actor[0] ? h->actor : "core", "timetable-set", text);
        fx_reply(c, ev->timetable_set.token, REPLY_OK, "");
}

/* ---- views ---- */

const struct core_timetable *core_timetable(const struct core *c)
{
        return &c->document->head;
}

const char *core_timetable_piece(const struct core *c, uint32_t i)
{
        return i < c->document->head.n ? c->document->pieces[i] : "";
}
