/*
 * Planned maintenance: a file, read again when it changes.
 *
 *   {"maintenance":[{"id":"2026-12","start":"2026-12-05T02:00:00Z","end":"2026-12-05T04:00:00Z",
 *                    "text":"New version."}]}
 *
 * Announced for each workspace that runs within 48 h before its start, once: those that run then,
 * and those that are started later.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "out/notify_internal.h"
#include "wire/json.h"

#define PLAN_BYTES (64 << 10)

/* "2026-12-05T02:00:00Z", in UTC only. */
static bool parse_time(const cJSON *v, utc_t *ret_at)
{
        struct tm tm = {0};
        const char *end;

        if (!cJSON_IsString(v))
                return false;
        end = strptime(v->valuestring, "%Y-%m-%dT%H:%M:%SZ", &tm);
        if (!end || *end)
                return false;
        ret_at->us = (int64_t)timegm(&tm) * US_PER_S;
        return true;
}

/* NULL, or what is wrong with it. */
static const char *parse_one(const cJSON *o, struct maintenance *ret)
{
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(o, "id");
        const cJSON *text = cJSON_GetObjectItemCaseSensitive(o, "text");

        *ret = (struct maintenance){0};
        if (!cJSON_IsString(id) || !name_valid(id->valuestring, sizeof(ret->id) - 1))
                return "id is not 1 to 63 letters, digits or . _ @ + : -";
        STR_CUT(ret->id, id->valuestring);
        if (!parse_time(cJSON_GetObjectItemCaseSensitive(o, "start"), &ret->start) ||
            !parse_time(cJSON_GetObjectItemCaseSensitive(o, "end"), &ret->end))
                return "start and end are times such as 2026-12-05T02:00:00Z";
        if (ret->end.us <= ret->start.us)
                return "end is not behind start";
        if (text && (!cJSON_IsString(text) || strlen(text->valuestring) >= sizeof(ret->text)))
                return "text is a text of at most 159 bytes";
        if (text)
                STR_CUT(ret->text, text->valuestring);
        return NULL;
}

static const char *parse(struct notify *n, const struct buf *file)
{
        AUTO_JSON *doc = cJSON_ParseWithLength((const char *)file->data, file->len);
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(doc, "maintenance"), *one;
        struct maintenance found[MAINTENANCES_MAX];
        size_t k = 0;

        if (!cJSON_IsArray(list))
                return "it is not {\"maintenance\":[…]}";
        cJSON_ArrayForEach(one, list)
        {
                const char *wrong =
                        k == MAINTENANCES_MAX ? "more than 32 entries" : parse_one(one, &found[k]);

                if (wrong)
                        return wrong;
                k++;
        }
        memcpy(n->maintenances, found, k * sizeof(found[0]));
        n->n_maintenances = k;
        return NULL;
}

static void read_again(struct notify *n)
{
        AUTO_BUF file = BUF_INIT(PLAN_BYTES);
        const char *wrong;
        struct stat st;

        if (stat(n->config.maintenance, &st) < 0)
                st = (struct stat){0}; /* not there: nothing is planned */
        if (st.st_mtim.tv_sec == n->plan_changed.tv_sec &&
            st.st_mtim.tv_nsec == n->plan_changed.tv_nsec && st.st_size == n->plan_size)
                return;
        n->plan_changed = st.st_mtim;
        n->plan_size = st.st_size;
        if (st.st_size == 0 && st.st_mtim.tv_sec == 0) {
                n->n_maintenances = 0;
                return;
        }
        wrong = file_read(n->config.maintenance, &file) < 0 ? "it cannot be read" : parse(n, &file);
        if (wrong)
                log_error("the file of planned maintenance is refused; what was known stays",
                          LOG_STR("file", n->config.maintenance), LOG_STR("why", wrong));
        else
                log_info("planned maintenance read", LOG_INT("entries", n->n_maintenances));
}

static void time_text(utc_t at, char dst[static 32])
{
        time_t s = (time_t)(at.us / US_PER_S);
        struct tm tm;

        dst[0] = 0;
        if (gmtime_r(&s, &tm))
                (void)strftime(dst, 32, "%Y-%m-%d %H:%M UTC", &tm);
}

static void announce(struct notify *n, const struct maintenance *m, const struct workspace_row *w)
{
        char tail[128];
        struct notice notice;

        /* Another start is another announcement. */
        (void)snprintf(tail, sizeof(tail), "%s:%lld:%s", m->id, (long long)(m->start.us / US_PER_S),
                       w->id);
        if (slots_find(n->announced, tail) || !slots_put(n->announced, tail))
                return;
        notify_begin(n, NOTICE_MAINTENANCE_PLANNED, w->id, &notice);
        time_text(m->start, notice.start);
        time_text(m->end, notice.end);
        STR_CUT(notice.detail, m->text);
        notify_name(n, &notice, tail);
        notify_put(n, &notice);
}

static void announce_to_running(struct notify *n, const struct maintenance *m)
{
        const struct core *core = shell_core(n->shell);
        const struct task_row *t;
        size_t pos = 0;

        while ((t = core_next_task(core, &pos))) {
                const struct workspace_row *w = core_workspace(core, t->workspace);

                if (w && (w->state == WS_RUNNING || w->state == WS_STARTING))
                        announce(n, m, w);
        }
}

void notify_plan_tick(struct notify *n)
{
        utc_t now = loop_utc(n->loop);

        if (!n->config.maintenance[0])
                return;
        read_again(n);
        for (size_t i = 0; i < n->n_maintenances; i++) {
                const struct maintenance *m = &n->maintenances[i];

                if (now.us < m->end.us && m->start.us - now.us <= NOTIFY_AHEAD_S * US_PER_S)
                        announce_to_running(n, m);
        }
}
