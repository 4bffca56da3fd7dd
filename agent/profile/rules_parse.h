/*
 * Presence rules (presence/rules.h) from JSON: images/<name>/presence.json. Strict: unknown keys,
 * wrong types, words that mean nothing, and rules that can never fire are errors that say where.
 *
 * One allocated object owns the rules and all their texts. Immutable after loading.
 */
#pragma once

#include <stddef.h>

#include "base/macro.h"
#include "presence/rules.h"
#include "profile/profile.h"

struct rules_file;

/* No editor, no log, nothing known: every WebSocket is undecoded. */
extern const struct rules rules_empty;

/*
 * 0; -ENOMEM; -EINVAL with what is wrong in `error`: `editor.methods.rules[3].verdict: "humn" is
 * none of machine, person, ...`.
 */
NODISCARD int rules_parse(const char *text, size_t len, char error[PROFILE_ERROR_MAX],
                          struct rules_file **ret_file);
/* As above from a file; -errno when it cannot be read. `error` is set in every case. */
NODISCARD int rules_load(const char *path, char error[PROFILE_ERROR_MAX],
                         struct rules_file **ret_file);
const struct rules *rules_of(const struct rules_file *f);
struct rules_file *rules_free(struct rules_file *f);
