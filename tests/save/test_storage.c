/*
 * The storage edge in a real loop, with a fake shell that keeps the handlers and collects what is
 * posted; saves are put into the folder by objects.c. And the supervision of the server process.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <netinet/in.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "crypto/digest.h"
#include "out/objects.h"
#include "out/storage.h"
#include "out/storage_url.h"
#include "test.h"
#include "snapshot/manifest.h"
#include "wire/blob.h"

#define WS "ws-abcdefgh2345"
#define DEADLINE_MS 20000

/* ---- the fake shell ---- */

static effect_fn handler_fn[FX_MAX];
static void *handler_ctx[FX_MAX];
static struct core_event posted[2 * STORAGE_JOBS_MAX];
static size_t n_posted;
static struct loop *loop;

void shell_handle(struct shell *s, enum core_effect_type type, effect_fn fn, void *ctx)
{
        (void)s;
        handler_fn[type] = fn;
        handler_ctx[type] = ctx;
}

void shell_post(struct shell *s, struct core_event *ev)
{
        (void)s;
        CHECK(n_posted < ARRAY_LEN(posted));
        posted[n_posted++] = *ev;
}

static void give(const struct core_effect *fx)
{
        CHECK(handler_fn[fx->type] != NULL);
        handler_fn[fx->type](handler_ctx[fx->type], fx);
}

static void on_late(void *ctx)
{
        (void)ctx;
        fprintf(stderr, "nothing came in time\n");
        exit(1);
}

static size_t wanted;

static void on_turn(void *ctx)
{
        (void)ctx;
        if (n_posted >= wanted)
                loop_exit(loop, 0);
}

/* Run the loop until `n` events were posted. */
static void await(size_t n)
{
        struct loop_timer late;

        wanted = n;
        loop_timer_init(loop, &late, on_late, NULL);
        loop_timer_set(&late, mono_add_ms(mono_read(), DEADLINE_MS));
        loop_after(loop, on_turn, NULL);
        while (n_posted < n)
                CHECK(loop_turn(loop) >= 0);
        loop_timer_cancel(&late);
        CHECK_INT(n_posted, n);
}

/* ---- a storage folder ---- */

static char dir[64], root[80], key_path[80];
static struct keys keys;
static struct storage *storage;
static int root_fd;

static void put(const char *workspace, uint64_t generation, uint64_t seq, const char *file,
                const void *data, size_t len)
{
        struct blob_object_ref ref = {.generation = generation, .seq = seq};
        struct objects_upload u;

        CHECK(STR_SET(ref.workspace, workspace) == 0);
        CHECK_INT(blob_file_parse(file, &ref), 0);
        CHECK_INT(objects_begin(root_fd, &ref, len, &u), 0);
        CHECK_INT(fd_write_all(u.fd, data, len), 0);
        CHECK_INT(objects_commit(root_fd, &u, &ref), 0);
        objects_end(root_fd, &u);
}

static void hash(const void *data, size_t len, char hex[static SHA256_HEX])
{
        uint8_t digest[SHA256_LEN];

        sha256_of(data, len, digest);
        hex_encode(digest, sizeof(digest), hex);
}

/* One part and the manifest of one save; what the agent would report. */
static struct save_ref put_save(const char *workspace, uint64_t generation, uint64_t seq)
{
        AUTO_CLOSE entries = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
        AUTO_CLOSE fd = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
        AUTO_BUF manifest = BUF_INIT(1 << 20);
        struct snapshot_header h = {.save = {generation, seq}, .at_ms = 1700000000123};
        struct snapshot_archive archive = {.save = h.save, .n_parts = 1};
        struct save_ref save = {.generation = generation, .seq = seq};
        struct snapshot_writer *w;
        char data[64];

