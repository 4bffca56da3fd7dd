/*
 * Retention against an oracle; and sweeps of random histories in a real folder: what is kept can be
 * restored, what is not is gone, nothing else is touched. The planted build removes archives that
 * are still referred to and has to be caught.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "out/objects.h"
#include "out/objects_folder.h"
#include "out/saves.h"
#include "snapshot/manifest.h"
#include "test.h"

#define WS "ws-abcdefgh2345"
#define DAY (INT64_C(86400) * US_PER_S)
#define HOUR (INT64_C(3600) * US_PER_S)
#define SAVES_MOST 60

static uint64_t state;

static uint64_t dice(uint64_t n)
{
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state % n;
}

static void seed_set(void)
{
        const char *given = getenv("WS_TEST_SEED");

        state = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
        fprintf(stderr, "seed %" PRIu64 " (WS_TEST_SEED repeats it)\n", state);
        state = state * 2654435761u + 1;
}

/* ---- retention ---- */

/* Said in other words: save i is kept when ... */
static bool should_keep(const struct retention_rule *rule, uint64_t bg, uint64_t bs, utc_t now,
                        const struct retention_save *s, size_t n, size_t i)
{
        size_t newer = 0, newer_lives = 0;
        bool first_of_life = true, first_of_day = true;
        int64_t day = s[i].at.us / DAY, today = now.us / DAY;

        for (size_t k = 0; k < n; k++) {
                bool is_newer = s[k].generation > s[i].generation ||
                                (s[k].generation == s[i].generation && s[k].seq > s[i].seq);
                bool counted = false;

                newer += is_newer;
                if (is_newer && s[k].generation == s[i].generation)
                        first_of_life = false;
                if (is_newer && s[k].at.us / DAY == day)
                        first_of_day = false;
                for (size_t m = 0; m < k; m++)
                        counted = counted || s[m].generation == s[k].generation;
                newer_lives += !counted && s[k].generation > s[i].generation;
        }
        return s[i].pinned || newer < rule->keep_last || (first_of_life && newer_lives < 3) ||
               (first_of_day && day > today - (int64_t)rule->keep_days) || s[i].generation > bg ||
               (s[i].generation == bg && s[i].seq >= bs);
}

/* Newest first; times fall, by minutes or by days. */
static size_t random_saves(utc_t now, struct retention_save *s)
{
        size_t n = dice(SAVES_MOST);
        uint64_t generation = 70, seq = 1 + dice(200);
        int64_t step = dice(2) ? 60 * US_PER_S : DAY / 2;

        for (size_t i = 0; i < n; i++) {
                s[i] = (struct retention_save){.generation = generation,
                                               .seq = seq,
                                               .at = {now.us},
                                               .pinned = dice(15) == 0};
                now.us -= (int64_t)dice((uint64_t)step) + 1;
                seq -= seq > 1 ? 1 + dice(MIN(seq - 1, 3)) : 0;
                if (seq <= 1 || dice(8) == 0) {
                        generation -= 1 + dice(3) / 2;
                        seq = 1 + dice(200);
                }
        }
        return n;
}

static void test_retention(void)
{
        int rounds = test_full() ? 200000 : 5000;

        for (int i = 0; i < rounds; i++) {
                struct retention_save s[SAVES_MOST];
                struct retention_rule rule = {.keep_last = (uint32_t)dice(12),
                                              .keep_days = (uint32_t)dice(40)};
                utc_t now = {INT64_C(1700000000) * US_PER_S + (int64_t)dice(1000 * DAY)};
                size_t n = random_saves(now, s);
                uint64_t bg = n ? s[dice(n)].generation : 1, bs = dice(200);

                retention_apply(&rule, bg, bs, now, s, n);
                for (size_t k = 0; k < n; k++)
                        CHECK_INT(s[k].keep, should_keep(&rule, bg, bs, now, s, n, k));
        }
}

/* ---- saves in a folder ---- */

