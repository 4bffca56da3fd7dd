/* Notifications that could not be delivered: a file of the state folder, read where it lies. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "ctl.h"
#include "table.h"

/* As much as the controller keeps in one file, and the line that went over it. */
#define FILE_MAX_BYTES (2u << 20)

static void show(struct table *t, const struct doc *letter)
{
        const struct doc *notice = doc_get(letter, "notice");

        table_add(t, doc_str(notice, "at"), TABLE_PLAIN);
        table_add(t, doc_str(letter, "channel"), TABLE_PLAIN);
        table_add(t, doc_str(notice, "kind"), TABLE_PLAIN);
        table_add(t, doc_str(notice, "subject"), TABLE_PLAIN);
        table_printf(t, "%.0f", doc_num(letter, "attempts", 0));
        table_add(t, doc_str(letter, "error"), TABLE_BAD);
        table_add(t, doc_str(notice, "id"), TABLE_DIM);
}

/* A line that was cut off by a full disk is left out. */
static void each_line(const struct buf *file, struct table *t)
{
        const char *at = (const char *)file->data, *end = at + file->len;

        while (at < end) {
                size_t len = (size_t)(end - at);
                const char *line_end = memchr(at, '\n', len);
                AUTO_DOC *letter = NULL;

                if (line_end)
                        len = (size_t)(line_end - at);
                letter = doc_parse(at, len);
                if (letter && t)
                        show(t, letter);
                else if (letter)
                        printf("%.*s\n", (int)len, at);
                at += len + 1;
        }
}

enum ctl_exit command_dead_letters(const struct ctl *c)
{
        static const char *const titles[] = {"AT",       "CHANNEL", "KIND", "SUBJECT",
                                             "ATTEMPTS", "WHY",     "ID",   NULL};
        static const char *const names[] = {"notify-dead.jsonl.1", "notify-dead.jsonl"};
        struct table *t = c->json ? NULL : table_new(titles, c->color);
        enum ctl_exit code = CTL_OK;

        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                AUTO_BUF file = BUF_INIT(FILE_MAX_BYTES);
                char path[512];
                int r;

                (void)snprintf(path, sizeof(path), "%s/%s", c->state, names[i]);
                r = file_read(path, &file);
                if (r < 0 && r != -ENOENT) {
                        fprintf(stderr, "wsctl: %s: %s\n", path, strerror(-r));
                        code = CTL_FAILED;
                }
                if (r == 0)
                        each_line(&file, t);
        }
        if (t)
                table_print(t);
        table_free(t);
        return code;
}
