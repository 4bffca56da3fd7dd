/*
 * The whole unit-test framework: CHECK prints file, line and the expression and ends the test
 * program with 1. A test program is a main() that calls its cases.
 */
#pragma once

#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(cond)                                                                                \
        do {                                                                                       \
                if (!(cond)) {                                                                     \
                        fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #cond);   \
                        exit(1);                                                                   \
                }                                                                                  \
        } while (0)

#define CHECK_INT(a, b)                                                                            \
        do {                                                                                       \
                long long a_ = (long long)(a), b_ = (long long)(b);                                \
                if (a_ != b_) {                                                                    \
                        fprintf(stderr, "%s:%d: %s is %lld, %s is %lld\n", __FILE__, __LINE__, #a, \
                                a_, #b, b_);                                                       \
                        exit(1);                                                                   \
                }                                                                                  \
        } while (0)

#define CHECK_STR(a, b)                                                                            \
        do {                                                                                       \
                const char *a_ = (a), *b_ = (b);                                                   \
                if (strcmp(a_, b_) != 0) {                                                         \
                        fprintf(stderr, "%s:%d: %s is \"%s\", %s is \"%s\"\n", __FILE__, __LINE__, \
                                #a, a_, #b, b_);                                                   \
                        exit(1);                                                                   \
                }                                                                                  \
        } while (0)

#define RUN(fn)                                                                                    \
        do {                                                                                       \
                fprintf(stderr, "  %s\n", #fn);                                                    \
                fn();                                                                              \
        } while (0)

/* The full tier (tests/run --full): every count that is named anywhere. */
static inline bool test_full(void)
{
        const char *full = getenv("WS_TEST_FULL");

        return full && strcmp(full, "1") == 0;
}