static char dir[64], root[80];
static int root_fd;
static struct objects objects;

static void age(const char *name, utc_t at)
{
        struct timespec t[2] = {{at.us / US_PER_S, 0}, {at.us / US_PER_S, 0}};

        CHECK(utimensat(root_fd, name, t, 0) == 0);
}

static void put_fd(uint64_t generation, uint64_t seq, const char *file, int fd, utc_t at)
{
        struct blob_object_ref ref = {.generation = generation, .seq = seq, .workspace = WS};
        AUTO_BUF content = BUF_INIT(1 << 20);
        char name[BLOB_OBJECT_SIZE];
        struct objects_upload u;

        CHECK(lseek(fd, 0, SEEK_SET) == 0);
        CHECK_INT(fd_read_all(fd, &content), 0);
        CHECK_INT(blob_file_parse(file, &ref), 0);
        CHECK_INT(objects_begin(root_fd, &ref, content.len, &u), 0);
        CHECK_INT(fd_write_all(u.fd, content.data, content.len), 0);
        CHECK_INT(objects_commit(root_fd, &u, &ref), 0);
        objects_end(root_fd, &u);
        CHECK_INT(blob_object_name(&ref, name), 0);
        age(name, at);
}

static int scratch(void)
{
        int fd = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

        CHECK(fd >= 0);
        return fd;
}

/* A part with content of its own; its length and hash into `part`. */
static void put_part(uint64_t generation, uint64_t seq, uint32_t archive, utc_t at,
                     struct snapshot_part *part)
{
        AUTO_CLOSE fd = scratch();
        char text[80], file[BLOB_FILE_SIZE];
        int n = snprintf(text, sizeof(text), "%" PRIu64 "-%" PRIu64 "/%u, %*s", generation, seq,
                         archive, (int)dice(30), "x");

        part->length = (uint64_t)n;
        sha256_of(text, (size_t)n, part->sha256);
        CHECK_INT(fd_write_all(fd, text, (size_t)n), 0);
        (void)snprintf(file, sizeof(file), "%u-00000.tar.zst", archive);
        put_fd(generation, seq, file, fd, at);
}

static void add_archive(struct snapshot_header *h, struct snapshot_archive a,
                        struct snapshot_part part)
{
        a.parts = calloc(1, sizeof(part));
        CHECK(a.parts != NULL);
        a.parts[0] = part;
        a.n_parts = 1;
        a.length = part.length;
        CHECK_INT(snapshot_header_add(h, &a), 0);
}

/* The manifest of a header without entries. */
static void put_manifest(const struct snapshot_header *h, utc_t at, struct save_ref *ret)
{
        AUTO_CLOSE entries = scratch();
        AUTO_CLOSE fd = scratch();
        struct snapshot_writer *w;
        uint8_t digest[SHA256_LEN];

        CHECK_INT(snapshot_writer_open(entries, false, &w), 0);
        CHECK_INT(snapshot_writer_finish(w, h, fd), 0);
        snapshot_writer_free(w);
        put_fd(h->save.generation, h->save.seq, "manifest.mtree.zst", fd, at);
        CHECK(lseek(fd, 0, SEEK_SET) == 0);
        CHECK_INT(sha256_fd(fd, digest, &ret->length), 0);
        hex_encode(digest, sizeof(digest), ret->sha256);
        ret->generation = h->save.generation;
        ret->seq = h->save.seq;
}

/* ---- random histories ---- */

struct history {
        struct retention_save saves[SAVES_MOST]; /* newest first */
        struct save_ref refs[SAVES_MOST];
        size_t n;
        utc_t now;
};

/* Archives of the save before go on, most of them; up to two new ones. */
static void inherit(struct snapshot_header *h, const struct snapshot_header *parent, utc_t at)
{
        for (uint32_t i = 0; i < parent->n_archives; i++) {
                if (dice(6) != 0)
                        add_archive(h, parent->archives[i], parent->archives[i].parts[0]);
        }
        for (uint32_t i = 0; i < dice(3); i++) {
                struct snapshot_part part;

                put_part(h->save.generation, h->save.seq, i, at, &part);
                add_archive(h, (struct snapshot_archive){.save = h->save, .number = i}, part);
        }
}

