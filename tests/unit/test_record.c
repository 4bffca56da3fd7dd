/* The flat record: whatever init is handed, it finds strings inside the bytes or refuses. */
#include "base/macro.h"
#include "profile/record.h"
#include "test.h"

struct bytes {
        struct record_head head;
        char strings[256];
};

static size_t bytes_make(struct bytes *b, const char *strings, size_t len)
{
        *b = (struct bytes){.head = {.magic = RECORD_MAGIC,
                                     .n_argv = 2,
                                     .n_ahead = 1,
                                     .n_env = 1,
                                     .n_files = 1,
                                     .n_write = 1,
                                     .name = "x"}};
        memcpy(b->strings, strings, len);
        b->head.size = (uint32_t)(sizeof(b->head) + len);
        return b->head.size;
}

#define GOOD "/bin\0sh\0-c\0early\0A=1\0file\0content\0/var/cache/x"

static void good_record_opens(void)
{
        struct bytes b;
        struct record r;
        size_t size = bytes_make(&b, GOOD, sizeof(GOOD));

        CHECK_INT(record_open(&b, size, &r), 0);
        CHECK_STR(r.path, "/bin");
        CHECK_STR(r.argv[1], "-c");
        CHECK(!r.argv[2]);
        CHECK_STR(r.ahead[0], "early");
        CHECK(!r.ahead[1]);
        CHECK_STR(r.env[0], "A=1");
        CHECK_STR(r.files[0].content, "content");
        CHECK_STR(r.write[0], "/var/cache/x");
}

static void every_truncation_is_refused(void)
{
        struct bytes b;
        struct record r;
        size_t full = bytes_make(&b, GOOD, sizeof(GOOD));

        for (size_t size = 0; size < full; size++) {
                CHECK(record_open(&b, size, &r) < 0); /* size does not agree with the head */
                if (size >= sizeof(b.head)) {
                        b.head.size = (uint32_t)size;
                        CHECK(record_open(&b, size, &r) < 0);
                        b.head.size = (uint32_t)full;
                }
        }
}

static void counts_that_lie_are_refused(void)
{
        static const uint32_t counts[] = {0, 1, 3, 64, 65, 1000000, UINT32_MAX};
        struct bytes b;
        struct record r;
        size_t size;

        for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
                size = bytes_make(&b, GOOD, sizeof(GOOD));
                b.head.n_argv = counts[i];
                CHECK(record_open(&b, size, &r) < 0);
                size = bytes_make(&b, GOOD, sizeof(GOOD));
                b.head.n_ahead = counts[i] == 1 ? 2 : counts[i];
                CHECK(record_open(&b, size, &r) < 0);
                size = bytes_make(&b, GOOD, sizeof(GOOD));
                b.head.n_files = counts[i] == 1 ? 2 : counts[i];
                CHECK(record_open(&b, size, &r) < 0);
                size = bytes_make(&b, GOOD, sizeof(GOOD));
                b.head.n_write = counts[i] == 1 ? 2 : counts[i];
                CHECK(record_open(&b, size, &r) < 0);
        }
        size = bytes_make(&b, GOOD, sizeof(GOOD));
        memset(b.head.name, 'x', sizeof(b.head.name));
        CHECK(record_open(&b, size, &r) < 0);
        size = bytes_make(&b, "/bin\0sh\0-c\0early\0NOVALUE\0f\0c", 29);
        CHECK(record_open(&b, size, &r) < 0);
}

int main(void)
{
        RUN(good_record_opens);
        RUN(every_truncation_is_refused);
        RUN(counts_that_lie_are_refused);
        return 0;
}
