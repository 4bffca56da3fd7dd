/* Links that open a workspace. */
#include "in/view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "in/view_print.h"

uint64_t view_access_generation(const struct workspace_row *w)
{
        switch (w->state) {
        case WS_STARTING:
        case WS_RUNNING:
        case WS_ATTENTION:
                return w->task[0] ? w->generation : w->generation + 1;
        case WS_STOPPED:
        case WS_SAVING: /* whoever comes back in time has it running again */
        case WS_RECOVERING:
        case WS_DELETED:
        case WS_STATE_MAX:
                break;
        }
        return w->generation + 1;
}

void view_ticket_of(const struct view_links *links, utc_t now, const struct workspace_row *w,
                    const char *id, char ret_text[static ACCESS_SIZE])
{
        struct access a = {.generation = view_access_generation(w),
                           .expires =
                                   (uint64_t)((now.us + links->ticket_ms * US_PER_MS) / US_PER_S)};
        char key[KEYS_HEX];

        STR_CUT(a.id, id);
        keys_access(links->keys, w->id, a.generation, key);
        access_write(&a, ACCESS_TICKET, key, ret_text);
        explicit_bzero(key, sizeof(key));
}

void view_ticket(const struct view_links *links, utc_t now, const struct workspace_row *w,
                 char ret_text[static ACCESS_SIZE])
{
        char id[ACCESS_ID_SIZE];

        access_new_id(id);
        view_ticket_of(links, now, w, id, ret_text);
}

int view_access_url(const struct view *v, const struct workspace_row *w, struct buf *out)
{
        char ticket[ACCESS_SIZE];

        view_ticket(v->links, v->utc, w, ticket);
        if (v->links->paths)
                return buf_printf(out, "%s://%s/w/%s/?ws_access=%s", v->links->scheme,
                                  v->links->host_suffix, w->id, ticket);
        return buf_printf(out, "%s://%s.%s/?ws_access=%s", v->links->scheme, w->id,
                          v->links->host_suffix, ticket);
}

int view_link_anew(const struct view *v, const void *text, size_t len, struct buf *out)
{
        AUTO_JSON *o = cJSON_ParseWithLength(text, len);
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(o, "id");
        AUTO_BUF url = BUF_INIT(1024);
        const struct workspace_row *w;

        if (!id)
                id = cJSON_GetObjectItemCaseSensitive(o, "workspace");
        w = cJSON_IsString(id) ? core_workspace(v->core, id->valuestring) : NULL;
        if (!v->links || !w || w->state == WS_DELETED ||
            !cJSON_IsString(cJSON_GetObjectItemCaseSensitive(o, "url")))
                return 1;
        if (view_access_url(v, w, &url) < 0 || buf_terminate(&url) < 0 ||
            !cJSON_ReplaceItemInObjectCaseSensitive(o, "url",
                                                    cJSON_CreateString((const char *)url.data)))
                return -ENOMEM;
        return view_print(o, out);
}
