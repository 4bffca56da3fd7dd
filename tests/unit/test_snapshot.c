/* shared/snapshot: golden bytes, round trips, hostile and damaged manifests. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "snapshot/lines.h"
#include "snapshot/manifest.h"
#include "snapshot/zstream.h"
#include "test.h"

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define WS                                                                                         \
        "#ws {\"format\":2,\"workspace\":\"ws-a\",\"generation\":3,\"seq\":2,\"at_ms\":1700,"      \
        "\"parent\":{\"generation\":2,\"seq\":9},\"entries\":%d,\"bytes\":3,\"notes\":\"\"}\n"
#define ARCHIVE                                                                                    \
        "#archive {\"id\":\"3-2/0\",\"length\":7,\"bytes\":3,\"live\":3,\"later\":false,"          \
        "\"parts\":[{\"length\":7,\"sha256\":\"" SHA "\"}]}\n"
#define FILE_WORDS " type=file mode=0644 time=1.000000000 size=3 sha256digest=" SHA " archive=3-2/0"
#define DIR_WORDS " type=dir mode=0755 time=1.000000000 archive=3-2/0"

static const char golden[] =
        "#mtree\n"
        "#ws {\"format\":2,\"workspace\":\"ws-a\",\"generation\":3,\"seq\":2,\"at_ms\":1700,"
        "\"parent\":{\"generation\":2,\"seq\":9},\"entries\":4,\"bytes\":3,\"notes\":\"\"}"
        "\n" ARCHIVE "./a type=dir mode=0755 time=-5.000000001 archive=3-2/0\n"
        "./a/\\377\\040b type=file mode=0644 time=1234567890.000000001 size=3 sha256digest=" SHA
        " sqlite=1 xattrs=0102030405060708 archive=3-2/0 ino=18446744073709551615"
        " ctime=7.000000009 life=1\n"
        "./a-b type=file mode=0644 time=1.000000000 size=3 sha256digest=" SHA
        " hardlink=./a/\\377\\040b archive=3-2/0 pending=1\n"
        "./l type=link mode=0777 time=1.000000000 link=..\\040/\\075 archive=3-2/0\n";

static int file_of(const void *data, size_t len)
{
        int fd = memfd_create("test", MFD_CLOEXEC);

        CHECK(fd >= 0);
        CHECK_INT(fd_write_all(fd, data, len), 0);
        return fd;
}

/* What reading `text` to its end gives: "" when it is taken. Closes fd. */
static const char *verdict_fd(int fd, int *ret_entries)
{
        static char error[SNAPSHOT_ERROR_SIZE];
        struct snapshot_reader *r = NULL;
        struct snapshot_entry e;
        int n = 0, got = snapshot_reader_open(fd, error, &r);

        if (got == 0) {
                while ((got = snapshot_reader_next(r, &e)) > 0)
                        n++;
                CHECK(got == 0 || got == -EBADMSG);
                (void)snprintf(error, sizeof(error), "%s", got < 0 ? snapshot_reader_error(r) : "");
        } else {
                CHECK_INT(got, -EBADMSG);
        }
        snapshot_reader_free(r);
        close(fd);
        if (ret_entries)
                *ret_entries = n;
        return error;
}

static const char *verdict(const char *text)
{
        return verdict_fd(file_of(text, strlen(text)), NULL);
}

static const char *verdict_of(int entries, const char *lines)
{
        static char text[200000];
        int n = snprintf(text, sizeof(text), "#mtree\n" WS ARCHIVE "%s", entries, lines);

        CHECK(n > 0 && (size_t)n < sizeof(text));
        return verdict(text);
}

