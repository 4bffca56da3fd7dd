/*
 * libcurl and libarchive, loaded when a save or a restore calls them. They bring forty libraries
 * along, and each of these costs every process that maps it private pages and time at its start:
 * three of the five roles never call any. These functions go before the libraries' own, so that
 * agent/save is written as ever; what is not here is a missing symbol of the link, not of the run.
 */
#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/log.h"

#define ARCHIVE "libarchive.so.13"
#define CURL4 "libcurl.so.4"

static void *find(const char *file, const char *name)
{
        void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL); /* counted; never closed */
        void *found = library ? dlsym(library, name) : NULL;

        if (found)
                return found;
        /* The role ends; init tells what became of the save. */
        log_error("a library is missing: install it in the image (libarchive13, libcurl4)",
                  LOG_STR("file", file), LOG_STR("function", name), LOG_STR("reason", dlerror()));
        exit(1);
}

/* Two threads may look at the same time, and find the same. */
#define LAZY(file, ret, name, params, args)                                                        \
        ret name params                                                                            \
        {                                                                                          \
                static __typeof__(&name) fn;                                                       \
                __typeof__(&name) now = __atomic_load_n(&fn, __ATOMIC_ACQUIRE);                    \
                                                                                                   \
                if (!now) {                                                                        \
                        now = (__typeof__(&name))find(file, #name);                                \
                        __atomic_store_n(&fn, now, __ATOMIC_RELEASE);                              \
                }                                                                                  \
                return now args;                                                                   \
        }

typedef struct archive A;
typedef struct archive_entry E;
typedef const char *S;

LAZY(ARCHIVE, E *, archive_entry_clear, (E * e), (e))
LAZY(ARCHIVE, void, archive_entry_copy_hardlink, (E * e, S s), (e, s))
LAZY(ARCHIVE, void, archive_entry_copy_pathname, (E * e, S s), (e, s))
LAZY(ARCHIVE, void, archive_entry_copy_symlink, (E * e, S s), (e, s))
LAZY(ARCHIVE, mode_t, archive_entry_filetype, (E * e), (e))
LAZY(ARCHIVE, void, archive_entry_free, (E * e), (e))
LAZY(ARCHIVE, S, archive_entry_hardlink, (E * e), (e))
LAZY(ARCHIVE, E *, archive_entry_new, (void), ())
LAZY(ARCHIVE, S, archive_entry_pathname, (E * e), (e))
LAZY(ARCHIVE, void, archive_entry_set_mode, (E * e, mode_t m), (e, m))
LAZY(ARCHIVE, void, archive_entry_set_mtime, (E * e, time_t t, long n), (e, t, n))
LAZY(ARCHIVE, void, archive_entry_set_size, (E * e, la_int64_t n), (e, n))
LAZY(ARCHIVE, la_int64_t, archive_entry_size, (E * e), (e))
LAZY(ARCHIVE, void, archive_entry_sparse_add_entry, (E * e, la_int64_t at, la_int64_t n),
     (e, at, n))
LAZY(ARCHIVE, void, archive_entry_sparse_clear, (E * e), (e))
LAZY(ARCHIVE, void, archive_entry_xattr_add_entry, (E * e, S s, const void *v, size_t n),
     (e, s, v, n))
LAZY(ARCHIVE, int, archive_entry_xattr_next, (E * e, S *s, const void **v, size_t *n), (e, s, v, n))
LAZY(ARCHIVE, int, archive_entry_xattr_reset, (E * e), (e))
LAZY(ARCHIVE, int, archive_errno, (A * a), (a))
LAZY(ARCHIVE, S, archive_error_string, (A * a), (a))
LAZY(ARCHIVE, int, archive_read_data_block,
     (A * a, const void **data, size_t *n, la_int64_t *offset), (a, data, n, offset))
LAZY(ARCHIVE, int, archive_read_free, (A * a), (a))
LAZY(ARCHIVE, A *, archive_read_new, (void), ())
LAZY(ARCHIVE, int, archive_read_next_header, (A * a, E **e), (a, e))
LAZY(ARCHIVE, int, archive_read_open,
     (A * a, void *ctx, archive_open_callback *o, archive_read_callback *r,
      archive_close_callback *c),
     (a, ctx, o, r, c))
LAZY(ARCHIVE, int, archive_read_support_format_tar, (A * a), (a))
LAZY(ARCHIVE, int, archive_write_close, (A * a), (a))
LAZY(ARCHIVE, la_ssize_t, archive_write_data, (A * a, const void *data, size_t n), (a, data, n))
LAZY(ARCHIVE, int, archive_write_free, (A * a), (a))
LAZY(ARCHIVE, int, archive_write_header, (A * a, E *e), (a, e))
LAZY(ARCHIVE, A *, archive_write_new, (void), ())
LAZY(ARCHIVE, int, archive_write_open,
     (A * a, void *ctx, archive_open_callback *o, archive_write_callback *w,
      archive_close_callback *c),
     (a, ctx, o, w, c))
LAZY(ARCHIVE, int, archive_write_set_bytes_per_block, (A * a, int n), (a, n))
LAZY(ARCHIVE, int, archive_write_set_format_pax, (A * a), (a))
LAZY(ARCHIVE, int, archive_write_set_options, (A * a, S s), (a, s))

/* Of the error's text only what needs no arguments. */
void archive_set_error(A *a, int error, S text, ...)
{
        __typeof__(&archive_set_error) fn =
                (__typeof__(&archive_set_error))find(ARCHIVE, "archive_set_error");

        fn(a, error, "%s", text);
}

#undef curl_easy_setopt
#undef curl_easy_getinfo

LAZY(CURL4, void, curl_easy_cleanup, (CURL * c), (c))
LAZY(CURL4, CURL *, curl_easy_init, (void), ())
LAZY(CURL4, CURLcode, curl_easy_perform, (CURL * c), (c))
LAZY(CURL4, void, curl_easy_reset, (CURL * c), (c))
LAZY(CURL4, S, curl_easy_strerror, (CURLcode code), (code))
LAZY(CURL4, CURLcode, curl_global_init, (long flags), (flags))
LAZY(CURL4, struct curl_slist *, curl_slist_append, (struct curl_slist * l, S s), (l, s))
LAZY(CURL4, void, curl_slist_free_all, (struct curl_slist * l), (l))

/* One argument follows, of the width of a pointer: long, curl_off_t or an address. */
static_assert(sizeof(void *) == sizeof(long) && sizeof(void *) == sizeof(curl_off_t),
              "curl's third argument is passed on as a pointer");

CURLcode curl_easy_setopt(CURL *c, CURLoption option, ...)
{
        __typeof__(&curl_easy_setopt) fn =
                (__typeof__(&curl_easy_setopt))find(CURL4, "curl_easy_setopt");
        va_list ap;
        void *value;

        va_start(ap, option);
        value = va_arg(ap, void *);
        va_end(ap);
        return fn(c, option, value);
}

CURLcode curl_easy_getinfo(CURL *c, CURLINFO info, ...)
{
        __typeof__(&curl_easy_getinfo) fn =
                (__typeof__(&curl_easy_getinfo))find(CURL4, "curl_easy_getinfo");
        va_list ap;
        void *value;

        va_start(ap, info);
        value = va_arg(ap, void *);
        va_end(ap);
        return fn(c, info, value);
}
