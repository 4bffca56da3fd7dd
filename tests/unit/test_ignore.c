/* .workspaceignore: the rules of gitignore(5), by table; tests/save/ignore compares with git. */
#include <errno.h>

#include "save/ignore.h"
#include "test.h"

static const struct {
        const char *rules, *path;
        bool dir, ignored;
} table[] = {
        {"", "a", false, false},
        {"# a\n\n   \n", "a", false, false},
        {"a", "a", false, true},
        {"a", "b/a", false, true},
        {"a", "ab", false, false},
        {"a\r\n", "a", false, true},
        {"a   \n", "a", false, true},
        {"a\\ \n", "a ", false, true},
        {"\\#a", "#a", false, true},
        {"\\!a", "!a", false, true},
        {"/a", "a", false, true},
        {"/a", "b/a", false, false},
        {"a/", "a", false, false},
        {"a/", "a", true, true},
        {"a/", "b/a", true, true},
        {"a/b", "a/b", false, true},
        {"a/b", "x/a/b", false, false},
        {"*.o", "x/y.o", false, true},
        {"*.o\n!y.o", "x/y.o", false, false},
        {"!y.o\n*.o", "x/y.o", false, true},
        {"a/*", "a/b", false, true},
        {"a/*", "a/b/c", false, false},
        {"**/b", "b", false, true},
        {"**/b", "x/y/b", false, true},
        {"a/**", "a/x/y", false, true},
        {"a/**", "a", true, false},
        {"a/**/b", "a/b", false, true},
        {"a/**/b", "a/x/y/b", false, true},
        {"a/**/b", "a/xb", false, false},
        {"a?c", "abc", false, true},
        {"/a?c", "a/c", false, false},
        {"[a-c]x", "bx", false, true},
        {"[!a-c]x", "bx", false, false},
        {"[^a-c]x", "dx", false, true},
        {"[]]x", "]x", false, true},
        {"[[:digit:]]x", "7x", false, true},
        {"[[:bogus:]]x", "7x", false, false},
        {"[a", "[a", false, false},
        {"a\\", "a\\", false, false},
        {"\xef\xbb\xbf"
         "a",
         "a", false, true},
        {"!", "!", false, false},
        {"/", "a", true, false},
        {"*", "\xff\n", false, true},
};

static void by_table(void)
{
        for (size_t i = 0; i < ARRAY_LEN(table); i++) {
                struct ignore ig = {0};

                CHECK_INT(ignore_push(&ig, "", table[i].rules, strlen(table[i].rules)), 0);
                if (ignore_matches(&ig, table[i].path, table[i].dir) != table[i].ignored)
                        fprintf(stderr, "rules \"%s\" path \"%s\"\n", table[i].rules,
                                table[i].path);
                CHECK(ignore_matches(&ig, table[i].path, table[i].dir) == table[i].ignored);
                ignore_deinit(&ig);
        }
}

static void nested_files(void)
{
        struct ignore ig = {0};
        int mark;

        CHECK_INT(ignore_push(&ig, "", "*.log\n/top", 10), 0);
        mark = ignore_push(&ig, "sub", "!keep.log\n/only", 15);
        CHECK_INT(mark, 2);
        CHECK(!ignore_matches(&ig, "sub/keep.log", false));
        CHECK(ignore_matches(&ig, "sub/other.log", false));
        CHECK(ignore_matches(&ig, "sub/only", false));
        CHECK(!ignore_matches(&ig, "sub/x/only", false));
        CHECK(!ignore_matches(&ig, "only", false));
        CHECK(!ignore_matches(&ig, "subway/only", false));
        ignore_pop(&ig, mark);
        CHECK(ignore_matches(&ig, "sub/keep.log", false));
        CHECK(ignore_matches(&ig, "top", false) && !ignore_matches(&ig, "sub/top", false));
        ignore_deinit(&ig);
}

static void bounds(void)
{
        static char text[IGNORE_FILE_MAX + 1];
        struct ignore ig = {0};

        memset(text, 'a', sizeof(text));
        CHECK_INT(ignore_push(&ig, "", text, sizeof(text)), -E2BIG);
        for (size_t i = 1; i < sizeof(text); i += 2)
                text[i] = '\n';
        CHECK_INT(ignore_push(&ig, "", text, IGNORE_FILE_MAX), -E2BIG);
        CHECK_INT(ig.n, 0);
        CHECK_INT(ignore_push(&ig, "", text, 2 * IGNORE_RULES_MAX), 0);
        CHECK_INT(ig.n, IGNORE_RULES_MAX);
        ignore_deinit(&ig);
}

/* Patterns that send a naive matcher into the next century. */
static void hostile_patterns_end(void)
{
        char pattern[700] = "", path[2200] = "";
        struct ignore ig = {0};

        for (int i = 0; i < 100; i++) {
                (void)strcat(pattern, "**/a*");
                (void)strcat(path, "aaaaaaaaaaaaaaaaaaaa/");
        }
        (void)strcat(path, "b");
        CHECK_INT(ignore_push(&ig, "", pattern, strlen(pattern)), 0);
        CHECK(!ignore_matches(&ig, path, false));
        ignore_deinit(&ig);
}

int main(void)
{
        RUN(by_table);
        RUN(nested_files);
        RUN(bounds);
        RUN(hostile_patterns_end);
        return 0;
}