        (void)snprintf(data, sizeof(data), "data of %s %d", workspace, (int)seq);
        CHECK(STR_SET(h.workspace, workspace) == 0);
        archive.parts = calloc(1, sizeof(*archive.parts));
        CHECK(archive.parts != NULL);
        archive.parts[0].length = archive.length = save.data_length = strlen(data);
        sha256_of(data, strlen(data), archive.parts[0].sha256);
        CHECK_INT(snapshot_header_add(&h, &archive), 0);
        CHECK_INT(snapshot_writer_open(entries, false, &w), 0);
        CHECK_INT(snapshot_writer_finish(w, &h, fd), 0);
        snapshot_writer_free(w);
        snapshot_header_deinit(&h);
        CHECK(lseek(fd, 0, SEEK_SET) == 0);
        CHECK_INT(fd_read_all(fd, &manifest), 0);
        put(workspace, generation, seq, "0-00000.tar.zst", data, strlen(data));
        put(workspace, generation, seq, "manifest.mtree.zst", manifest.data, manifest.len);
        save.length = manifest.len;
        hash(manifest.data, manifest.len, save.sha256);
        return save;
}

static bool there(const char *workspace, uint64_t generation, uint64_t seq)
{
        struct blob_object_ref ref = {
                .generation = generation, .seq = seq, .which = BLOB_OBJECT_MANIFEST};
        AUTO_CLOSE fd = -1;

        CHECK(STR_SET(ref.workspace, workspace) == 0);
        fd = objects_open(root_fd, &ref);
        CHECK(fd >= 0 || fd == -ENOENT);
        return fd >= 0;
}

static void damage(const char *object)
{
        char path[256];
        AUTO_CLOSE fd = -1;

        (void)snprintf(path, sizeof(path), "%s/%s", root, object);
        fd = open(path, O_RDWR | O_CLOEXEC);
        CHECK(fd >= 0 && pwrite(fd, "X", 1, 3) == 1);
}

static void setup(void)
{
        struct storage_config config = {.root = root,
                                        .url = "http://127.0.0.1:7702, http://localhost:7702",
                                        .keys = &keys,
                                        .max_bytes = 1 << 20,
                                        .url_ttl_s = 3600};

        (void)snprintf(dir, sizeof(dir), "/tmp/test-storage-XXXXXX");
        CHECK(mkdtemp(dir) != NULL);
        (void)snprintf(root, sizeof(root), "%s/objects", dir);
        (void)snprintf(key_path, sizeof(key_path), "%s/key", dir);
        CHECK_INT(keys_load(key_path, &keys), 0);
        CHECK_INT(loop_new(&loop), 0);
        CHECK_INT(storage_new(loop, NULL, &config, &storage), 0);
        root_fd = objects_root_open(root);
        CHECK(root_fd >= 0);
}

/* ---- cases ---- */

static struct core_event verify(struct save_ref save)
{
        struct core_effect fx = {.type = FX_VERIFY_SAVE, .verify.save = save};

        CHECK(STR_SET(fx.verify.workspace, WS) == 0);
        n_posted = 0;
        give(&fx);
        await(1);
        CHECK_INT(posted[0].type, EV_SAVE_VERIFIED);
        CHECK_STR(posted[0].verified.workspace, WS);
        CHECK_INT(posted[0].verified.generation, save.generation);
        CHECK_INT(posted[0].verified.seq, save.seq);
        return posted[0];
}

static void test_verify(void)
{
        struct save_ref good = put_save(WS, 1, 1);
        struct save_ref bad;

        CHECK_INT(verify(good).verified.result, 0);
        bad = good;
        bad.length++;
        CHECK(verify(bad).verified.result > 0 && posted[0].verified.reason[0]);
        bad = good;
        bad.sha256[0] = bad.sha256[0] == '0' ? '1' : '0';
        CHECK(verify(bad).verified.result > 0);
        bad = good;
        bad.data_length++;
        CHECK(verify(bad).verified.result > 0);
        bad = good;
        bad.seq = 9;
        CHECK(verify(bad).verified.result > 0);
        CHECK_STR(posted[0].verified.reason, "the manifest is not there");
        damage(WS "/1-1/0-00000.tar.zst");
        CHECK(verify(good).verified.result > 0);
        damage(WS "/1-1/manifest.mtree.zst");
        CHECK(verify(good).verified.result > 0);
}

static struct save_ref salvage(uint64_t generation, uint64_t after_seq)
{
        struct core_effect fx = {.type = FX_SALVAGE,
                                 .salvage = {.generation = generation, .after_seq = after_seq}};