/* Read everything from one file and write it to another, in either form. */
static int rewritten(int fd, bool local)
{
        char error[SNAPSHOT_ERROR_SIZE];
        struct snapshot_reader *r = NULL;
        struct snapshot_writer *w = NULL;
        struct snapshot_entry e;
        int body = memfd_create("body", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
        int got;

        CHECK_INT(snapshot_reader_open(fd, error, &r), 0);
        CHECK_INT(snapshot_writer_open(body, local, &w), 0);
        while ((got = snapshot_reader_next(r, &e)) > 0)
                CHECK_INT(snapshot_writer_add(w, &e,
                                              snapshot_reader_header(r)->archives[e.archive].id),
                          0);
        CHECK_INT(got, 0);
        CHECK_INT(snapshot_writer_finish(w, snapshot_reader_header(r), out), 0);
        snapshot_writer_free(w);
        snapshot_reader_free(r);
        close(body);
        return out;
}

static void golden_bytes(void)
{
        AUTO_BUF text = BUF_INIT(1 << 20);
        AUTO_BUF plain = BUF_INIT(1 << 20);
        int in = file_of(golden, sizeof(golden) - 1);
        int out = rewritten(in, true);
        int zstd = rewritten(in, false);
        int again;

        CHECK_INT(lseek(out, 0, SEEK_SET), 0);
        CHECK_INT(fd_read_all(out, &text), 0);
        CHECK_INT(text.len, sizeof(golden) - 1);
        CHECK(memcmp(text.data, golden, text.len) == 0);
        /* Through zstd, what only the agent knows is gone and nothing else. */
        again = rewritten(zstd, true);
        CHECK_INT(lseek(again, 0, SEEK_SET), 0);
        CHECK_INT(fd_read_all(again, &plain), 0);
        CHECK_INT(buf_terminate(&plain), 0);
        CHECK(strstr((char *)plain.data, "sqlite=1"));
        CHECK(!strstr((char *)plain.data, "ino=") && !strstr((char *)plain.data, "pending="));
        CHECK(strstr((char *)plain.data, "./a/\\377\\040b type=file mode=0644"));
        close(in);
        close(out);
        close(zstd);
        close(again);
}

static void header_is_a_frame_of_its_own(void)
{
        int in = file_of(golden, sizeof(golden) - 1);
        int zstd = rewritten(in, false);
        off_t size = lseek(zstd, 0, SEEK_END);
        char error[SNAPSHOT_ERROR_SIZE];
        struct snapshot_reader *r = NULL;
        struct snapshot_entry e;

        CHECK(size > 0);
        CHECK_INT(ftruncate(zstd, size - 4), 0); /* the entries are cut, the header is not */
        CHECK_INT(snapshot_reader_open(zstd, error, &r), 0);
        CHECK_INT(snapshot_reader_header(r)->entries, 4);
        CHECK_INT(snapshot_reader_header(r)->parent.seq, 9);
        CHECK_STR(snapshot_reader_header(r)->archives[0].id, "3-2/0");
        while (snapshot_reader_next(r, &e) > 0)
                ;
        CHECK(strstr(snapshot_reader_error(r), "cut off"));
        snapshot_reader_free(r);
        close(in);
        close(zstd);
}

static void rewind_gives_the_same(void)
{
        char error[SNAPSHOT_ERROR_SIZE];
        int fds[2] = {file_of(golden, sizeof(golden) - 1), -1};
        struct snapshot_entry e;

        fds[1] = rewritten(fds[0], false);
        for (int i = 0; i < 2; i++) {
                struct snapshot_reader *r = NULL;

                CHECK_INT(snapshot_reader_open(fds[i], error, &r), 0);
                for (int pass = 0; pass < 3; pass++) {
                        int n = 0;

                        while (n < pass + 2 && snapshot_reader_next(r, &e) > 0) {
                                if (n++ == 1)
                                        CHECK_STR(e.path, "a/\377 b");
                        }
                        CHECK_INT(snapshot_reader_rewind(r), 0);
                }
                snapshot_reader_free(r);
                close(fds[i]);
        }
}

static void order_of_the_walk(void)
{
        static const char *const sorted[] = {"a",  "a/b",  "a/b/c", "a/b-",
                                             "a-", "a-/x", "a.b",   "ab"};

        for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
                for (size_t j = 0; j < ARRAY_LEN(sorted); j++) {
                        int c = snapshot_path_compare(sorted[i], sorted[j]);

                        CHECK((c < 0) == (i < j) && (c > 0) == (i > j));
                }
        }
}

