/* JSON for wsctl: the one place where its JSON library appears. Readers take NULL and wrong types.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

struct doc; /* a whole document, or a node inside one (not owned) */

/* NULL when it is not JSON. */
struct doc *doc_parse(const char *text, size_t len);
struct doc *doc_new(void);
struct doc *doc_free(struct doc *d);
void doc_freep(struct doc **d);
#define AUTO_DOC CLEANUP(doc_freep) struct doc

enum doc_kind { DOC_NOTHING, DOC_TRUTH, DOC_NUMBER, DOC_TEXT, DOC_LIST, DOC_OBJECT };
/* NOTHING for NULL and null. */
enum doc_kind doc_kind(const struct doc *d);

/* Out of memory ends the program: these build small requests. */
void doc_set_str(struct doc *d, const char *key, const char *value);
void doc_set_num(struct doc *d, const char *key, double value);
void doc_set_bool(struct doc *d, const char *key, bool value);
/* A new object under that key (NULL: the next of a list), or a new list; owned by `d`. */
struct doc *doc_add_object(struct doc *d, const char *key);
struct doc *doc_add_list(struct doc *d, const char *key);
/* Take the member out of `d`; NULL: it has none. To be freed, or put elsewhere. */
struct doc *doc_take(struct doc *d, const char *key);
/* `item` becomes a member of `d`, and of a list (key NULL) the last. */
void doc_put(struct doc *d, const char *key, struct doc *item);
/* The list under `key` becomes these of its members, in this order; the others are freed. */
void doc_keep(struct doc *d, const char *key, const struct doc *const *items, size_t n);
/* All members of the list `from` go to the end of the list `to`. */
void doc_move_all(struct doc *to, struct doc *from);
/* malloc'd text. */
char *doc_print(const struct doc *d, bool pretty);

const struct doc *doc_get(const struct doc *d, const char *key);
/* "" when absent or not a string. */
const char *doc_str(const struct doc *d, const char *key);
/* `fallback` when absent or not a number. */
double doc_num(const struct doc *d, const char *key, double fallback);
bool doc_true(const struct doc *d, const char *key);
/* The members of an array or object, in order: NULL starts; NULL at the end. */
const struct doc *doc_next(const struct doc *list, const struct doc *at);
/* The key under which a member of an object is. */
const char *doc_key(const struct doc *d);
double doc_value(const struct doc *d);
/* "" when it is not a string. */
const char *doc_text(const struct doc *d);
