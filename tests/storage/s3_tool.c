/*
 * The S3 backend for tests. The bucket is named by S3_URL, S3_ENDPOINT, S3_REGION, S3_PATH_STYLE,
 * S3_CREDENTIALS.
 *
 *   s3_tool list WORKSPACE              "name length seconds" per object
 *   s3_tool stat NAME                   "length sha256"
 *   s3_tool read NAME LENGTH            the bytes
 *   s3_tool put NAME TEXT
 *   s3_tool remove NAME...
 *   s3_tool verify WORKSPACE GENERATION SEQ LENGTH SHA256        "0" or "1 reason"
 *   s3_tool salvage WORKSPACE GENERATION AFTER                   "seq length sha256"
 *   s3_tool saves WORKSPACE             "generation-seq entries bytes pinned" per save
 *   s3_tool pin WORKSPACE GENERATION SEQ on|off
 *   s3_tool sweep WORKSPACE KEEP_LAST BEFORE_GENERATION BEFORE_SEQ
 *   s3_tool erase WORKSPACE GENERATION
 *
 * A failure is "error NAME" and exit code 1.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "out/s3.h"
#include "out/saves.h"

static struct objects o;

static uint64_t number(const char *text)
{
        uint64_t n = 0;

        if (num_parse_u64(text, 0, INT64_MAX, &n) < 0)
                exit(2);
        return n;
}

static int show(void *ctx, const struct objects_info *info)
{
        (void)ctx;
        printf("%s %" PRIu64 " %" PRId64 "\n", info->name, info->length, info->at.us / US_PER_S);
        return 0;
}

static int plain(int argc, char **a)
{
        struct objects_stat st;
        int r;

        if (argc == 2 && strcmp(a[0], "list") == 0)
                return o.ops->list(o.impl, a[1], show, NULL);
        if (argc == 2 && strcmp(a[0], "stat") == 0) {
                r = o.ops->stat(o.impl, a[1], &st);
                if (r == 0)
                        printf("%" PRIu64 " %s\n", st.length, st.sha256);
                return r;
        }
        if (argc == 3 && strcmp(a[0], "read") == 0) {
                FILE *f = tmpfile();
                char chunk[4096];
                size_t n;

                r = f ? o.ops->read(o.impl, a[1], number(a[2]), fileno(f)) : -errno;
                if (r == 0)
                        rewind(f);
                while (r == 0 && (n = fread(chunk, 1, sizeof(chunk), f)) > 0)
                        (void)fwrite(chunk, 1, n, stdout);
                return r;
        }
        if (argc == 3 && strcmp(a[0], "put") == 0)
                return o.ops->put(o.impl, a[1], a[2], strlen(a[2]));
        if (argc >= 2 && strcmp(a[0], "remove") == 0)
                return o.ops->remove(o.impl, (const char *const *)a + 1, (size_t)argc - 1);
        return 2;
}

static int list_saves(const char *workspace)
{
        struct storage_save *saves = NULL;
        uint32_t n = 0;
        int r = saves_list(&o, workspace, &saves, &n);

        for (uint32_t i = 0; i < n; i++)
                printf("%" PRIu64 "-%" PRIu64 " %" PRIu64 " %" PRIu64 " %d\n",
                       saves[i].save.generation, saves[i].save.seq, saves[i].entries,
                       saves[i].bytes, saves[i].pinned);
        free(saves);
        return r;
}

static int verdict(int r, const char *reason)
{
        if (r >= 0)
                printf("%d %s\n", r, reason);
        return MIN(r, 0);
}

static int verify(char **a)
{
        char reason[CORE_REASON_SIZE] = "";
        struct save_ref save = {
                .generation = number(a[2]), .seq = number(a[3]), .length = number(a[4])};

        if (STR_SET(save.sha256, a[5]) < 0)
                return 2;
        return verdict(saves_inspect(&o, a[1], &save, reason, NULL), reason);
}

static int saves(int argc, char **a)
{
        char reason[CORE_REASON_SIZE] = "";
        struct save_ref found = {0};
        int r;

        if (argc == 6 && strcmp(a[0], "verify") == 0)
                return verify(a);
        if (argc == 2 && strcmp(a[0], "saves") == 0)
                return list_saves(a[1]);
        if (argc == 4 && strcmp(a[0], "salvage") == 0) {
                r = saves_salvage(&o, a[1], number(a[2]), number(a[3]), false, &found, reason);
                if (r == 0)
                        printf("%" PRIu64 " %" PRIu64 " %s\n", found.seq, found.length,
                               found.sha256);
                return r;
        }
        if (argc == 5 && strcmp(a[0], "pin") == 0)
                return verdict(saves_pin(&o, a[1], number(a[2]), number(a[3]),
                                         strcmp(a[4], "on") == 0, reason),
                               reason);
        if (argc == 5 && strcmp(a[0], "sweep") == 0) {
                struct saves_sweep how = {.rule = {(uint32_t)number(a[2]), 0},
                                          .before_generation = number(a[3]),
                                          .before_seq = number(a[4]),
                                          .now = utc_read()};

                return saves_discard(&o, a[1], &how);
        }
        if (argc == 3 && strcmp(a[0], "erase") == 0)
                return saves_erase(&o, a[1], number(a[2]));
        return plain(argc, a);
}

static const char *env(const char *name, const char *otherwise)
{
        const char *value = getenv(name);

        return value ? value : otherwise;
}

int main(int argc, char **argv)
{
        const struct s3_config config = {
                .url = env("S3_URL", ""),
                .endpoint = env("S3_ENDPOINT", ""),
                .region = env("S3_REGION", "us-east-1"),
                .path_style = strcmp(env("S3_PATH_STYLE", "on"), "on") == 0,
                .credentials_file = env("S3_CREDENTIALS", ""),
        };
        struct s3 *s;
        int r;

        log_init("s3_tool", LOG_WARN_LEVEL);
        if (argc < 2 || s3_new(&config, &s) < 0)
                return 2;
        o = s3_objects(s);
        r = saves(argc - 1, argv + 1);
        s3_free(s);
        if (r < 0)
                printf("error %s\n", strerrorname_np(-r));
        return r < 0 ? 1 : r;
}