        CHECK(STR_SET(fx.salvage.workspace, WS) == 0);
        n_posted = 0;
        give(&fx);
        await(1);
        CHECK_INT(posted[0].type, EV_SALVAGED);
        CHECK_INT(posted[0].salvaged.result, 0);
        CHECK_INT(posted[0].salvaged.generation, generation);
        return posted[0].salvaged.found;
}

/* The folder of the saves is not there, though there have been some: no reason to give one up. */
static void test_salvage_elsewhere(void)
{
        struct core_effect fx = {.type = FX_SALVAGE, .salvage = {.generation = 1}};

        CHECK(STR_SET(fx.salvage.workspace, "ws-nothing") == 0);
        for (int i = 0; i < 2; i++) {
                fx.salvage.has_saves = i == 1;
                n_posted = 0;
                give(&fx);
                await(1);
                CHECK_INT(posted[0].salvaged.result, i == 1 ? -ENXIO : 0);
                CHECK_INT(posted[0].salvaged.found.seq, 0);
        }
}

static void test_salvage(void)
{
        struct save_ref two, found;

        CHECK_INT(salvage(3, 0).seq, 0);
        (void)put_save(WS, 3, 1);
        two = put_save(WS, 3, 2);
        (void)put_save(WS, 4, 7);
        put(WS, 3, 3, "0-00000.tar.zst", "unfinished", 10);
        put(WS, 3, 4, "manifest.mtree.zst", "{}", 2);
        (void)put_save(WS, 3, 5);
        damage(WS "/3-5/0-00000.tar.zst");
        found = salvage(3, 0);
        CHECK_INT(found.seq, 2);
        CHECK_INT(found.length, two.length);
        CHECK_INT(found.data_length, two.data_length);
        CHECK_STR(found.sha256, two.sha256);
        CHECK_INT(found.at.us, INT64_C(1700000000123000));
        CHECK_INT(verify(found).verified.result, 0);
        CHECK_INT(salvage(3, 2).seq, 0);
        CHECK_INT(salvage(5, 0).seq, 0);
}

static void test_sweep(void)
{
        struct core_effect fx = {.type = FX_SWEEP,
                                 .sweep = {.n_keep = 2, .before_generation = 11, .before_seq = 3}};

        fx.sweep.keep[0] = put_save(WS, 11, 2);
        fx.sweep.keep[1] = put_save(WS, 10, 5);
        CHECK(STR_SET(fx.sweep.workspace, WS) == 0);
        (void)put_save(WS, 11, 1);
        (void)put_save(WS, 11, 3);
        (void)put_save(WS, 11, 4);
        (void)put_save(WS, 12, 1);
        (void)put_save(WS, 10, 4);
        (void)put_save(WS, 10, 6);
        (void)put_save("ws-other", 1, 1);
        n_posted = 0;
        give(&fx);
        (void)salvage(99, 0); /* done after it: jobs of a workspace keep their order */
        /* 10-6 is the newest of its life; damaged saves of earlier cases are not in the way. */
        CHECK(there(WS, 11, 2) && there(WS, 10, 5) && there(WS, 10, 6));
        CHECK(!there(WS, 11, 1) && !there(WS, 10, 4) && !there(WS, 1, 1));
        CHECK(there(WS, 11, 3) && there(WS, 11, 4) && there(WS, 12, 1));
        CHECK(there("ws-other", 1, 1));
}

/* ---- what people ask ---- */

static struct storage_save listed[16];
static uint32_t n_listed, answers;
static int answer_result;
static char answer_reason[CORE_REASON_SIZE];

static void on_answer(void)
{
        answers++;
        loop_exit(loop, 0);
}

static void on_list(void *ctx, int result, const struct storage_save *saves, uint32_t n)
{
        CHECK(ctx == &listed && n <= ARRAY_LEN(listed));
        answer_result = result;
        n_listed = n;
        if (n > 0)
                memcpy(listed, saves, n * sizeof(*saves));
        on_answer();
}

static void on_inspected(void *ctx, int result, const char *reason, const struct storage_save *save)
{
        CHECK(ctx == &listed);
        answer_result = result;
        str_copy_cut(answer_reason, sizeof(answer_reason), reason);
        listed[0] = *save;
        on_answer();
}

