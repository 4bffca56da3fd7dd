/* From what was decoded to evidence: the rules, and what they can not say. */
#include <string.h>

#include "decode/internal.h"
#include "decode/reply.h"

/* What a changed document scrolls follows it at once. */
#define SCROLL_AFTER_CHANGE_MS 1000
/* From a person's navigation to the connections of the page that it loads; 33 s on a busy computer.
 */
#define OPENING_MS 60000
/* When the tracker says "inactive", the last key was 40 to 70 s ago. */
#define INACTIVE_AGE_MS 40000
/* A refresh asks at once; its log entry is sent a second later, when a batch is full. */
#define REFRESH_BEHIND_MS 3000

struct judgement {
        enum presence_source source;
        enum presence_kind kind;
};

static void note(struct observer *o, struct judgement j, uint32_t events, mono_t at)
{
        mono_t *last = &o->tally.note[j.source][j.kind].at;

        if (o->tally.note[j.source][j.kind].events == 0 || mono_before(*last, at))
                *last = at;
        o->tally.note[j.source][j.kind].events += events;
}

static void sight(struct observer *o, const struct observer_sighting *s)
{
        if (o->trace)
                o->trace(o->trace_ctx, s);
}

static void count_unknown(struct observer *o, const char *name, size_t len)
{
        size_t i = 0;

        o->tally.unknown++;
        len = MIN(len, (size_t)RULES_NAME_MAX);
        while (i < o->n_unknown &&
               (strlen(o->unknown[i].name) != len || memcmp(o->unknown[i].name, name, len) != 0))
                i++;
        if (i == OBSERVER_UNKNOWN_MAX || memchr(name, 0, len))
                return;
        if (i == o->n_unknown) {
                memcpy(o->unknown[i].name, name, len);
                o->unknown[i].name[len] = 0;
                o->n_unknown++;
        }
        o->unknown[i].count++;
}

/* What a verdict means where only the person, weak and hint kinds make sense. */
static enum presence_kind kind_of(enum rule_verdict v)
{
        switch (v) {
        case RULE_PERSON:
        case RULE_PRESS:
                return PRESENCE_KIND_PERSON;
        case RULE_WEAK:
        case RULE_GESTURE:
        case RULE_SCROLL:
                return PRESENCE_KIND_WEAK;
        case RULE_HINT:
                return PRESENCE_KIND_HINT;
        case RULE_MACHINE:
        case RULE_ACTIVE:
        case RULE_INACTIVE:
        case RULE_CHANGE:
        case RULE_TYPED:
        case RULE_JOB:
        case RULE_JOB_END:
        case RULE_UNDECODED:
        case RULE_VERDICT_MAX:
                break;
        }
        return PRESENCE_KIND_MACHINE;
}

static struct http_span path_of(struct http_span target)
{
        const char *q = memchr(target.at, '?', target.len);

        return (struct http_span){target.at, q ? (size_t)(q - target.at) : target.len};
}

/* `known` and `v` are filled in; the source follows, the name is the path. */
static void conclude(struct observer *o, struct observer_sighting *s, struct judgement j)
{
        s->source = j.source;
        s->kind = j.kind;
        if (!s->known)
                count_unknown(o, s->name, s->name_len);
        sight(o, s);
}

static enum rule_fetch fetch_of(const struct http_head *h)
{
        struct http_span mode, user;
        bool any = false;

        for (size_t i = 0; i < h->n_fields && !any; i++) {
                struct http_span name = http_field_name(h, i);

                any = name.len > 10 && strncasecmp(name.at, "Sec-Fetch-", 10) == 0;
        }
        if (!any)
                return RULE_FETCH_PLAIN;
        if (http_head_find(h, "Sec-Fetch-Mode", &mode) && http_span_is(mode, "navigate") &&
            http_head_find(h, "Sec-Fetch-User", &user) && http_span_is(user, "?1"))
                return RULE_FETCH_NAVIGATION;
        return RULE_FETCH_OTHER;
}

void judge_settle(struct observer *o, mono_t now)
{
        if (o->weak.events == 0 || mono_diff_ms(o->weak.first, now) <= REFRESH_BEHIND_MS)
                return;
        note(o, (struct judgement){PRESENCE_REQUEST, PRESENCE_KIND_WEAK}, o->weak.events,
             o->weak.last);
        o->weak.events = 0;
}