static void make_history(struct history *t)
{
        struct snapshot_header parent = {0};

        *t = (struct history){.now = utc_read()};
        t->n = random_saves(t->now, t->saves);
        for (size_t k = t->n; k-- > 0;) {
                const struct retention_save *s = &t->saves[k];
                struct snapshot_header h = {.workspace = WS,
                                            .save = {s->generation, s->seq},
                                            .at_ms = (uint64_t)(s->at.us / US_PER_MS)};

                if (dice(12) == 0) /* a fresh start: nothing is inherited */
                        snapshot_header_deinit(&parent);
                inherit(&h, &parent, s->at);
                put_manifest(&h, s->at, &t->refs[k]);
                snapshot_header_deinit(&parent);
                parent = h;
        }
        snapshot_header_deinit(&parent);
        for (size_t k = 0; k < t->n; k++) {
                char reason[CORE_REASON_SIZE] = "";

                t->saves[k].keep = true;
                if (t->saves[k].pinned)
                        CHECK_INT(saves_pin(&objects, WS, t->saves[k].generation, t->saves[k].seq,
                                            true, reason),
                                  0);
        }
}

/* How many of the saves that have to be there can no longer be restored. */
static size_t broken(const struct history *t)
{
        size_t n = 0;

        for (size_t k = 0; k < t->n; k++) {
                char reason[CORE_REASON_SIZE] = "";

                if (!t->saves[k].keep ||
                    saves_inspect(&objects, WS, &t->refs[k], reason, NULL) == 0)
                        continue;
                if (n++ == 0)
                        fprintf(stderr, "%" PRIu64 "-%" PRIu64 ": %s\n", t->refs[k].generation,
                                t->refs[k].seq, reason);
        }
        return n;
}

static bool part_there(const char *name)
{
        struct stat st;

        return fstatat(root_fd, name, &st, 0) == 0;
}

static void check_list(const struct history *t)
{
        struct storage_save *list = NULL;
        uint32_t n = 0;
        size_t at = 0;

        CHECK_INT(saves_list(&objects, WS, &list, &n), 0);
        for (size_t k = 0; k < t->n; k++) {
                if (!t->saves[k].keep)
                        continue;
                CHECK(at < n);
                CHECK_INT(list[at].save.generation, t->saves[k].generation);
                CHECK_INT(list[at].save.seq, t->saves[k].seq);
                CHECK_INT(list[at].save.length, t->refs[k].length);
                CHECK_INT(list[at].save.at.us / US_PER_S, t->saves[k].at.us / US_PER_S);
                CHECK_INT(list[at].pinned, t->saves[k].pinned);
                at++;
        }
        CHECK_INT(at, n);
        free(list);
}

/* One history and one sweep of it; how many saves it broke. */
static size_t sweep_once(void)
{
        struct history t;
        struct retention_rule rule = {(uint32_t)dice(12), (uint32_t)dice(20)};
        struct saves_sweep how = {.rule = rule};
        struct snapshot_part part;
        size_t head, lost;

        make_history(&t);
        how.now = t.now;
        head = t.n ? dice(t.n) : 0;
        how.before_generation = t.n ? t.saves[head].generation : 60;
        how.before_seq = t.n ? t.saves[head].seq : 1;
        how.keep = &t.refs[head];
        how.n_keep = t.n ? 1 : 0;
        /* Two saves that were never finished, and one that has just been begun. */
        put_part(3, 1, 0, (utc_t){t.now.us - 2 * HOUR}, &part);
        put_part(3, 2, 1, (utc_t){t.now.us - HOUR / 2}, &part);
        put_part(99, 1, 0, (utc_t){t.now.us - 2 * HOUR}, &part);
        CHECK_INT(broken(&t), 0);
        CHECK_INT(saves_discard(&objects, WS, &how), 0);
        for (size_t k = 0; k < t.n; k++)
                t.saves[k].keep = k == head || should_keep(&rule, how.before_generation,
                                                           how.before_seq, t.now, t.saves, t.n, k);
        lost = broken(&t);
        if (lost == 0)
                check_list(&t);
        CHECK(!part_there(WS "/3-1/0-00000.tar.zst"));
        CHECK(part_there(WS "/3-2/1-00000.tar.zst") && part_there(WS "/99-1/0-00000.tar.zst"));
        CHECK_INT(saves_erase(&objects, WS, 1000), 0);
        CHECK(!part_there(WS));
        return lost;
}

