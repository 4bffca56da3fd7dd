/*
 * What is remembered of an editor's pages across their connections. A page has one connection for
 * each kind and gives each a token of its own, which it keeps when it has to connect again; a new
 * page has new ones. So a "page" here is one (token, kind). Pure; embedded by value.
 *
 * The page's activity tracker speaks only when its state changes, hence the state outlives a
 * connection. It does not outlive a page that was silent for OBSERVER_DEAD_MS: a laptop that was
 * asleep did not see its owner leave.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mono.h"
#include "decode/editor.h"

#define PAGES_MAX 64      /* remembered; the one used longest ago makes room */
#define PAGE_TOKEN_MAX 64 /* bytes of a token, with NUL */
#define PAGE_TRACKER_MS 80000
/* The same for a page that is being loaded: on a busy computer 86 s were seen without a key. */
#define PAGE_LOADING_MS 110000
#define PAGE_JOBS_MAX 16 /* running at once; the one that began first makes room */
/* A hand on the wheel: so many pieces of scrolling of one thing, in so short a time. */
#define PAGE_HAND_SCROLLS 3
#define PAGE_HAND_MS 2000

enum page_tracker { PAGE_UNKNOWN, PAGE_ACTIVE, PAGE_INACTIVE };

struct page {
        char token[PAGE_TOKEN_MAX]; /* "" the entry is free */
        enum editor_kind kind;
        uint32_t open;    /* connections now */
        uint64_t used;    /* when it was last opened, counted in openings */
        uint32_t last_id; /* the highest message id seen */
        mono_t opened, fed;
        mono_t awake;   /* since then it was never silent */
        mono_t changed; /* the last CHANGE; MONO_NEVER */
        enum page_tracker tracker;
        uint8_t focus; /* what its terminals' last focus report said: 'I', 'O'; 0 there was none */
        bool spoke;    /* the tracker has said something */
        bool gone;     /* it has said that it is being closed */
        bool masked;   /* a job has run since the last ACTIVE edge */
        uint32_t jobs; /* running, and which: the hash of what tells it; 0 nothing does */
        uint32_t job[PAGE_JOBS_MAX];
        uint32_t scrolled; /* the hash of what was scrolled last */
        uint32_t scrolls;  /* how many times running it was, up to PAGE_HAND_SCROLLS */
        mono_t scroll_at[PAGE_HAND_SCROLLS]; /* the last of them, the newest first */
};

struct pages {
        struct page items[PAGES_MAX];
        uint64_t openings;
};

/*
 * A connection of this page. `spare` is used when all entries have open connections: such a page is
 * forgotten with its connection. The token must be shorter than PAGE_TOKEN_MAX and not empty.
 */
struct page *page_open(struct pages *pages, const char *token, enum editor_kind kind,
                       struct page *spare, mono_t now);
void page_close(struct page *p);

/* Bytes have come from it. */
void page_feed(struct page *p, mono_t now);
/* Is a message of this id new? False: it is sent again. */
bool page_fresh(struct page *p, uint32_t id);

void page_activity(struct page *p, bool active);
/* Its tracker has said "inactive", and nothing since: nobody pressed anything. */
bool page_resting(const struct page *p);
/*
 * For a tracker that says "inactive" and has said nothing before: did someone press a key
 * meanwhile? A new page's tracker begins as active without saying so and gives up PAGE_LOADING_MS
 * after the page has begun (PAGE_TRACKER_MS after it woke), later only when there was a key.
 */
bool page_touched(const struct page *p, mono_t now);
/*
 * A terminal has reported the focus, 'I' or 'O'. False: it says nothing new. A program that asks
 * for such reports is told at once how it is, each time.
 */
bool page_focus(struct page *p, uint8_t focus);
/*
 * A job begins or ends. What tells it from others: with the same key it may be told of several
 * times and is one; `len` 0 nothing does, and each is one more.
 */
void page_job(struct page *p, const char *key, size_t len, bool begins);

/*
 * Something was scrolled, `key` tells what. True: it goes on as a wheel or a finger does it, in
 * pieces that follow each other; a program that reveals a line scrolls once, and a page that is
 * laid out scrolls each thing once.
 */
bool page_scroll(struct page *p, const char *key, size_t len, mono_t now);

/* Connected and fed within OBSERVER_DEAD_MS. */
bool page_alive(const struct page *p, mono_t now);
/* The tracker's "active" counts: alive, and no job may have caused it. */
bool page_active(const struct page *p, mono_t now);
/* It is known whether a person is active, or it is too early to know. Extension host only. */
bool page_tracked(const struct page *p, mono_t now);
