/*
 * The file of classes: read when this controller begins to lead and whenever it changes, and given
 * to the core. A file with an error is refused as a whole: what was known before stays. Loop thread
 * only.
 *
 *   {"classes":[{"id":"cs101-09-01","course":"cs101","workspace_type":"vscode",
 *                "start":"2026-09-01T10:00:00+02:00","students":30}, …]}
 */
#pragma once

#include "core/core.h"

#define TIMETABLE_FILE_MAX (4096)      /* classes */
#define TIMETABLE_FILE_BYTES (4 << 20) /* at most */
#define TIMETABLE_ERROR_SIZE 256

struct loop;
struct shell;
struct timetable_file;

struct timetable_class {
        char id[CORE_NAME_SIZE];
        char course[CORE_NAME_SIZE];
        char type[CORE_TYPE_SIZE];
        utc_t start;
        uint32_t students;
};

/*
 * 0; -EINVAL with the place, the cause and the cure in `ret_error`; -ENOMEM. free() the result.
 * Types are names of `config`.
 */
NODISCARD int timetable_parse(const char *text, size_t len, const struct core_config *config,
                              char ret_error[static TIMETABLE_ERROR_SIZE],
                              struct timetable_class **ret_classes, size_t *ret_n);

/* `path` and `config` are kept. Reads nothing before timetable_file_lead. 0 or -ENOMEM. */
NODISCARD int timetable_file_new(struct loop *l, struct shell *shell, const char *path,
                                 const struct core_config *config,
                                 struct timetable_file **ret_file);
struct timetable_file *timetable_file_free(struct timetable_file *f);
/* Read it anew, and look for changes from now on; or no more. */
void timetable_file_lead(struct timetable_file *f);
void timetable_file_follow(struct timetable_file *f);