static size_t sweeps(void)
{
        int rounds = test_full() ? 1000 : 40;
        size_t lost = 0;

        for (int i = 0; i < rounds; i++)
                lost += sweep_once();
        return lost;
}

#ifndef SAVES_PLANTED_NO_REFERENCES

/* What no manifest refers to any more is gone; and what it is that a sweep waits for. */
static void test_sweep_takes_all(void)
{
        utc_t now = utc_read();
        struct saves_sweep how = {
                .rule = {1, 0}, .batch = 3, .before_generation = 9, .before_seq = 9, .now = now};
        struct snapshot_part first, other;
        struct save_ref ref;

        put_part(5, 1, 0, (utc_t){now.us - 5 * HOUR}, &first);
        for (uint64_t seq = 1; seq <= 4; seq++) {
                struct snapshot_header h = {.workspace = WS, .save = {5, seq}, .at_ms = 1};

                if (seq < 4)
                        add_archive(&h, (struct snapshot_archive){.save = {5, 1}}, first);
                put_part(5, seq, 1, (utc_t){now.us - 5 * HOUR}, &other);
                add_archive(&h, (struct snapshot_archive){.save = {5, seq}, .number = 1}, other);
                put_manifest(&h, now, &ref);
                snapshot_header_deinit(&h);
                CHECK_INT(saves_discard(&objects, WS, &how), 0);
                CHECK(part_there(WS "/5-1/manifest.mtree.zst") == (seq < 4));
        }
        CHECK(!part_there(WS "/5-1") && !part_there(WS "/5-2") && !part_there(WS "/5-3"));
        CHECK(part_there(WS "/5-4/1-00000.tar.zst"));
        CHECK_INT(saves_erase(&objects, WS, 5), 0);
}

/*
 * A manifest that cannot be read and is the head may refer to anything: nothing goes. One that is
 * only old keeps its own parts, and holds nothing else back.
 */
static void test_sweep_unreadable(void)
{
        utc_t now = utc_read(), old = {now.us - 5 * HOUR};
        const struct save_ref head = {.generation = 5, .seq = 2};
        struct saves_sweep how = {.rule = {1, 0}, .before_generation = 9, .now = now};
        AUTO_CLOSE fd = scratch();
        struct snapshot_part part;

        CHECK_INT(fd_write_all(fd, "nonsense", 8), 0);
        put_fd(5, 2, "manifest.mtree.zst", fd, old);
        put_fd(5, 1, "manifest.mtree.zst", fd, old);
        put_part(5, 2, 0, old, &part);
        put_part(5, 1, 0, old, &part);
        how.keep = &head;
        how.n_keep = 1;
        CHECK_INT(saves_discard(&objects, WS, &how), -EBADMSG);
        CHECK(part_there(WS "/5-1/0-00000.tar.zst") && part_there(WS "/5-1/manifest.mtree.zst"));
        how.n_keep = 0;
        CHECK_INT(saves_discard(&objects, WS, &how), 0);
        CHECK(part_there(WS "/5-2/0-00000.tar.zst") && part_there(WS "/5-2/manifest.mtree.zst"));
        CHECK(!part_there(WS "/5-1/0-00000.tar.zst") && !part_there(WS "/5-1/manifest.mtree.zst"));
        CHECK_INT(saves_erase(&objects, WS, 5), 0);
}