static void hostile_entries(void)
{
        static const struct {
                const char *line, *says;
        } bad[] = {
                {"../x" FILE_WORDS, "begin with ./"},
                {"/etc/passwd" FILE_WORDS, "begin with ./"},
                {"./../x" FILE_WORDS, "leaves the root"},
                {"./a/../x" FILE_WORDS, "leaves the root"},
                {"./a/\\056\\056/x" FILE_WORDS, "leaves the root"},
                {"./." FILE_WORDS, "leaves the root"},
                {"./a//x" FILE_WORDS, "empty name"},
                {"./a/" FILE_WORDS, "empty name"},
                {"./" FILE_WORDS, "empty name"},
                {"./a\\000b" FILE_WORDS, "alphabet"},
                {"./a\\9" FILE_WORDS, "alphabet"},
                {"./a\\400" FILE_WORDS, "alphabet"},
                {"./a\xff" FILE_WORDS, "alphabet"},
                {"./x", "no keywords"},
                {"./x type=file", "missing"},
                {"./x type=pipe mode=0644 time=1.000000000 archive=3-2/0", "type is not one"},
                {"./x type=file mode=0644 time=1.000000000 size=3 archive=3-2/0", "sha256digest"},
                {"./x type=dir mode=0999 time=1.000000000 archive=3-2/0", "mode is not one"},
                {"./x type=dir mode=17777 time=1.000000000 archive=3-2/0", "mode is not one"},
                {"./x type=dir mode=0755 time=1 archive=3-2/0", "time is not one"},
                {"./x type=dir mode=0755 time=1.5 archive=3-2/0", "time is not one"},
                {"./x type=dir mode=0755 time=1.000000000 archive=3-2/1", "archive is not one"},
                {"./x type=dir mode=0755 time=1.000000000 archive=3-2/0 ", "without a value"},
                {"./x type=dir mode=0755 mode=0755 time=1.000000000 archive=3-2/0", "twice"},
                {"./x type=link mode=0777 time=1.000000000 archive=3-2/0", "link belongs"},
                {"./x type=dir link=y mode=0777 time=1.000000000 archive=3-2/0", "link belongs"},
                {"./x" FILE_WORDS " hardlink=./y", "not before"},
                {"./x" FILE_WORDS " hardlink=./x", "not before"},
                {"./x" FILE_WORDS " hardlink=./../a", "hardlink is not one"},
                {"./x" FILE_WORDS " hardlink=/a", "hardlink is not one"},
                {"./x type=file mode=0644 time=1.000000000 size=9007199254740993 sha256digest=" SHA
                 " archive=3-2/0",
                 "size is not one"},
        };

        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                char line[400];
                const char *says;

                (void)snprintf(line, sizeof(line), "%s\n", bad[i].line);
                says = verdict_of(1, line);
                if (!strstr(says, bad[i].says) || strncmp(says, "line 4: ", 8) != 0)
                        fprintf(stderr, "%s -> %s\n", bad[i].line, says);
                CHECK(strstr(says, bad[i].says) && strncmp(says, "line 4: ", 8) == 0);
        }
        CHECK_STR(verdict_of(1, "./x" FILE_WORDS " color=blue\n"), ""); /* unknown is ignored */
        CHECK(strstr(verdict_of(2, "./b" DIR_WORDS "\n./a" DIR_WORDS "\n"), "out of order"));
        CHECK(strstr(verdict_of(2, "./a" DIR_WORDS "\n./a" DIR_WORDS "\n"), "same path twice"));
        CHECK(strstr(verdict_of(2, "./a-" DIR_WORDS "\n./a/b" DIR_WORDS "\n"), "out of order"));
        CHECK(strstr(verdict_of(2, "./a" FILE_WORDS "\n./a/b" DIR_WORDS "\n"), "not a folder"));
        CHECK(strstr(verdict_of(2, "./a" DIR_WORDS "\n"), "fewer entries"));
        CHECK(strstr(verdict_of(0, "./a" DIR_WORDS "\n"), "more entries"));
        CHECK(strstr(verdict_of(1, "./a" DIR_WORDS), "has no end"));
        CHECK_STR(verdict_of(0, ""), "");
}

