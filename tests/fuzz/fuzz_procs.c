/*
 * Whatever bytes stand where a text of /proc should: refused, or sound; and the words of a process,
 * whose contents are the student's. The first byte chooses the kind of text.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "sense/procfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const words[] = {"top", "ipykernel", "VAR="};
static const struct rules rules = {.app_terminals = {words, 1},
                                   .job_ignore = {words, 1},
                                   .job_kernels = {words, ARRAY_LEN(words)}};

static void try_stat(const char *text, size_t len)
{
        struct jobs_process p;

        if (procfs_stat(text, len, 10, &p) < 0)
                return;
        assert(p.pid > 0 && p.ppid >= 0 && p.pgrp >= 0 && p.session >= 0);
        assert(memchr(p.comm, '\0', sizeof(p.comm)));
        assert(p.self_ms + p.waited_ms >= p.self_ms);
}

static void try_lines(const char *text, size_t len)
{
        uint64_t n;
        uid_t uid;

        if (procfs_io(text, len, &n) == 0)
                assert(n < UINT64_MAX);
        if (procfs_tcp_listens(text, len, &uid, &n))
                assert(n > 0);
        (void)procfs_socket(text, len, &n);
}

static void try_words(const char *text, size_t len)
{
        struct jobs_config config = {.rules = &rules, .init = 1, .window_ms = 1000};
        struct jobs_process p = {.pid = 2, .ppid = 1, .pgrp = 2, .session = 2, .tty = 3};
        struct jobs_verdict v;
        struct jobs *j;

        if (jobs_new(&config, &j) < 0)
                return;
        memcpy(p.comm, text, MIN(len, sizeof(p.comm)));
        for (int i = 0; i < 2; i++) {
                jobs_begin(j, (mono_t){i * US_PER_S}, 0);
                if (jobs_add(j, &p))
                        jobs_words(j, p.pid, text, len / 2, text + len / 2, len - len / 2);
                jobs_end(j, &v);
                p.self_ms += 500;
        }
        for (const char *c = v.name; *c; c++)
                assert(*c >= ' ' && *c <= '~');
        jobs_free(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text;

        if (size == 0)
                return 0;
        /* A copy of its own, so that a read behind the end is noticed. */
        text = malloc(size > 1 ? size - 1 : 1);
        if (!text)
                return 0;
        memcpy(text, data + 1, size - 1);
        switch (data[0] % 3) {
        case 0:
                try_stat(text, size - 1);
                break;
        case 1:
                try_lines(text, size - 1);
                break;
        default:
                try_words(text, size - 1);
                break;
        }
        free(text);
        return 0;
}