/* Of an older save: there, and with its length. */
static void test_verify_older(void)
{
        utc_t now = utc_read();
        struct snapshot_header h = {.workspace = WS, .save = {2, 1}};
        char reason[CORE_REASON_SIZE] = "";
        struct storage_save found;
        struct snapshot_part old, new;
        struct save_ref ref = {0};
        AUTO_CLOSE fd = -1;

        put_part(1, 1, 0, now, &old);
        put_part(2, 1, 0, now, &new);
        add_archive(&h, (struct snapshot_archive){.save = {1, 1}}, old);
        add_archive(&h, (struct snapshot_archive){.save = {2, 1}}, new);
        put_manifest(&h, now, &ref);
        CHECK_INT(saves_inspect(&objects, WS, &ref, reason, &found), 0);
        CHECK_INT(found.save.data_length, new.length);
        CHECK_STR(found.save.sha256, ref.sha256);
        fd = openat(root_fd, WS "/1-1/0-00000.tar.zst", O_WRONLY | O_CLOEXEC);
        CHECK(fd >= 0 && ftruncate(fd, 1) == 0);
        CHECK_INT(saves_inspect(&objects, WS, &ref, reason, NULL), 1);
        CHECK_STR(reason, "a part of an earlier save has another length");
        CHECK(unlinkat(root_fd, WS "/1-1/0-00000.tar.zst", 0) == 0);
        CHECK_INT(saves_inspect(&objects, WS, &ref, reason, NULL), 1);
        CHECK_STR(reason, "a part of an earlier save is not there");
        snapshot_header_deinit(&h);
        CHECK_INT(saves_erase(&objects, WS, 5), 0);
}

static void test_pin(void)
{
        utc_t now = utc_read();
        struct snapshot_header h = {.workspace = WS, .save = {1, 1}};
        struct saves_sweep how = {.rule = {0, 0}, .before_generation = 9, .now = now};
        char reason[CORE_REASON_SIZE] = "";
        struct save_ref ref;

        CHECK_INT(saves_pin(&objects, WS, 1, 1, true, reason), 1);
        CHECK_STR(reason, "there is no such save");
        for (h.save.generation = 1; h.save.generation <= 5; h.save.generation++)
                put_manifest(&h, now, &ref);
        CHECK_INT(saves_pin(&objects, WS, 1, 1, true, reason), 0);
        CHECK_INT(saves_discard(&objects, WS, &how), 0);
        CHECK(part_there(WS "/1-1/manifest.mtree.zst") && !part_there(WS "/2-1"));
        CHECK_INT(saves_pin(&objects, WS, 1, 1, false, reason), 0);
        CHECK_INT(saves_discard(&objects, WS, &how), 0);
        CHECK(!part_there(WS "/1-1"));
        CHECK_INT(saves_erase(&objects, WS, 5), 0);
}

#endif

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
        (void)st;
        (void)type;
        (void)at;
        return remove(path);
}

int main(void)
{
        seed_set();
        (void)snprintf(dir, sizeof(dir), "%s/test-saves-XXXXXX",
                       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        CHECK(mkdtemp(dir) != NULL);
        (void)snprintf(root, sizeof(root), "%s/objects", dir);
        root_fd = objects_root_open(root);
        CHECK(root_fd >= 0);
        CHECK_INT(objects_folder_new(root_fd, &objects), 0);
#ifdef SAVES_PLANTED_NO_REFERENCES
        CHECK(sweeps() > 0);
        (void)test_retention;
#else
        RUN(test_retention);
        CHECK_INT(sweeps(), 0);
        RUN(test_sweep_takes_all);
        RUN(test_sweep_unreadable);
        RUN(test_verify_older);
        RUN(test_pin);
#endif
        objects_folder_free(&objects);
        fd_close(root_fd);
        CHECK(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
        return 0;
}
