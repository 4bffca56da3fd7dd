/* shared/base: every contract of its headers, at its edges. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mono.h"
#include "base/num.h"
#include "base/str.h"
#include "test.h"

static void buf_keeps_to_its_maximum(void)
{
        AUTO_BUF b = BUF_INIT(1000);
        char big[1001] = {0};

        CHECK_INT(buf_append(&b, big, sizeof(big)), -ENOBUFS);
        CHECK_INT(b.len, 0);
        CHECK_INT(buf_append(&b, big, 1000), 0);
        CHECK_INT(buf_append(&b, "x", 1), -ENOBUFS);
        CHECK_INT(buf_reserve(&b, SIZE_MAX), -ENOBUFS);
        buf_consume(&b, 400);
        CHECK_INT(buf_append(&b, big, 400), 0);
        CHECK_INT(b.len, 1000);
}

static void buf_keeps_content_when_it_grows_or_slides(void)
{
        AUTO_BUF b = BUF_INIT(1 << 20);
        unsigned next_in = 0;
        unsigned next_out = 0;

        for (int round = 0; round < 2000; round++) {
                for (int i = 0; i < 7 + round % 5; i++) {
                        uint8_t c = (uint8_t)next_in++;
                        CHECK_INT(buf_append(&b, &c, 1), 0);
                }
                for (int i = 0; i < 5 + round % 3 && b.len; i++) {
                        CHECK_INT(b.data[0], (uint8_t)next_out);
                        next_out++;
                        buf_consume(&b, 1);
                }
        }
        CHECK_INT(b.len, next_in - next_out);
}

static void buf_prints(void)
{
        AUTO_BUF b = BUF_INIT(16);

        CHECK_INT(buf_printf(&b, "%s-%d", "abc", 12), 0);
        CHECK_INT(buf_terminate(&b), 0);
        CHECK_STR((char *)b.data, "abc-12");
        CHECK_INT(buf_printf(&b, "%s", "0123456789"), -ENOBUFS);
        CHECK_INT(b.len, 6);
}

static void num_is_strict(void)
{
        static const char *const bad[] = {"",    " 1",  "1 ",  "+1", "-1",
                                          "0x1", "1e3", "1.0", "a",  "\t2"};
        uint64_t u = 77;
        int64_t i = 77;

        for (size_t k = 0; k < ARRAY_LEN(bad); k++)
                CHECK_INT(num_parse_u64(bad[k], 0, UINT64_MAX, &u), -EINVAL);
        CHECK_INT(num_parse_u64("18446744073709551616", 0, UINT64_MAX, &u), -ERANGE);
        CHECK_INT(num_parse_u64("9", 10, 20, &u), -ERANGE);
        CHECK_INT(u, 77);
        CHECK_INT(num_parse_u64("18446744073709551615", 0, UINT64_MAX, &u), 0);
        CHECK(u == UINT64_MAX);
        CHECK_INT(num_parse_i64("-5", -10, 10, &i), 0);
        CHECK_INT(i, -5);
        CHECK_INT(num_parse_i64("--5", -10, 10, &i), -EINVAL);
        CHECK_INT(num_parse_i64("-", -10, 10, &i), -EINVAL);
        CHECK_INT(num_parse_i64("9223372036854775808", INT64_MIN, INT64_MAX, &i), -ERANGE);
        CHECK_INT(num_parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &i), 0);
        CHECK(i == INT64_MIN);
        CHECK_INT(num_parse_i64("-9223372036854775809", INT64_MIN, INT64_MAX, &i), -ERANGE);
}

static void num_parses_durations_and_sizes(void)
{
        static const char *const no_decimals[] = {"",      ".",   "1.",  ".5",        "-1",
                                                  "1.2.3", "1e3", "0.x", "0.1234567", " 1"};
        int64_t ms = 0;
        uint64_t n = 0;

        CHECK_INT(num_parse_millionths("0.99", &ms), 0);
        CHECK_INT(ms, 990000);
        CHECK_INT(num_parse_millionths("12", &ms), 0);
        CHECK_INT(ms, 12000000);
        for (size_t i = 0; i < ARRAY_LEN(no_decimals); i++)
                CHECK(num_parse_millionths(no_decimals[i], &ms) < 0);
        CHECK_INT(ms, 12000000);
        CHECK_INT(num_parse_duration_ms("30m", &ms), 0);
        CHECK_INT(ms, 1800000);
        CHECK_INT(num_parse_duration_ms("250ms", &ms), 0);
        CHECK_INT(ms, 250);
        CHECK_INT(num_parse_duration_ms("0", &ms), 0);
        CHECK_INT(ms, 0);
        CHECK_INT(num_parse_duration_ms("30", &ms), -EINVAL);
        CHECK_INT(num_parse_duration_ms("1h30m", &ms), -EINVAL);
        CHECK_INT(num_parse_duration_ms("9999999999999999d", &ms), -ERANGE);
        CHECK_INT(num_parse_size("64K", &n), 0);
        CHECK_INT(n, 65536);
        CHECK_INT(num_parse_size("64k", &n), -EINVAL);
        CHECK_INT(num_parse_size("99999999999999999G", &n), -ERANGE);
}

static void hex_round_trips(void)
{
        uint8_t in[3] = {0x00, 0x7f, 0xff};
        uint8_t out[3];
        char text[7];

        hex_encode(in, 3, text);
        CHECK_STR(text, "007fff");
        CHECK_INT(hex_decode(text, out, 3), 0);
        CHECK(memcmp(in, out, 3) == 0);
        CHECK_INT(hex_decode("007FFF", out, 3), -EINVAL);
        CHECK_INT(hex_decode("007ff", out, 3), -EINVAL);
        CHECK_INT(hex_decode("007ffg", out, 3), -EINVAL);
}

static void names_are_safe_everywhere(void)
{
        char longest[200];

        CHECK(name_valid("anna.k+cs101@example.org", 128));
        CHECK(name_valid("A:b-c_9", 128));
        CHECK(!name_valid("", 128));
        CHECK(!name_valid("a/b", 128));
        CHECK(!name_valid("..", 128));
        CHECK(!name_valid("-rf", 128));
        CHECK(!name_valid("a b", 128));
        CHECK(!name_valid("a\nb", 128));
        CHECK(!name_valid("\xc3\xa9", 128));
        memset(longest, 'a', sizeof(longest));
        longest[129] = 0;
        CHECK(!name_valid(longest, 128));
        longest[128] = 0;
        CHECK(name_valid(longest, 128));
}

static void str_copy_refuses_or_cuts(void)
{
        char d[4] = "old";

        CHECK_INT(STR_SET(d, "1234"), -ENAMETOOLONG);
        CHECK_STR(d, "old");
        CHECK_INT(STR_SET(d, "123"), 0);
        CHECK_STR(d, "123");
        STR_CUT(d, "98765");
        CHECK_STR(d, "987");
}

static void files_are_replaced_whole(void)
{
        char dir[] = "/tmp/test_base.XXXXXX";
        char path[64];
        AUTO_BUF b = BUF_INIT(100);
        struct stat st;

        CHECK(mkdtemp(dir));
        (void)snprintf(path, sizeof(path), "%s/a/b/f", dir);
        CHECK_INT(file_write_atomic(path, "x", 1, 0600), -ENOENT);
        (void)snprintf(path, sizeof(path), "%s/a/b", dir);
        CHECK_INT(dir_make(path, 0700), 0);
        CHECK_INT(dir_make(path, 0700), 0);
        (void)snprintf(path, sizeof(path), "%s/a/b/f", dir);
        CHECK_INT(file_write_atomic(path, "one", 3, 0600), 0);
        CHECK_INT(file_write_atomic(path, "two!", 4, 0600), 0);
        CHECK_INT(stat(path, &st), 0);
        CHECK_INT(st.st_mode & 0777, 0600);
        CHECK_INT(file_read(path, &b), 0);
        CHECK_STR((char *)b.data, "two!");
        b.max = 5;
        CHECK_INT(file_read(path, &b), -ENOBUFS);
        CHECK_INT(unlink(path), 0);
        for (int depth = 0; depth < 3; depth++) {
                *strrchr(path, '/') = 0;
                CHECK_INT(rmdir(path), 0);
        }
}

static void log_is_one_escaped_line(void)
{
        int pipefd[2];
        AUTO_BUF b = BUF_INIT(8192);
        int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        char text[5000];

        memset(text, 'x', sizeof(text));
        text[sizeof(text) - 1] = 0;
        CHECK(saved >= 0);
        CHECK_INT(pipe2(pipefd, O_CLOEXEC), 0);
        CHECK(dup2(pipefd[1], STDERR_FILENO) >= 0);
        log_init("test", LOG_INFO_LEVEL);
        errno = EXDEV;
        log_debug("not shown");
        log_warn("two words", LOG_STR("s", "a\nb \"q\""), LOG_INT("n", -3), LOG_ERR(-ENOENT));
        log_info("long", LOG_STR("text", text), LOG_STR("lost", "yes"));
        CHECK_INT(errno, EXDEV);
        CHECK(dup2(saved, STDERR_FILENO) >= 0);
        close(saved);
        close(pipefd[1]);
        CHECK_INT(fd_read_all(pipefd[0], &b), 0);
        close(pipefd[0]);
        CHECK_INT(buf_terminate(&b), 0);
        CHECK(strstr((char *)b.data,
                     "level=warn prog=test msg=\"two words\" s=\"a\\x0ab \\\"q\\\"\" "
                     "n=-3 err=\"No such file or directory\"\n"));
        CHECK(!strstr((char *)b.data, "not shown"));
        CHECK(!strstr((char *)b.data, "lost"));
        CHECK(b.len < 2 * LOG_LINE_MAX);
        CHECK(b.data[b.len - 1] == '\n');
}

static void mono_arithmetic(void)
{
        mono_t t = {1000};

        CHECK_INT(mono_add_ms(t, 2).us, 3000);
        CHECK(mono_is_never(mono_add_ms(MONO_NEVER, -5)));
        CHECK_INT(mono_diff_ms(t, mono_add_ms(t, 7)), 7);
        CHECK(mono_due(t, t));
        CHECK(!mono_due(MONO_NEVER, t));
        CHECK(mono_before(t, mono_read()));
}

int main(void)
{
        RUN(buf_keeps_to_its_maximum);
        RUN(buf_keeps_content_when_it_grows_or_slides);
        RUN(buf_prints);
        RUN(num_is_strict);
        RUN(num_parses_durations_and_sizes);
        RUN(hex_round_trips);
        RUN(names_are_safe_everywhere);
        RUN(str_copy_refuses_or_cuts);
        RUN(files_are_replaced_whole);
        RUN(log_is_one_escaped_line);
        RUN(mono_arithmetic);
        return 0;
}
