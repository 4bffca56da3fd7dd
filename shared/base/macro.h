/*
 * Small language helpers that every layer uses: array length, container_of, cleanup attributes.
 * No functions with side effects live here; ownership helpers are in fd.h and mem.h.
 */
#pragma once

#include <stddef.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* The object of type `type` whose member `member` is at `ptr`. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

/* Take the value of an owning variable and leave `empty` behind: `return STEAL(fd, -1);`. */
#define STEAL(var, empty)                                                                          \
        ({                                                                                         \
                __typeof__(var) steal_ = (var);                                                    \
                (var) = (empty);                                                                   \
                steal_;                                                                            \
        })
