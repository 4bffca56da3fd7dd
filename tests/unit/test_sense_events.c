/* Bytes of inotify -> events, the coalescing of records, and the table of folders. */
#include <errno.h>
#include <sys/inotify.h>

#include "sense/events.h"
#include "sense/nodes.h"
#include "sense/record.h"
#include "test.h"

static size_t put(uint8_t *at, int wd, uint32_t mask, const char *name, uint32_t room)
{
        struct inotify_event head = {.wd = wd, .mask = mask, .cookie = 7, .len = room};

        memcpy(at, &head, sizeof(head));
        memset(at + sizeof(head), 0, room);
        if (room > 0)
                memcpy(at + sizeof(head), name, strlen(name) + 1);
        return sizeof(head) + room;
}

static void whole_records(void)
{
        uint8_t data[256];
        struct sense_event ev;
        size_t len = 0, offset = 0;

        len += put(data + len, 1, IN_CREATE, "a.py", 16);
        len += put(data + len, 2, IN_IGNORED, "", 0);
        CHECK_INT(events_next(data, len, &offset, &ev), 1);
        CHECK_INT(ev.wd, 1);
        CHECK_INT(ev.mask, IN_CREATE);
        CHECK_INT(ev.cookie, 7);
        CHECK_STR(ev.name, "a.py");
        CHECK_INT(events_next(data, len, &offset, &ev), 1);
        CHECK_STR(ev.name, "");
        CHECK_INT(events_next(data, len, &offset, &ev), 0);
}

static void broken_records(void)
{
        uint8_t data[256];
        struct sense_event ev = {.wd = 99};
        size_t whole = put(data, 1, IN_CREATE, "a.py", 16), offset;

        for (size_t len = 1; len < whole; len++) {
                offset = 0;
                CHECK_INT(events_next(data, len, &offset, &ev), -EBADMSG);
                CHECK_INT(offset, 0);
                CHECK_INT(ev.wd, 99);
        }
        put(data, 1, IN_CREATE, "a/b", 16);
        offset = 0;
        CHECK_INT(events_next(data, whole, &offset, &ev), -EBADMSG);
        put(data, 1, IN_CREATE, "0123456789abcde", 16);
        data[whole - 1] = 'f'; /* no NUL */
        CHECK_INT(events_next(data, whole, &offset, &ev), -EBADMSG);
}

static void folders_keep_their_subtree(void)
{
        struct nodes t;
        struct node *root, *a, *b, *c;
        char path[64];

        CHECK_INT(nodes_init(&t, 4), 0);
        CHECK_INT(nodes_add(&t, 1, NULL, "/home/s", &root), 0);
        CHECK_INT(nodes_add(&t, 2, root, "a", &a), 0);
        CHECK_INT(nodes_add(&t, 3, a, "b", &b), 0);
        CHECK_INT(nodes_add(&t, 4099, root, "c", &c), 0); /* the same bucket as 3 */
        CHECK_INT(nodes_add(&t, 5, root, "d", &c), -ENOSPC);
        CHECK(nodes_find(&t, 3) == b && nodes_find(&t, 4099) == nodes_child(root, "c"));
        CHECK_INT(nodes_path(b, "x.txt", path, sizeof(path)), 0);
        CHECK_STR(path, "/home/s/a/b/x.txt");
        CHECK_INT(nodes_path(b, "x.txt", path, 17), -ENAMETOOLONG);
        CHECK_INT(nodes_attach(a, b, "loop"), -ELOOP);
        CHECK_INT(nodes_attach(a, nodes_find(&t, 4099), "new"), 0);
        CHECK_INT(nodes_path(b, "", path, sizeof(path)), 0);
        CHECK_STR(path, "/home/s/c/new/b");
        nodes_detach(a);
        CHECK_INT(nodes_path(b, "", path, sizeof(path)), -ENOENT);
        CHECK(nodes_leaf(a) == b);
        nodes_remove(&t, b);
        nodes_remove(&t, a);
        CHECK_INT(t.n, 2);
        CHECK(!nodes_find(&t, 3));
        nodes_deinit(&t);
}

static mono_t ms(int64_t n)
{
        return (mono_t){n * US_PER_MS};
}

static void one_record_a_second(void)
{
        struct record r = {0};
        struct channel_msg m;
        int sent = 0;

        CHECK(mono_is_never(record_due(&r)));
        /* 10 s of a storm */
        for (int64_t t = 0; t < 10000; t++) {
                record_files(&r, 10, 5, t == 4321);
                while (record_next(&r, ms(t), &m)) {
                        CHECK_INT(m.type, CHANNEL_SENSE_FILES);
                        CHECK(m.u.files.workspace_events == 2 * m.u.files.home_events);
                        CHECK_INT(m.u.files.lossy, t == 5000);
                        record_sent(&r, &m);
                        sent++;
                }
        }
        CHECK_INT(sent, 10);
        /* what could not be sent is not forgotten */
        r = (struct record){0};
        record_terminal(&r, &(struct pts_reads){.events = 3, .replies = 1});
        CHECK(record_next(&r, ms(0), &m));
        CHECK(!record_next(&r, ms(999), &m));
        record_terminal(&r, &(struct pts_reads){.events = UINT32_MAX, .app_events = 2});
        CHECK(record_next(&r, ms(1000), &m));
        CHECK_INT(m.u.terminal.events, UINT32_MAX);
        CHECK_INT(m.u.terminal.replies, 1);
        CHECK_INT(m.u.terminal.app_events, 2);
        record_sent(&r, &m);
        CHECK(mono_is_never(record_due(&r)));
}

/* A job that was busy is news until it is sent or the next sample says otherwise. */
static void jobs_are_told_as_they_are_now(void)
{
        struct record r = {0};
        struct channel_msg m;

        record_jobs(&r, &(struct jobs_verdict){.busy = 2, .name = "make"});
        CHECK(record_next(&r, ms(0), &m));
        CHECK_INT(m.type, CHANNEL_SENSE_JOB);
        CHECK_INT(m.u.job.jobs, 2);
        CHECK_STR(m.u.job.name, "make");
        /* not sent, and tried again later */
        CHECK(!record_next(&r, ms(500), &m));
        CHECK(record_next(&r, ms(1000), &m));
        record_jobs(&r, &(struct jobs_verdict){0});
        CHECK(mono_is_never(record_due(&r)));
        record_jobs(&r, &(struct jobs_verdict){.busy = 1, .name = "cc"});
        CHECK(record_next(&r, ms(3000), &m));
        record_sent(&r, &m);
        CHECK(mono_is_never(record_due(&r)));
}

int main(void)
{
        RUN(whole_records);
        RUN(broken_records);
        RUN(folders_keep_their_subtree);
        RUN(one_record_a_second);
        RUN(jobs_are_told_as_they_are_now);
        return 0;
}