static void await_answer(void)
{
        uint32_t before = answers;
        struct loop_timer late;

        loop_timer_init(loop, &late, on_late, NULL);
        loop_timer_set(&late, mono_add_ms(mono_read(), DEADLINE_MS));
        while (answers == before)
                CHECK(loop_turn(loop) >= 0);
        loop_timer_cancel(&late);
}

static void test_asked(void)
{
        static const char ws[] = "ws-asked";
        struct save_ref one = put_save(ws, 2, 1);

        (void)put_save(ws, 2, 3);
        CHECK_INT(storage_list_saves(storage, ws, on_list, &listed), 0);
        await_answer();
        CHECK(answer_result == 0 && n_listed == 2 && listed[0].save.seq == 3);
        CHECK_INT(listed[1].save.length, one.length);
        CHECK_INT(listed[1].save.data_length, one.data_length);
        CHECK_INT(storage_inspect(storage, ws, 2, 1, on_inspected, &listed), 0);
        await_answer();
        CHECK_INT(answer_result, 0);
        CHECK_STR(listed[0].save.sha256, one.sha256);
        CHECK(!listed[0].pinned);
        CHECK_INT(storage_pin(storage, ws, 2, 1, true, on_inspected, &listed), 0);
        await_answer();
        CHECK_INT(answer_result, 0);
        CHECK_INT(storage_inspect(storage, ws, 2, 1, on_inspected, &listed), 0);
        await_answer();
        CHECK(answer_result == 0 && listed[0].pinned);
        damage("ws-asked/2-1/0-00000.tar.zst");
        CHECK_INT(storage_inspect(storage, ws, 2, 1, on_inspected, &listed), 0);
        await_answer();
        CHECK_INT(answer_result, 1);
        CHECK_STR(answer_reason, "a part has another hash than the manifest says");
        CHECK_INT(storage_pin(storage, ws, 2, 2, true, on_inspected, &listed), 0);
        await_answer();
        CHECK_INT(answer_result, 1);
        CHECK_INT(storage_list_saves(storage, "ws-never", on_list, &listed), 0);
        await_answer();
        CHECK(answer_result == 0 && n_listed == 0);
        CHECK_INT(storage_list_saves(storage, "../x", on_list, &listed), -EINVAL);
        CHECK_INT(storage_inspect(storage, ws, 0, 1, on_inspected, &listed), -EINVAL);
}

/*
 * A part that is a fifo holds up who reads it until we write. Meanwhile other workspaces are
 * served, and this one is not, neither by another worker.
 */
static void test_slow_one(void)
{
        struct core_effect slow = {.type = FX_VERIFY_SAVE};
        struct core_effect other = {.type = FX_VERIFY_SAVE};
        char path[200];
        AUTO_CLOSE fifo = -1;

        slow.verify.save = put_save("ws-slow", 1, 1);
        other.verify.save = put_save("ws-quick", 1, 1);
        CHECK(STR_SET(slow.verify.workspace, "ws-slow") == 0);
        CHECK(STR_SET(other.verify.workspace, "ws-quick") == 0);
        (void)snprintf(path, sizeof(path), "%s/ws-slow/1-1/0-00000.tar.zst", root);
        CHECK(unlink(path) == 0 && mkfifo(path, 0600) == 0);
        n_posted = 0;
        give(&slow);
        slow.verify.save.seq = 7; /* there is none: would be answered at once */
        give(&slow);
        for (size_t i = 1; i <= 20; i++) {
                give(&other);
                await(i);
                CHECK_STR(posted[i - 1].verified.workspace, "ws-quick");
                CHECK_INT(posted[i - 1].verified.result, 0);
        }
        fifo = open(path, O_WRONLY | O_CLOEXEC);
        CHECK(fifo >= 0);
        fifo = fd_close(fifo);
        await(22);
        CHECK_INT(posted[20].verified.seq, 1);
        CHECK_STR(posted[20].verified.reason, "a part has another length than the manifest says");
        CHECK_INT(posted[21].verified.seq, 7);
}

