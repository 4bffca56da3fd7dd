#include "doc.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

/* struct doc is the library's node under another name. */
static const cJSON *node(const struct doc *d)
{
        return (const cJSON *)d;
}

static cJSON *checked(cJSON *json)
{
        if (!json) {
                fputs("wsctl: out of memory\n", stderr);
                exit(1);
        }
        return json;
}

struct doc *doc_parse(const char *text, size_t len)
{
        return (struct doc *)cJSON_ParseWithLength(text, len);
}

struct doc *doc_new(void)
{
        return (struct doc *)checked(cJSON_CreateObject());
}

struct doc *doc_free(struct doc *d)
{
        cJSON_Delete((cJSON *)d);
        return NULL;
}

void doc_freep(struct doc **d)
{
        *d = doc_free(*d);
}

void doc_set_str(struct doc *d, const char *key, const char *value)
{
        checked(cJSON_AddStringToObject((cJSON *)d, key, value));
}

void doc_set_num(struct doc *d, const char *key, double value)
{
        checked(cJSON_AddNumberToObject((cJSON *)d, key, value));
}

void doc_set_bool(struct doc *d, const char *key, bool value)
{
        checked(cJSON_AddBoolToObject((cJSON *)d, key, value));
}

struct doc *doc_add_object(struct doc *d, const char *key)
{
        cJSON *made = checked(cJSON_CreateObject());

        if (key)
                (void)cJSON_AddItemToObject((cJSON *)d, key, made);
        else
                (void)cJSON_AddItemToArray((cJSON *)d, made);
        return (struct doc *)made;
}

struct doc *doc_add_list(struct doc *d, const char *key)
{
        return (struct doc *)checked(cJSON_AddArrayToObject((cJSON *)d, key));
}

struct doc *doc_take(struct doc *d, const char *key)
{
        return (struct doc *)cJSON_DetachItemFromObjectCaseSensitive((cJSON *)d, key);
}

void doc_put(struct doc *d, const char *key, struct doc *item)
{
        if (key)
                (void)cJSON_AddItemToObject((cJSON *)d, key, (cJSON *)item);
        else
                (void)cJSON_AddItemToArray((cJSON *)d, (cJSON *)item);
}

void doc_keep(struct doc *d, const char *key, const struct doc *const *items, size_t n)
{
        cJSON *list = (cJSON *)doc_take(d, key);
        struct doc *kept = doc_add_list(d, key);

        for (size_t i = 0; i < n; i++) {
                /* It is a member of `d`, which is ours to change. */
                cJSON *one = cJSON_DetachItemViaPointer(list, (cJSON *)(uintptr_t)items[i]);

                doc_put(kept, NULL, (struct doc *)one);
        }
        cJSON_Delete(list);
}

void doc_move_all(struct doc *to, struct doc *from)
{
        cJSON *list = (cJSON *)from, *one;

        while (list && (one = list->child)) {
                one = cJSON_DetachItemViaPointer(list, one);
                doc_put(to, NULL, (struct doc *)one);
        }
}

enum doc_kind doc_kind(const struct doc *d)
{
        const cJSON *n = node(d);

        if (cJSON_IsBool(n))
                return DOC_TRUTH;
        if (cJSON_IsNumber(n))
                return DOC_NUMBER;
        if (cJSON_IsString(n))
                return DOC_TEXT;
        if (cJSON_IsArray(n))
                return DOC_LIST;
        return cJSON_IsObject(n) ? DOC_OBJECT : DOC_NOTHING;
}

char *doc_print(const struct doc *d, bool pretty)
{
        char *text = pretty ? cJSON_Print(node(d)) : cJSON_PrintUnformatted(node(d));

        if (!text)
                (void)checked(NULL);
        return text;
}

const struct doc *doc_get(const struct doc *d, const char *key)
{
        return (const struct doc *)cJSON_GetObjectItemCaseSensitive(node(d), key);
}

const char *doc_str(const struct doc *d, const char *key)
{
        const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(node(d), key));

        return s ? s : "";
}

double doc_num(const struct doc *d, const char *key, double fallback)
{
        const cJSON *n = cJSON_GetObjectItemCaseSensitive(node(d), key);

        return cJSON_IsNumber(n) ? n->valuedouble : fallback;
}

bool doc_true(const struct doc *d, const char *key)
{
        return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(node(d), key));
}

const struct doc *doc_next(const struct doc *list, const struct doc *at)
{
        if (at)
                return (const struct doc *)node(at)->next;
        return list ? (const struct doc *)node(list)->child : NULL;
}

const char *doc_key(const struct doc *d)
{
        return node(d)->string ? node(d)->string : "";
}

double doc_value(const struct doc *d)
{
        return cJSON_IsNumber(node(d)) ? node(d)->valuedouble : 0;
}

const char *doc_text(const struct doc *d)
{
        const char *s = cJSON_GetStringValue(node(d));

        return s ? s : "";
}