static void hostile_headers(void)
{
        static const struct {
                const char *text, *says;
        } bad[] = {
                {"", "nothing is there"},
                {"hello\n", "not zstd"},
                {"#mtree v2\n", "does not begin"},
                {"#mtree\n./a" DIR_WORDS "\n", "#ws is missing"},
                {"#mtree\n#ws []\n", "not an object"},
                {"#mtree\n#ws {\"format\":3}\n", "format that is not known"},
                {"#mtree\n#ws {\"format\":2,\"workspace\":\"../x\"}\n", "workspace"},
                {"#mtree\n#ws {\"format\":2,\"workspace\":\"a\",\"generation\":0,\"seq\":1}\n",
                 "generation"},
                {"#mtree\n#ws {\"format\":2,\"workspace\":\"a\",\"generation\":1,\"seq\":1,"
                 "\"at_ms\":1,\"entries\":1000001,\"bytes\":1}\n",
                 "too many"},
        };
        char text[4000];

        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                if (!strstr(verdict(bad[i].text), bad[i].says))
                        fprintf(stderr, "%s -> %s\n", bad[i].text, verdict(bad[i].text));
                CHECK(strstr(verdict(bad[i].text), bad[i].says));
        }
        (void)snprintf(text, sizeof(text), "#mtree\n" WS ARCHIVE ARCHIVE, 0);
        CHECK(strstr(verdict(text), "line 4: an archive stands twice"));
        (void)snprintf(text, sizeof(text), "#mtree\n" WS "%s", 0,
                       "#archive {\"id\":\"3-2/0\",\"length\":8,\"bytes\":3,\"live\":3,\"parts\":"
                       "[{\"length\":7,\"sha256\":\"" SHA "\"}]}\n");
        CHECK(strstr(verdict(text), "sum of the parts"));
        (void)snprintf(text, sizeof(text), "#mtree\n" WS "%s", 0,
                       "#archive {\"id\":\"3-02/0\",\"length\":7,\"bytes\":3,\"live\":3,\"parts\":"
                       "[{\"length\":7,\"sha256\":\"" SHA "\"}]}\n");
        CHECK(strstr(verdict(text), "id is not one"));
}

/* All parts but the last have the same length, whatever it is, up to that of older agents. */
static void lengths_of_parts(void)
{
        static const struct {
                uint64_t length[3];
                const char *says;
        } cases[] = {
                {{8 << 20, 8 << 20, 7}, ""},
                {{32 << 20, 32 << 20, 32 << 20}, ""},
                {{8 << 20, 7 << 20, 7}, "not as long as the first"},
                {{7 << 20, 8 << 20, 7}, "not as long as the first"},
                {{7, 7, 8}, "not as long as the first"},
                {{33 << 20, 33 << 20, 7}, "a part is not one"},
        };
        char text[4000];

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                const uint64_t *n = cases[i].length;

                (void)snprintf(text, sizeof(text),
                               "#mtree\n" WS "#archive {\"id\":\"3-2/0\",\"length\":%" PRIu64
                               ",\"bytes\":3,\"live\":3,\"parts\":["
                               "{\"length\":%" PRIu64 ",\"sha256\":\"" SHA "\"},"
                               "{\"length\":%" PRIu64 ",\"sha256\":\"" SHA "\"},"
                               "{\"length\":%" PRIu64 ",\"sha256\":\"" SHA "\"}]}\n",
                               0, n[0] + n[1] + n[2], n[0], n[1], n[2]);
                if (cases[i].says[0])
                        CHECK(strstr(verdict(text), cases[i].says));
                else
                        CHECK(strcmp(verdict(text), "") == 0);
        }
}

static void long_paths(void)
{
        static char line[90000];
        char *p = line;

        p += sprintf(p, "./");
        for (int i = 0; i < SNAPSHOT_PATH_MAX - 1; i++)
                p += sprintf(p, "\\001");
        (void)sprintf(p, FILE_WORDS "\n");
        CHECK_STR(verdict_of(1, line), "");
        (void)sprintf(p, "x" FILE_WORDS "\n");
        CHECK(strstr(verdict_of(1, line), "too long"));
        memset(line, 'x', 70000);
        line[0] = '.';
        line[1] = '/';
        line[70000] = '\n';
        line[70001] = 0;
        CHECK(strstr(verdict_of(1, line), "too long a line"));
}

static int to_fd(void *ctx, const void *data, size_t len)
{
        return fd_write_all(*(int *)ctx, data, len);
}

/* 400 MiB of text in a file of some KiB. */
static void bombs_end(void)
{
        static char block[1 << 20];
        int fd = memfd_create("bomb", MFD_CLOEXEC), n = 0;
        struct zstream_writer *w = zstream_writer_new(0, to_fd, &fd);
        size_t line, at = 0;

        CHECK(w);
        (void)snprintf(block, sizeof(block), "#mtree\n" WS ARCHIVE, 1000000);
        CHECK_INT(zstream_write(w, block, strlen(block)), 0);
        /* Lines that are ignored: each is a comment of the header. */
        line = 1000;
        memset(block, '#', sizeof(block));
        for (at = line; at < sizeof(block); at += line)
                block[at] = '\n';
        block[sizeof(block) - 1] = '\n';
        for (int i = 0; i < 400; i++)
                CHECK_INT(zstream_write(w, block, sizeof(block)), 0);
        CHECK_INT(zstream_writer_end(w), 0);
        zstream_writer_free(w);
        CHECK(strstr(verdict_fd(fd, &n), "more than 256 MiB"));
        CHECK_INT(n, 0);
}

