/*
 * The layout of each kind of database as a list of migrations: entry i brings version i to version
 * i + 1. An entry is never changed after a release; a change of the layout is a new entry.
 */
#pragma once

extern const char *const schema_migrations[]; /* SQLite */
extern const int schema_version;              /* number of entries */

extern const char *const postgres_migrations[];
extern const int postgres_version;