static void wait_for_refresh(struct observer *o, mono_t now)
{
        judge_settle(o, now);
        if (o->weak.events++ == 0)
                o->weak.first = now;
        o->weak.last = now;
}

static void refresh(struct observer *o, mono_t now)
{
        judge_settle(o, now);
        if (o->weak.events > 0)
                note(o, (struct judgement){PRESENCE_REQUEST, PRESENCE_KIND_MACHINE}, o->weak.events,
                     o->weak.last);
        o->weak.events = 0;
        o->refreshed = now;
}

void judge_request(struct observer *o, uint32_t number, const struct http_head *request, mono_t now)
{
        struct http_span path = path_of(request->target);
        struct observer_sighting s = {.at = now,
                                      .connection = number,
                                      .from = "request",
                                      .name = path.at,
                                      .name_len = path.len,
                                      .verdict = RULE_MACHINE};
        struct judgement j = {.source = PRESENCE_REQUEST};
        bool refreshes = o->rules->log_refresh[0] != 0;

        s.known = rules_find_request(&o->rules->requests, request->method.at, request->method.len,
                                     request->target.at, request->target.len, fetch_of(request),
                                     &s.verdict);
        j.kind = kind_of(s.verdict);
        if (refreshes && j.kind == PRESENCE_KIND_WEAK && !mono_is_never(o->refreshed) &&
            mono_diff_ms(o->refreshed, now) < o->rules->log_refresh_ms)
                j.kind = PRESENCE_KIND_MACHINE;
        if (refreshes && j.kind == PRESENCE_KIND_WEAK)
                wait_for_refresh(o, now);
        else
                note(o, j, 1, now);
        conclude(o, &s, j);
}

bool judge_upgrade(struct observer *o, uint32_t number, const struct http_head *request, mono_t now)
{
        struct http_span path = path_of(request->target);
        struct observer_sighting s = {.at = now,
                                      .connection = number,
                                      .from = "upgrade",
                                      .name = path.at,
                                      .name_len = path.len,
                                      .verdict = RULE_UNDECODED};
        struct judgement j = {.source = PRESENCE_REQUEST};

        s.known = rules_find_request(&o->rules->upgrades, request->method.at, request->method.len,
                                     request->target.at, request->target.len, fetch_of(request),
                                     &s.verdict);
        j.kind = kind_of(s.verdict);
        note(o, j, 1, now);
        conclude(o, &s, j);
        return s.verdict != RULE_UNDECODED;
}

void judge_machine(struct observer *o, uint32_t number, const char *from,
                   const struct http_head *request, mono_t now)
{
        struct http_span path = path_of(request->target);
        struct judgement j = {PRESENCE_REQUEST, PRESENCE_KIND_MACHINE};
        struct observer_sighting s = {.at = now,
                                      .connection = number,
                                      .from = from,
                                      .name = path.at,
                                      .name_len = path.len,
                                      .known = true,
                                      .verdict = RULE_MACHINE};

        note(o, j, 1, now);
        conclude(o, &s, j);
}

/* A whole line at once, as programs send it ("sendText"); one byte is the Enter key. */
static bool is_line(const uint8_t *text, size_t len)
{
        return len > 1 &&
               (text[len - 1] == '\r' || (text[len - 2] == '\r' && text[len - 1] == '\n'));
}

/* Every live page's tracker says "inactive", and there is one. */
static bool nobody_active(const struct observer *o, mono_t now)
{
        bool any = false;

        for (const struct watch *w = o->watches; w; w = w->next) {
                const struct page *p = w->page;

                if (!p || p->kind != EDITOR_EXTENSION_HOST || !page_alive(p, now))
                        continue;
                if (p->tracker != PAGE_INACTIVE)
                        return false;
                any = true;
        }
        return any;
}

/* Of a text that is all reports, the last that tells of the focus: 'I' or 'O'. */
static uint8_t last_focus(const uint8_t *text, size_t len)
{
        for (; len >= 3; len--) {
                const uint8_t *p = text + len - 3;

                if (p[0] == 0x1b && p[1] == '[' && (p[2] == 'I' || p[2] == 'O'))
                        return p[2];
        }
        return 0;
}

