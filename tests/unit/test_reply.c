/* What a terminal answers by itself against what a person types, pastes and clicks. */
#include "base/macro.h"
#include "decode/reply.h"
#include "test.h"

#define E "\x1b"

static const struct {
        const char *text;
        size_t focus;
} reports[] = {
        {E "[9;1R", 0},
        {E "[?9;1R", 0},
        {E "[?9;1;1R", 0},
        {E "[?1;2c", 0},
        {E "[>0;276;0c", 0},
        {E "[=0c", 0},
        {E "[0n", 0},
        {E "[?997;1n", 0},
        {E "[?2026;2$y", 0},
        {E "[4;1$y", 0},
        {E "[8;24;80t", 0},
        {E "[4;600;800t", 0},
        {E "[?0u", 0},
        {E "]10;rgb:3b3b/3b3b/3b3b" E "\\", 0},
        {E "]11;rgb:ffff/ffff/ffff\x07", 0},
        {E "]4;1;rgb:cdcd/0000/0000\x07", 0},
        {E "]12;rgb:0000/0000/0000" E "\\", 0},
        {E "]52;c;aGVsbG8=" E "\\", 0},
        {E "P1$r0m" E "\\", 0},
        {E "P>|xterm.js(5.6.0)" E "\\", 0},
        {E "P1+r544e=787465726d" E "\\", 0},
        {E "_Gi=31;OK" E "\\", 0},
        {E "[I", 1},
        {E "[O", 1},
};

/* Every byte of these stays. */
static const char *const typed[] = {
        "l",
        "ls -l\r",
        "\r",
        "\t",
        "\x7f",
        "\x03",
        E,
        E E,
        E "[A",
        E "[1;5C",
        E "OA",
        E "OP",
        E "[15~",
        E "[3~",
        E "[Z",
        E "[H",
        E "b",
        E "\x7f",
        E "]",
        E "P",
        E "_",
        E "[",
        E "O", /* Alt with a key, or Escape */
        E "[<0;10;5M",
        E "[<0;10;5m",
        E "[<35;10;5M",
        E "[M !!",                  /* mouse */
        E "[200~echo hi" E "[201~", /* paste */
        E "[97;5u",
        E "[13;2u",
        E "[57441u", /* keys of the kitty protocol */
        E "[27;5;9~",
        "9;1R",
        "[9;1R",
        "[I",
        E "[c",
        E "[n",
        E "[R",
        E "[t",
        E "[u", /* questions */
        E "[1R",
        E "[1;2;3R",
        E "[?c",
        E "[?u",
        E "[1y",
        E "[?1;2y",
        E "[?1$y",
        E "]0;title\x07",
        E "]777;x\x07",
        E "]10;rgb:1",
        E "]10;a\rb\x07",
        E "P1$r0m",
        E "P1$r\r" E "\\",
        E "[?1;2",
        E "[?1;2" E "[A",
        E "[1;2\x01"
          "c",
};

static size_t strip(const char *text, size_t len, size_t *focus)
{
        return reply_strip((const uint8_t *)text, len, focus);
}

static void reports_are_taken_out(void)
{
        for (size_t i = 0; i < ARRAY_LEN(reports); i++) {
                size_t focus = 7;

                if (strip(reports[i].text, strlen(reports[i].text), &focus) != 0)
                        fprintf(stderr, "report %zu is not taken out\n", i);
                CHECK_INT(strip(reports[i].text, strlen(reports[i].text), &focus), 0);
                CHECK_INT(focus, reports[i].focus);
        }
}

static void the_rest_stays(void)
{
        for (size_t i = 0; i < ARRAY_LEN(typed); i++) {
                size_t focus = 7, left = strip(typed[i], strlen(typed[i]), &focus);

                if (left != strlen(typed[i]))
                        fprintf(stderr, "key %zu is taken out\n", i);
                CHECK_INT(left, strlen(typed[i]));
                CHECK_INT(focus, 0);
        }
        CHECK_INT(strip("", 0, &(size_t){0}), 0);
        CHECK_INT(strip("a\0b", 3, &(size_t){0}), 3);
        CHECK_INT(strip("\xc3\xa4", 2, &(size_t){0}), 2);
}

/* Several in one message, with keys before, between and behind. */
static void they_come_together(void)
{
        char text[512];

        for (size_t i = 0; i < ARRAY_LEN(reports); i++) {
                for (size_t k = 0; k < ARRAY_LEN(reports); k++) {
                        size_t focus;
                        int n = snprintf(text, sizeof(text), "x%sy%s%sz", reports[i].text,
                                         reports[k].text, reports[i].text);

                        CHECK_INT(strip(text, (size_t)n, &focus), 3);
                        CHECK_INT(focus, 2 * reports[i].focus + reports[k].focus);
                }
        }
}

/* A report that is cut anywhere is no report: its bytes may be a person's. */
static void cut_reports_stay(void)
{
        for (size_t i = 0; i < ARRAY_LEN(reports); i++) {
                size_t len = strlen(reports[i].text);

                for (size_t cut = 1; cut < len; cut++) {
                        size_t focus;

                        CHECK_INT(strip(reports[i].text, cut, &focus), cut);
                        CHECK(strip(reports[i].text + cut, len - cut, &focus) > 0);
                }
        }
}

int main(void)
{
        RUN(reports_are_taken_out);
        RUN(the_rest_stays);
        RUN(they_come_together);
        RUN(cut_reports_stay);
        return 0;
}