static void test_erase(void)
{
        struct core_effect fx = {.type = FX_ERASE, .erase.generation = 12};

        CHECK(STR_SET(fx.erase.workspace, WS) == 0);
        (void)put_save(WS, 13, 1); /* of a later workspace with the same key */
        for (int i = 0; i < 3; i++) {
                if (i == 1) /* the third time there is nothing */
                        fx.erase.generation = 13;
                n_posted = 0;
                give(&fx);
                await(1);
                CHECK_INT(posted[0].type, EV_ERASED);
                CHECK_STR(posted[0].req_workspace.id, WS);
                CHECK(!there(WS, 12, 1) && there(WS, 13, 1) == (i == 0));
                CHECK(there("ws-other", 1, 1));
        }
}

/* More than the queue holds: each gets an answer, the rest "try again"; the same one is taken once.
 */
static void test_queue(void)
{
        struct core_effect fx = {.type = FX_VERIFY_SAVE};
        size_t again = 0;

        CHECK(STR_SET(fx.verify.workspace, WS) == 0);
        n_posted = 0;
        for (uint64_t i = 1; i <= STORAGE_JOBS_MAX + 20; i++) {
                fx.verify.save = (struct save_ref){.generation = 1, .seq = i};
                give(&fx);
        }
        await(STORAGE_JOBS_MAX + 20);
        for (size_t i = 0; i < n_posted; i++)
                again += posted[i].verified.result == -EAGAIN;
        CHECK(again <= 20);
}

static struct http_span target_of(const char *url)
{
        const char *at = url + strlen("http://127.0.0.1:7702");

        return (struct http_span){at, strlen(at)};
}

static void test_requests(void)
{
        AUTO_BUF json = BUF_INIT(BLOB_REQUEST_MAX);
        struct save_ref none = {0};
        struct save_ref head = put_save(WS, 1, 2);
        struct save_ref previous = put_save(WS, 1, 1);
        char url[BLOB_GRANT_URL_SIZE];
        struct blob_restore_request q;
        struct blob_save_request sq;
        struct storage_grant g;

        CHECK_INT(storage_restore_request(storage, WS, 2, &head, &previous, &json), 0);
        CHECK_INT(blob_restore_request_decode(json.data, json.len, &q), 0);
        CHECK_INT(q.n_saves, 2);
        CHECK_INT(q.saves[0].seq, 2);
        CHECK_INT(q.saves[0].length, head.length);
        CHECK_STR(q.saves[1].sha256, previous.sha256);
        CHECK_INT(q.grants.n, 2);
        CHECK(str_starts(q.grants.url[0], "http://127.0.0.1:7702/g/" WS "/2?op=get&exp="));
        CHECK(str_starts(q.grants.url[1], "http://localhost:7702/g/" WS "/2?op=get&exp="));
        CHECK_INT(storage_grant_read(&keys, target_of(q.grants.url[0]), &g), 0);
        CHECK(g.op == BLOB_OP_GET && g.generation == 2 && g.seq == 0 && g.max_bytes == 0);
        buf_clear(&json);
        CHECK_INT(storage_restore_request(storage, WS, 2, &none, &none, &json), 0);
        CHECK_INT(blob_restore_request_decode(json.data, json.len, &q), 0);
        CHECK_INT(q.n_saves, 0);
        buf_clear(&json);
        CHECK_INT(storage_save_request(storage, WS, 2, 7, NULL, &json), 0);
        CHECK_INT(blob_save_request_decode(json.data, json.len, &sq), 0);
        CHECK_INT(sq.seq, 7);
        CHECK_INT(sq.max_bytes, 1 << 20);
        CHECK_INT(storage_grant_read(&keys, target_of(sq.grants.url[0]), &g), 0);
        CHECK(g.op == BLOB_OP_PUT && g.generation == 2 && g.seq == 7 && g.max_bytes == 1 << 20);
        sq.grants.url[0][strlen(sq.grants.url[0]) - 1] ^= 1;
        CHECK_INT(storage_grant_read(&keys, target_of(sq.grants.url[0]), &g), -EPERM);
        CHECK(storage_save_request(storage, "../x", 2, 7, NULL, &json) == -EINVAL);
        CHECK(storage_save_request(storage, WS, 0, 7, NULL, &json) == -EINVAL);
        CHECK_INT(storage_export_grant(storage, WS, 3, 60, url), 0);
        CHECK_INT(storage_grant_read(&keys, target_of(url), &g), 0);
        CHECK(g.op == BLOB_OP_GET && g.generation == 3);
}

