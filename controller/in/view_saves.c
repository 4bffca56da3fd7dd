/* The saves of a workspace as JSON: for people who look for one to go back to, and for an export.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "in/view.h"
#include "in/view_print.h"

static bool same(const struct save_ref *a, const struct save_ref *b)
{
        return a->seq && a->generation == b->generation && a->seq == b->seq;
}

static bool newer(const struct save_ref *a, const struct save_ref *b)
{
        return a->generation > b->generation || (a->generation == b->generation && a->seq > b->seq);
}

static void add_name(cJSON *o, const char *key, uint64_t generation, uint64_t seq)
{
        char name[48];

        (void)snprintf(name, sizeof(name), "%llu-%llu", (unsigned long long)generation,
                       (unsigned long long)seq);
        if (seq)
                cJSON_AddStringToObject(o, key, name);
        else
                cJSON_AddNullToObject(o, key);
}

static void add_time(cJSON *o, utc_t at)
{
        time_t s = (time_t)(at.us / US_PER_S);
        struct tm tm;
        char text[32] = "";

        if (gmtime_r(&s, &tm))
                (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
        cJSON_AddStringToObject(o, "at", text);
}

static cJSON *save_json(const struct view *v, const struct workspace_row *w,
                        const struct stored_save *s)
{
        cJSON *o = cJSON_CreateObject();

        add_name(o, "save", s->save.generation, s->save.seq);
        cJSON_AddNumberToObject(o, "generation", (double)s->save.generation);
        cJSON_AddNumberToObject(o, "seq", (double)s->save.seq);
        add_time(o, s->save.at);
        cJSON_AddNumberToObject(o, "age_s",
                                (double)MAX(v->utc.us - s->save.at.us, 0) / (double)US_PER_S);
        cJSON_AddNumberToObject(o, "entries", (double)s->entries);
        cJSON_AddNumberToObject(o, "bytes", (double)s->bytes);
        cJSON_AddNumberToObject(o, "new_bytes", (double)s->save.data_length);
        add_name(o, "parent", s->parent_generation, s->parent_seq);
        cJSON_AddBoolToObject(o, "head", same(&w->head, &s->save));
        cJSON_AddBoolToObject(o, "previous", same(&w->previous, &s->save));
        cJSON_AddBoolToObject(o, "pinned", s->pinned);
        cJSON_AddNumberToObject(o, "format", s->old ? 1 : 2);
        /* Newer than the head: it was never committed, or the workspace was taken back. */
        cJSON_AddBoolToObject(o, "aside", newer(&s->save, &w->head));
        return o;
}

const struct workspace_row *view_saves_row(const struct core *core, const char *id, int result,
                                           struct view_error *ret_error)
{
        const struct workspace_row *w = core_workspace(core, id);

        if (w && result == 0)
                return w;
        if (!w)
                view_error_set(ret_error, VIEW_ERROR_UNKNOWN_WORKSPACE, "workspace %s is gone", id);
        else if (result == -EBADMSG)
                view_error_set(ret_error, VIEW_ERROR_NO_SAVE, "that save of %s is not whole", id);
        else
                view_error_set(ret_error, VIEW_ERROR_STORAGE_UNAVAILABLE,
                               "the saves of %s can not be read: %s", id, strerror(-result));
        return NULL;
}

const struct stored_save *view_saves_pick(const struct workspace_row *w,
                                          const struct stored_save *saves, uint32_t n,
                                          const struct stored_at *at, struct view_error *ret_error)
{
        const struct stored_save *s = stored_pick(saves, n, at, &w->head);

        if (s && !s->old)
                return s;
        if (s)
                view_error_set(ret_error, VIEW_ERROR_NO_SAVE, STORED_OLD_WORDS,
                               (unsigned long long)s->save.generation,
                               (unsigned long long)s->save.seq, w->id);
        else
                view_error_set(ret_error, VIEW_ERROR_NO_SAVE, "workspace %s has no such save",
                               w->id);
        return NULL;
}

void view_saves_not_asked(int result, struct view_error *ret_error)
{
        view_error_set(ret_error,
                       result == -EAGAIN ? VIEW_ERROR_BUSY : VIEW_ERROR_STORAGE_UNAVAILABLE,
                       "the storage is not asked: %s", strerror(-result));
}

int view_saves(const struct view *v, const struct workspace_row *w, const struct stored_save *saves,
               uint32_t n, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();
        cJSON *list;

        cJSON_AddStringToObject(o, "id", w->id);
        list = cJSON_AddArrayToObject(o, "saves");
        for (uint32_t i = 0; i < n; i++)
                cJSON_AddItemToArray(list, save_json(v, w, &saves[i]));
        return view_print(o, out);
}

int view_export(const struct view *v, const struct workspace_row *w, const struct stored_save *save,
                const char *grant, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();

        cJSON_AddStringToObject(o, "id", w->id);
        cJSON_AddItemToObject(o, "save", save_json(v, w, save));
        cJSON_AddNumberToObject(o, "length", (double)save->save.length);
        cJSON_AddStringToObject(o, "sha256", save->save.sha256);
        cJSON_AddStringToObject(o, "grant", grant);
        return view_print(o, out);
}
