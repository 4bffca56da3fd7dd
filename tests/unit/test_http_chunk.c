/* The chunked coding: good and bad bodies, whole and at every split, and the decoded bytes. */
#include "test.h"

#include "base/macro.h"
#include "http/chunk.h"
#include "http/head.h"

static const struct {
        const char *text;
        int r;
        size_t used; /* how much of it belongs to the body */
        const char *data;
} bodies[] = {
        {"0\r\n\r\n", 0, 5, ""},
        {"3\r\nabc\r\n0\r\n\r\nGET /", 0, 13, "abc"},
        {"A\r\n0123456789\r\n0001\r\n!\r\n000\r\n\r\n", 0, 31, "0123456789!"},
        {"2\r\n\r\n\r\n0\r\n\r\n", 0, 12, "\r\n"},
        {"", HTTP_MORE, 0, ""},
        {"5\r\nab", HTTP_MORE, 5, "ab"},
        {"0\r\n", HTTP_MORE, 3, ""},
        {"\r\n", HTTP_CHUNK_REFUSED, 0, ""},
        {"g\r\n", HTTP_CHUNK_REFUSED, 0, ""},
        {" 1\r\nx", HTTP_CHUNK_REFUSED, 0, ""},
        {"1 \r\nx", HTTP_CHUNK_REFUSED, 1, ""},
        {"1;a\r\nx", HTTP_CHUNK_REFUSED, 1, ""},
        {"1\nx", HTTP_CHUNK_REFUSED, 1, ""},
        {"1\rx", HTTP_CHUNK_REFUSED, 2, ""},
        {"1\r\nxy", HTTP_CHUNK_REFUSED, 4, "x"},
        {"1\r\nx\n0", HTTP_CHUNK_REFUSED, 4, "x"},
        {"1\r\nx\r0", HTTP_CHUNK_REFUSED, 5, "x"},
        {"0\r\nA: b\r\n\r\n", HTTP_CHUNK_REFUSED, 3, ""},
        {"0\r\n\rx", HTTP_CHUNK_REFUSED, 4, ""},
        {"+1\r\nx", HTTP_CHUNK_REFUSED, 0, ""},
        {"0000000000000001\r\n", HTTP_CHUNK_REFUSED, 15, ""},
        {"fffffffffffffff\r\n", HTTP_MORE, 17, ""},
};

static void test_table(void)
{
        for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
                const char *text = bodies[i].text;
                size_t len = strlen(text);

                for (size_t split = 0; split <= len; split++) {
                        struct http_chunk c = HTTP_CHUNK_INIT;
                        size_t used = 0, more = 0;
                        int r = http_chunk_scan(&c, text, split, &used);

                        if (r == HTTP_MORE) {
                                CHECK_INT(used, split);
                                r = http_chunk_scan(&c, text + split, len - split, &more);
                        }
                        CHECK_INT(r, bodies[i].r);
                        CHECK_INT(used + more, bodies[i].used);
                        CHECK((r == HTTP_CHUNK_REFUSED) == (c.reason != NULL));
                }
        }
}

static void test_decode(void)
{
        for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
                const char *text = bodies[i].text;
                size_t len = strlen(text);

                for (size_t step = 1; step <= 7; step++) {
                        struct http_chunk c = HTTP_CHUNK_INIT;
                        char out[64] = "";
                        size_t at = 0, n_out = 0;
                        int r = HTTP_MORE;

                        while (r == HTTP_MORE && at < len) {
                                size_t used, data_at, data_len;

                                r = http_chunk_next(&c, text + at, MIN(step, len - at), &used,
                                                    &data_at, &data_len);
                                memcpy(out + n_out, text + at + data_at, data_len);
                                n_out += data_len;
                                at += used;
                        }
                        CHECK_INT(r, bodies[i].r);
                        CHECK_INT(n_out, strlen(bodies[i].data));
                        CHECK_STR(out, bodies[i].data);
                }
        }
}

/* After its end and after a refusal the observer takes nothing more. */
static void test_over_is_over(void)
{
        struct http_chunk c = HTTP_CHUNK_INIT;
        size_t used = 9;

        CHECK_INT(http_chunk_scan(&c, "0\r\n\r\n", 5, &used), 0);
        CHECK_INT(http_chunk_scan(&c, "1\r\n", 3, &used), 0);
        CHECK_INT(used, 0);
        c = HTTP_CHUNK_INIT;
        CHECK_INT(http_chunk_scan(&c, "x", 1, &used), HTTP_CHUNK_REFUSED);
        CHECK_INT(http_chunk_scan(&c, "0\r\n\r\n", 5, &used), HTTP_CHUNK_REFUSED);
        CHECK_INT(used, 0);
}

int main(void)
{
        RUN(test_table);
        RUN(test_decode);
        RUN(test_over_is_over);
        return 0;
}