/*
 * A bucket that takes connections and never answers: an edge that ends does not wait until all
 * attempts are used up, which would be minutes.
 */
static void test_mute_bucket(void)
{
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        AUTO_CLOSE fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t len = sizeof(a);
        char endpoint[48];
        const struct s3_config s3 = {.url = "s3://saves/x",
                                     .endpoint = endpoint,
                                     .region = "eu-central-1",
                                     .path_style = true,
                                     .credentials_file = ""};
        const struct storage_config config = {.s3 = &s3,
                                              .url = "http://127.0.0.1:7702",
                                              .keys = &keys,
                                              .max_bytes = 1 << 20,
                                              .url_ttl_s = 3600};
        struct storage *bucket = NULL;
        mono_t began;
        struct pollfd p = {.fd = fd, .events = POLLIN};

        CHECK(bind(fd, (const struct sockaddr *)&a, len) == 0 && listen(fd, 8) == 0);
        CHECK(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
        (void)snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%u", ntohs(a.sin_port));
        CHECK(setenv("AWS_ACCESS_KEY_ID", "a", 1) == 0);
        CHECK(setenv("AWS_SECRET_ACCESS_KEY", "b", 1) == 0);
        CHECK_INT(storage_new(loop, NULL, &config, &bucket), 0);
        CHECK_INT(storage_list_saves(bucket, WS, on_list, &listed), 0);
        CHECK(poll(&p, 1, DEADLINE_MS) == 1); /* the request is under way */
        began = mono_read();
        storage_free(bucket);
        CHECK(mono_diff_ms(began, mono_read()) < DEADLINE_MS);
}

/* ---- the server process ---- */

static bool connects(uint16_t port)
{
        struct sockaddr_in a = {.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        AUTO_CLOSE fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        return connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0;
}

static uint16_t free_port(void)
{
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(a);
        AUTO_CLOSE fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        CHECK(bind(fd, (const struct sockaddr *)&a, len) == 0);
        CHECK(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
        return ntohs(a.sin_port);
}

/* The child that listens on the port: found by asking the kernel who our children are. */
static pid_t child_pid(void)
{
        AUTO_BUF text = BUF_INIT(4096);
        char path[64];
        char *space;
        uint64_t pid;

        (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
        CHECK_INT(file_read(path, &text), 0);
        space = strchr((char *)text.data, ' ');
        if (!space)
                return 0;
        *space = 0;
        CHECK_INT(num_parse_u64((const char *)text.data, 1, INT32_MAX, &pid), 0);
        return (pid_t)pid;
}

static void await_connection(uint16_t port, bool up)
{
        mono_t deadline = mono_add_ms(mono_read(), DEADLINE_MS);

        while (connects(port) != up) {
                CHECK(!mono_due(deadline, mono_read()));
                CHECK(loop_turn(loop) >= 0);
        }
}

static void test_server_process(void)
{
        struct storage_proc *p = NULL;
        uint16_t port = free_port();
        char listen[32];
        struct storage_server_options o = {.listen = listen, .root = root, .key_file = key_path};
        pid_t first;

        loop_after(loop, NULL, NULL);
        (void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
        CHECK_INT(storage_spawn(loop, SAVE_TOOL, &o, &p), 0);
        await_connection(port, true);
        first = child_pid();
        CHECK(first > 0 && kill(first, SIGKILL) == 0);
        await_connection(port, false);
        await_connection(port, true);
        CHECK(child_pid() != first);
        storage_proc_free(p);
        CHECK(!connects(port));
        CHECK_INT(child_pid(), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
        (void)st;
        (void)type;
        (void)at;
        return remove(path);
}

int main(void)
{
        setup();
        RUN(test_verify);
        RUN(test_salvage);
        RUN(test_salvage_elsewhere);
        RUN(test_sweep);
        RUN(test_asked);
        RUN(test_slow_one);
        RUN(test_erase);
        RUN(test_queue);
        RUN(test_requests);
        RUN(test_server_process);
        RUN(test_mute_bucket); /* the last one: its edge took over the effects */
        storage_free(storage);
        fd_close(root_fd);
        loop_free(loop);
        CHECK(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
        return 0;
}
