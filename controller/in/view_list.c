/* Lists of workspaces: which of them, in which order, and how many at once. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "in/view.h"
#include "in/view_print.h"

/* What one is put in order by: a number, then its text, then its id. */
struct entry {
        const struct workspace_row *row;
        int64_t number;
        const char *text;
};

static const char *const sort_names[] = {
#define VIEW_SORT(id, name, doc) [VIEW_SORT_##id] = name,
#include "in/view_sort.def"
#undef VIEW_SORT
};
static_assert(ARRAY_LEN(sort_names) == VIEW_SORT_MAX, "a name for each order");

bool view_sort_parse(const char *text, enum view_sort *ret_sort, bool *ret_descending)
{
        bool descending = text[0] == '-';

        for (unsigned i = VIEW_SORT_NONE + 1; i < VIEW_SORT_MAX; i++) {
                if (strcmp(text + descending, sort_names[i]) != 0)
                        continue;
                *ret_sort = (enum view_sort)i;
                *ret_descending = descending;
                return true;
        }
        return false;
}

static const struct task_live *live_of(const struct view *v, const struct workspace_row *w)
{
        return w->task[0] ? core_task_live(v->core, w->task) : NULL;
}

static bool in_trouble(const struct view *v, const struct workspace_row *w)
{
        const struct task_live *live = live_of(v, w);

        return w->state == WS_ATTENTION || (live && (live->unsaved_alarm || live->fell_back));
}

static bool has_text(const struct workspace_row *w, const char *text)
{
        const char *const places[] = {w->id,         w->key.user_id, w->key.name, w->key.type,
                                      w->key.tenant, w->labels,      w->reason};

        for (size_t i = 0; i < ARRAY_LEN(places); i++) {
                if (strcasestr(places[i], text))
                        return true;
        }
        return false;
}

static bool matches(const struct view *v, const struct view_filter *f,
                    const struct workspace_row *w)
{
        if (f->has_state && w->state != f->state)
                return false;
        if (f->user_id[0] && strcmp(f->user_id, w->key.user_id) != 0)
                return false;
        if (f->type[0] && strcmp(f->type, w->key.type) != 0)
                return false;
        if (f->text[0] && !has_text(w, f->text))
                return false;
        return !f->trouble || in_trouble(v, w);
}

static int64_t rank(enum ws_state s)
{
        static const int8_t ranks[] = {
                [WS_ATTENTION] = 1, [WS_RECOVERING] = 2, [WS_SAVING] = 3,  [WS_STARTING] = 4,
                [WS_RUNNING] = 5,   [WS_STOPPED] = 6,    [WS_DELETED] = 7,
        };

        static_assert(ARRAY_LEN(ranks) == WS_STATE_MAX, "a rank for each state");
        return ranks[s];
}

/* -1: not known. */
static int64_t number_of(const struct view *v, enum view_sort sort, const struct workspace_row *w)
{
        const struct task_live *live = live_of(v, w);

        switch (sort) {
        case VIEW_SORT_STATE:
                return rank(w->state);
        case VIEW_SORT_SINCE:
                return view_since(v, w).us;
        case VIEW_SORT_IDLE:
                return live ? view_age_now(v, live, live->person_age_ms) : -1;
        case VIEW_SORT_UNSAVED:
                return live ? view_unsaved_now(v, live) : -1;
        case VIEW_SORT_NONE:
        case VIEW_SORT_ID:
        case VIEW_SORT_USER:
        case VIEW_SORT_TYPE:
        case VIEW_SORT_MAX:
                break;
        }
        return 0;
}

static const char *text_of(enum view_sort sort, const struct workspace_row *w)
{
        return sort == VIEW_SORT_TYPE                           ? w->key.type
               : sort == VIEW_SORT_ID || sort == VIEW_SORT_NONE ? ""
                                                                : w->key.user_id;
}

static int ascending(const void *pa, const void *pb)
{
        const struct entry *a = pa, *b = pb;
        int r;

        if (a->number != b->number)
                return a->number < b->number ? -1 : 1;
        r = strcmp(a->text, b->text);
        if (r == 0)
                r = strcmp(a->row->key.name, b->row->key.name);
        return r ? r : strcmp(a->row->id, b->row->id);
}

static int compare(const void *pa, const void *pb)
{
        const struct entry *a = pa, *b = pb;

        if ((a->number < 0) != (b->number < 0))
                return a->number < 0 ? 1 : -1;
        return ascending(pa, pb);
}

static int compare_back(const void *pa, const void *pb)
{
        const struct entry *a = pa, *b = pb;

        if ((a->number < 0) != (b->number < 0))
                return a->number < 0 ? 1 : -1;
        return ascending(pb, pa);
}

static int by_id(const void *pa, const void *pb)
{
        return strcmp(((const struct entry *)pa)->row->id, ((const struct entry *)pb)->row->id);
}

static int by_id_back(const void *pa, const void *pb)
{
        return by_id(pb, pa);
}

static void put_in_order(const struct view_filter *f, struct entry *entries, size_t n)
{
        if (f->sort == VIEW_SORT_NONE || n == 0)
                return;
        if (f->sort == VIEW_SORT_ID)
                qsort(entries, n, sizeof(*entries), f->descending ? by_id_back : by_id);
        else
                qsort(entries, n, sizeof(*entries), f->descending ? compare_back : compare);
}

static size_t count(const struct view *v)
{
        size_t pos = 0, n = 0;

        while (core_next_workspace(v->core, &pos))
                n++;
        return n;
}

int view_workspaces(const struct view *v, const struct view_filter *f, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();
        cJSON *list = cJSON_AddArrayToObject(o, "workspaces");
        struct entry *entries = calloc(count(v) + 1, sizeof(*entries));
        const struct workspace_row *w;
        size_t pos = 0, n = 0;
        int r;

        if (!entries)
                return -ENOMEM;
        while ((w = core_next_workspace(v->core, &pos))) {
                if (matches(v, f, w))
                        entries[n++] =
                                (struct entry){w, number_of(v, f->sort, w), text_of(f->sort, w)};
        }
        put_in_order(f, entries, n);
        for (uint64_t i = f->offset; i < n && (!f->limit || i - f->offset < f->limit); i++)
                cJSON_AddItemToArray(list, view_workspace_tree(v, entries[i].row));
        cJSON_AddNumberToObject(o, "total", (double)n);
        view_add_stops(v, o);
        r = view_print(o, out);
        free(entries);
        return r;
}
