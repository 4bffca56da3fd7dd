/*
 * The storage server as a program of its own, and the controller's side of it for the test driver:
 *
 *   save_tool storage --listen ADDR:PORT --root DIR --key-file FILE
 *   save_tool grant KEYFILE get|put WORKSPACE GENERATION SEQ EXPIRES MAX   prints path and query
 *   save_tool verify ROOT WORKSPACE GENERATION SEQ LENGTH SHA256  prints "0" or "1 reason"
 *   save_tool salvage ROOT WORKSPACE GENERATION AFTER         prints "seq length sha256"
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "keys.h"
#include "out/objects.h"
#include "out/objects_folder.h"
#include "out/saves.h"
#include "out/storage_server.h"
#include "out/storage_url.h"

static int number(const char *text, uint64_t *ret)
{
        return num_parse_u64(text, 0, INT64_MAX, ret);
}

static int grant(char **a)
{
        struct storage_grant g = {.op = strcmp(a[1], "put") == 0 ? BLOB_OP_PUT : BLOB_OP_GET};
        AUTO_BUF text = BUF_INIT(STORAGE_TARGET_MAX);
        struct keys keys;

        if (keys_load(a[0], &keys) < 0 || STR_SET(g.workspace, a[2]) < 0 ||
            number(a[3], &g.generation) < 0 || number(a[4], &g.seq) < 0 ||
            number(a[5], &g.expires) < 0 || number(a[6], &g.max_bytes) < 0 ||
            storage_grant_write(&keys, &g, &text) < 0)
                return 2;
        printf("%.*s\n", (int)text.len, (const char *)text.data);
        return 0;
}

static int folder(const char *path, struct objects *ret)
{
        int root = objects_root_open(path);

        return root < 0 ? root : objects_folder_new(root, ret);
}

static int verify(char **a)
{
        char reason[CORE_REASON_SIZE] = "";
        struct objects o;
        struct save_ref save = {0};
        int r;

        if (folder(a[0], &o) < 0 || number(a[2], &save.generation) < 0 ||
            number(a[3], &save.seq) < 0 || number(a[4], &save.length) < 0 ||
            STR_SET(save.sha256, a[5]) < 0)
                return 2;
        r = saves_inspect(&o, a[1], &save, reason, NULL);
        printf("%d %s\n", r, reason);
        return 0;
}

static int salvage(char **a)
{
        struct objects o;
        struct save_ref found = {0};
        char refused[CORE_REASON_SIZE];
        uint64_t generation, after;

        if (folder(a[0], &o) < 0 || number(a[2], &generation) < 0 || number(a[3], &after) < 0 ||
            saves_salvage(&o, a[1], generation, after, false, &found, refused) < 0)
                return 2;
        printf("%" PRIu64 " %" PRIu64 " %s\n", found.seq, found.length, found.sha256);
        return 0;
}

int main(int argc, char **argv)
{
        log_init("storage", LOG_WARN_LEVEL);
        if (argc >= 2 && strcmp(argv[1], "storage") == 0)
                return storage_server_main(argc - 1, argv + 1);
        if (argc == 9 && strcmp(argv[1], "grant") == 0)
                return grant(argv + 2);
        if (argc == 8 && strcmp(argv[1], "verify") == 0)
                return verify(argv + 2);
        if (argc == 6 && strcmp(argv[1], "salvage") == 0)
                return salvage(argv + 2);
        fprintf(stderr, "save_tool: see the head of tool.c\n");
        return 2;
}
