/*
 * The database's layout as a list of migrations: entry i brings version i to version i + 1. An
 * entry is never changed after a release; a change of the layout is a new entry.
 */
#pragma once

extern const char *const schema_migrations[];
extern const int schema_version; /* number of entries */
