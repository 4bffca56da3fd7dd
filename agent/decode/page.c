#include "decode/page.h"

#include <assert.h>
#include <string.h>

#include "base/macro.h"
#include "decode/observer.h"

static bool is_same(const struct page *p, const char *token, enum editor_kind kind)
{
        return p->kind == kind && strcmp(p->token, token) == 0;
}

/* The entry of this page, else the one to use for it; NULL when all have open connections. */
static struct page *entry_for(struct pages *pages, const char *token, enum editor_kind kind)
{
        struct page *oldest = NULL;

        for (size_t i = 0; i < PAGES_MAX; i++) {
                struct page *p = &pages->items[i];

                if (is_same(p, token, kind))
                        return p;
                if (p->open == 0 && (!oldest || p->used < oldest->used))
                        oldest = p;
        }
        return oldest;
}

struct page *page_open(struct pages *pages, const char *token, enum editor_kind kind,
                       struct page *spare, mono_t now)
{
        struct page *p = entry_for(pages, token, kind);
        size_t len = strlen(token);

        assert(len > 0 && len < PAGE_TOKEN_MAX);
        if (!p)
                p = spare;
        if (!is_same(p, token, kind)) {
                *p = (struct page){.kind = kind, .fed = now, .changed = MONO_NEVER};
                memcpy(p->token, token, len);
        }
        if (p->open == 0)
                p->opened = p->awake = now;
        p->used = ++pages->openings;
        p->open++;
        p->gone = false;
        page_feed(p, now);
        return p;
}

void page_close(struct page *p)
{
        assert(p->open > 0);
        p->open--;
}

static bool is_silent(const struct page *p, mono_t now)
{
        return mono_diff_ms(p->fed, now) > OBSERVER_DEAD_MS;
}

void page_feed(struct page *p, mono_t now)
{
        if (is_silent(p, now))
                p->awake = now;
        if (is_silent(p, now) && p->tracker == PAGE_ACTIVE)
                p->tracker = PAGE_UNKNOWN;
        p->fed = now;
}

bool page_fresh(struct page *p, uint32_t id)
{
        if (id == 0)
                return true;
#ifndef DECODE_PLANTED_REPLAY
        if (id <= p->last_id)
                return false;
#endif
        p->last_id = id;
        return true;
}

void page_activity(struct page *p, bool active)
{
        p->tracker = active ? PAGE_ACTIVE : PAGE_INACTIVE;
        p->spoke = true;
        if (active && p->jobs == 0)
                p->masked = false;
}

bool page_resting(const struct page *p)
{
        return p->tracker == PAGE_INACTIVE;
}

bool page_touched(const struct page *p, mono_t now)
{
        int64_t untouched = mono_before(p->opened, p->awake) ? PAGE_TRACKER_MS : PAGE_LOADING_MS;

        return !p->spoke && p->jobs == 0 && !p->masked && mono_diff_ms(p->awake, now) > untouched;
}

bool page_focus(struct page *p, uint8_t focus)
{
        bool changed = p->focus != focus;

        p->focus = focus;
        return changed;
}

/* FNV-1a. Who aims at a collision makes the count of his own cells or scrolling wrong. */
static uint32_t hash_of(const char *key, size_t len)
{
        uint32_t h = UINT32_C(2166136261);

        for (size_t i = 0; i < len; i++)
                h = (h ^ (uint8_t)key[i]) * UINT32_C(16777619);
        return len == 0 ? 0 : MAX(h, UINT32_C(1));
}

void page_job(struct page *p, const char *key, size_t len, bool begins)
{
        uint32_t id = hash_of(key, len), i = 0;

        while (i < p->jobs && p->job[i] != id)
                i++;
        if (begins && (i == p->jobs || id == 0)) {
                if (p->jobs == PAGE_JOBS_MAX)
                        memmove(p->job, p->job + 1, --p->jobs * sizeof(p->job[0]));
                p->job[p->jobs++] = id;
        } else if (!begins && i < p->jobs) {
                p->job[i] = p->job[--p->jobs];
        } else if (!begins) {
                return; /* it never began */
        }
        p->masked = true;
}

bool page_scroll(struct page *p, const char *key, size_t len, mono_t now)
{
        uint32_t id = hash_of(key, len);

#ifndef DECODE_PLANTED_LAYOUT
        if (id != p->scrolled)
                p->scrolls = 0;
#endif
        p->scrolled = id;
        for (size_t i = PAGE_HAND_SCROLLS - 1; i > 0; i--)
                p->scroll_at[i] = p->scroll_at[i - 1];
        p->scroll_at[0] = now;
        p->scrolls = MIN(p->scrolls + 1, (uint32_t)PAGE_HAND_SCROLLS);
        return p->scrolls == PAGE_HAND_SCROLLS &&
               mono_diff_ms(p->scroll_at[PAGE_HAND_SCROLLS - 1], now) <= PAGE_HAND_MS;
}

bool page_alive(const struct page *p, mono_t now)
{
        return p->open > 0 && !p->gone && !is_silent(p, now);
}

bool page_active(const struct page *p, mono_t now)
{
        return page_alive(p, now) && p->tracker == PAGE_ACTIVE && p->jobs == 0 && !p->masked;
}

bool page_tracked(const struct page *p, mono_t now)
{
        return p->kind != EDITOR_EXTENSION_HOST || p->spoke || !page_alive(p, now) ||
               mono_diff_ms(p->opened, now) <= OBSERVER_TRACKER_MS;
}