static struct judgement judge_typed(const struct watch *w, const struct stream_call *call)
{
        uint8_t buf[RULES_ARGS_MAX];
        const uint8_t *text;
        size_t len, left, focus = 0;
        bool cut;

        /* What can not be filtered counts: the name says that someone types. */
        if (!stream_typed(call, buf, sizeof(buf), &text, &len, &cut))
                return (struct judgement){PRESENCE_TYPED, PRESENCE_KIND_PERSON};
        left = reply_strip(text, len, &focus);
#ifdef DECODE_PLANTED_FILTER
        left = len;
#endif
        if (left == 0) {
                if (focus > 0 && page_focus(w->page, last_focus(text, len)))
                        return (struct judgement){PRESENCE_SCROLL, PRESENCE_KIND_WEAK};
                return (struct judgement){PRESENCE_TYPED, PRESENCE_KIND_MACHINE};
        }
        if (!cut && is_line(text, len) && nobody_active(w->observer, w->now))
                return (struct judgement){PRESENCE_TYPED, PRESENCE_KIND_MACHINE};
        return (struct judgement){PRESENCE_TYPED, PRESENCE_KIND_PERSON};
}

/* Its first argument names the editor or the web view, in quotes. */
static struct judgement judge_scroll(const struct watch *w, const struct stream_call *call)
{
        mono_t changed = w->page->changed;
        const char *end =
                call->args_len > 2 ? memchr(call->args + 2, '"', call->args_len - 2) : NULL;

        if (!mono_is_never(changed) && mono_diff_ms(changed, w->now) < SCROLL_AFTER_CHANGE_MS)
                return (struct judgement){PRESENCE_SCROLL, PRESENCE_KIND_MACHINE};
        if (end && page_scroll(w->page, call->args, (size_t)(end - call->args), w->now))
                return (struct judgement){PRESENCE_SCROLL, PRESENCE_KIND_PERSON};
        return (struct judgement){PRESENCE_SCROLL, PRESENCE_KIND_WEAK};
}

/* The cell's state comes as a change of the document, with more of them behind it. */
static struct judgement judge_job(const struct watch *w, const struct stream_call *call,
                                  bool begins)
{
        const struct rules *rules = w->observer->rules;
        const char *key = NULL;
        size_t len = rules_job_key(rules, call->args, call->args_len, &key);

        w->page->changed = w->now;
        if (len > 0 || !rules->job_key[0])
                page_job(w->page, key, len, begins);
        return (struct judgement){PRESENCE_JOB, PRESENCE_KIND_MACHINE};
}

/*
 * The first thing that this page's tracker says, and a person navigated to it: keys and clicks from
 * its first moments made no edge, so who opened it is taken to have stayed as long as may be. A
 * page that a machine loaded (a restored session) is not.
 */
static bool opened_by_person(const struct watch *w)
{
        const struct observer_tally *t = &w->observer->tally;
        mono_t at = t->note[PRESENCE_REQUEST][PRESENCE_KIND_PERSON].at;
        int64_t before;

        if (w->page->spoke || w->page->jobs > 0 || w->page->masked ||
            t->note[PRESENCE_REQUEST][PRESENCE_KIND_PERSON].events == 0)
                return false;
        before = mono_diff_ms(at, w->page->awake);
        return before >= 0 && before < OPENING_MS;
}