static void truncations(void)
{
        int in = file_of(golden, sizeof(golden) - 1);
        int zstd = rewritten(in, false);
        AUTO_BUF all = BUF_INIT(1 << 20);

        CHECK_INT(lseek(zstd, 0, SEEK_SET), 0);
        CHECK_INT(fd_read_all(zstd, &all), 0);
        for (size_t n = 0; n < all.len; n++)
                CHECK(*verdict_fd(file_of(all.data, n), NULL));
        for (size_t n = 0; n < sizeof(golden) - 1; n++)
                CHECK(*verdict_fd(file_of(golden, n), NULL));
        CHECK_STR(verdict_fd(file_of(all.data, all.len), NULL), "");
        close(in);
        close(zstd);
}

/* What is taken after a mutation must still keep the promises of the reader. */
static void check_promises(int fd)
{
        char error[SNAPSHOT_ERROR_SIZE], last[SNAPSHOT_PATH_MAX] = "";
        struct snapshot_reader *r = NULL;
        struct snapshot_entry e;
        int got = snapshot_reader_open(fd, error, &r);

        if (got < 0) {
                CHECK_INT(got, -EBADMSG);
                CHECK(error[0]);
        }
        while (got >= 0 && (got = snapshot_reader_next(r, &e)) > 0) {
                CHECK(e.path[0] && e.path[0] != '/' && strlen(e.path) < SNAPSHOT_PATH_MAX);
                CHECK(strcmp(e.path, "..") != 0 && strncmp(e.path, "../", 3) != 0);
                CHECK(!strstr(e.path, "/../"));
                CHECK(snapshot_path_compare(last, e.path) < 0);
                CHECK(e.archive < snapshot_reader_header(r)->n_archives);
                CHECK((e.type == SNAPSHOT_LINK) == (e.link != NULL));
                (void)snprintf(last, sizeof(last), "%s", e.path);
        }
        snapshot_reader_free(r);
}

static void random_mutations(void)
{
        uint64_t seed = getenv("WS_TEST_SEED") ? strtoull(getenv("WS_TEST_SEED"), NULL, 10)
                                               : (uint64_t)time(NULL);
        int rounds = test_full() ? 200000 : 5000;
        AUTO_BUF zstd = BUF_INIT(1 << 20);
        int in = file_of(golden, sizeof(golden) - 1), z = rewritten(in, false);

        fprintf(stderr, "    seed %llu\n", (unsigned long long)seed);
        srandom((unsigned)seed);
        CHECK_INT(lseek(z, 0, SEEK_SET), 0);
        CHECK_INT(fd_read_all(z, &zstd), 0);
        for (int i = 0; i < rounds; i++) {
                static const char alphabet[] = "./\\ =#\n-0917aefx{}\"[]:,\377";
                char bytes[sizeof(golden) + 64];
                bool plain = i % 4 != 0;
                size_t len = plain ? sizeof(golden) - 1 : zstd.len;
                int fd;

                memcpy(bytes, plain ? golden : (char *)zstd.data, len);
                for (long n = random() % 4; n >= 0; n--) {
                        size_t at = (size_t)random() % len;

                        bytes[at] = random() % 2 ? (char)random()
                                                 : alphabet[random() % (long)sizeof(alphabet)];
                }
                if (random() % 3 == 0) { /* a piece stands elsewhere too */
                        size_t n = (size_t)random() % 64, from = (size_t)random() % (len - n);

                        memmove(bytes + (size_t)random() % (len - n), bytes + from, n);
                }
                fd = file_of(bytes, len);
                check_promises(fd);
                close(fd);
        }
        close(in);
        close(z);
}

int main(void)
{
        RUN(golden_bytes);
        RUN(header_is_a_frame_of_its_own);
        RUN(rewind_gives_the_same);
        RUN(order_of_the_walk);
        RUN(hostile_entries);
        RUN(hostile_headers);
        RUN(lengths_of_parts);
        RUN(long_paths);
        RUN(bombs_end);
        RUN(truncations);
        RUN(random_mutations);
        return 0;
}
