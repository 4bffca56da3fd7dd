/*
 * One line of a manifest to a struct, for manifest.c and its tests. Pure; `error` is a constant
 * text that says what is wrong.
 */
#pragma once

#include "snapshot/manifest.h"

/* Finds an archive by its id in the header; -1 when there is none. */
int snapshot_archive_find(const struct snapshot_header *h, const char *id, size_t len);

/*
 * Parse an entry's line of `len` bytes (no newline; line[len] is writable and becomes NUL). Path
 * and targets are unescaped in place, so they live as long as the line. NULL or what is wrong.
 */
const char *snapshot_entry_parse(char *line, size_t len, const struct snapshot_header *h,
                                 struct snapshot_entry *ret_entry);
/* "#ws {...}" or "#archive {...}" behind its keyword. NULL or what is wrong. */
const char *snapshot_ws_parse(const char *json, size_t len, struct snapshot_header *h);
const char *snapshot_archive_parse(const char *json, size_t len, struct snapshot_header *h);