/* What a call's verdict means, and what it changes. */
static struct judgement judge_verdict(struct watch *w, const struct stream_call *call,
                                      enum rule_verdict v)
{
        switch (v) {
        case RULE_ACTIVE:
                page_activity(w->page, true);
                return (struct judgement){PRESENCE_ACTIVE, PRESENCE_KIND_PERSON};
        case RULE_INACTIVE:
                if (page_touched(w->page, w->now) || opened_by_person(w))
                        note(w->observer, (struct judgement){PRESENCE_ACTIVE, PRESENCE_KIND_PERSON},
                             1, mono_add_ms(w->now, -INACTIVE_AGE_MS));
                page_activity(w->page, false);
                return (struct judgement){PRESENCE_ACTIVE, PRESENCE_KIND_MACHINE};
        case RULE_SCROLL:
                return judge_scroll(w, call);
        case RULE_CHANGE:
                w->page->changed = w->now;
                break;
        case RULE_TYPED:
                return judge_typed(w, call);
        case RULE_JOB:
        case RULE_JOB_END:
                return judge_job(w, call, v == RULE_JOB);
        case RULE_PERSON:
                /* The tracker hears every key and button first: this was an extension, or
                   something that was dropped from outside. */
                if (page_resting(w->page))
                        return (struct judgement){PRESENCE_INPUT, PRESENCE_KIND_WEAK};
                break;
        case RULE_PRESS:
                if (page_resting(w->page)) {
                        w->page->changed = w->now;
                        return (struct judgement){PRESENCE_INPUT, PRESENCE_KIND_MACHINE};
                }
                break;
        case RULE_GESTURE:
                if (page_resting(w->page) || nobody_active(w->observer, w->now))
                        return (struct judgement){PRESENCE_INPUT, PRESENCE_KIND_MACHINE};
                break;
        case RULE_MACHINE:
        case RULE_WEAK:
        case RULE_HINT:
        case RULE_UNDECODED:
        case RULE_VERDICT_MAX:
                break;
        }
        return (struct judgement){PRESENCE_INPUT, kind_of(v)};
}

void judge_call(struct watch *w, const struct stream_call *call)
{
        struct observer *o = w->observer;
        const struct rule_names *list =
                call->from == STREAM_METHOD ? &o->rules->methods : &o->rules->commands;
        struct observer_sighting s = {.at = w->now,
                                      .connection = w->number,
                                      .from = call->from == STREAM_METHOD ? "method" : "command",
                                      .name = call->name,
                                      .name_len = call->name_len,
                                      .verdict = RULE_MACHINE};
        struct judgement j;

        /* Asking to be told of events is how a page begins, whatever the event. */
        s.known = call->from == STREAM_LISTEN || rules_find(list, call->name, call->name_len,
                                                            call->args, call->args_len, &s.verdict);
        j = judge_verdict(w, call, s.verdict);
        note(o, j, 1, w->now);
        conclude(o, &s, j);
}

void judge_event(struct watch *w, const char *name, size_t len)
{
        struct observer *o = w->observer;
        struct observer_sighting s = {.at = w->now,
                                      .connection = w->number,
                                      .from = "event",
                                      .name = name,
                                      .name_len = len,
                                      .verdict = RULE_MACHINE};
        struct judgement j = {.source = PRESENCE_EVENT};

        s.known = rules_find(&o->rules->log_events, name, len, NULL, 0, &s.verdict);
        j.kind = kind_of(s.verdict);
        if (s.verdict == RULE_MACHINE && len > 0 && strlen(o->rules->log_refresh) == len &&
            memcmp(o->rules->log_refresh, name, len) == 0)
                refresh(o, w->now);
        note(o, j, 1, w->now);
        conclude(o, &s, j);
}

void judge_broken(struct watch *w, const char *reason)
{
        struct observer_sighting s = {.at = w->now,
                                      .connection = w->number,
                                      .from = "upgrade",
                                      .name = reason,
                                      .name_len = strlen(reason),
                                      .known = true,
                                      .verdict = RULE_UNDECODED};

        w->observer->tally.broken++;
        w->observer->tally.broken_reason = reason;
        conclude(w->observer, &s, (struct judgement){PRESENCE_UNDECODED, PRESENCE_KIND_HINT});
}

void judge_left(struct watch *w)
{
        struct judgement j = {PRESENCE_CONNECTION, PRESENCE_KIND_PERSON};
        struct observer_sighting s = {.at = w->now,
                                      .connection = w->number,
                                      .from = "page",
                                      .name = "closed",
                                      .name_len = 6,
                                      .known = true,
                                      .verdict = RULE_PERSON};

        note(w->observer, j, 1, w->now);
        conclude(w->observer, &s, j);
}

void judge_keep(struct observer *o, mono_t now)
{
        note(o, (struct judgement){PRESENCE_KEEP, PRESENCE_KIND_PERSON}, 1, now);
}
