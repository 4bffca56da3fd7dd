/* One entry <-> one line. */
#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "snapshot/lines.h"

/* ---- writing ---- */

/* A path of SNAPSHOT_PATH_MAX and a target, all escaped, and the rest. */
#define LINE_ROOM (2 * 4 * SNAPSHOT_PATH_MAX + 512)

static const char hex_digits[] = "0123456789abcdef";

static char *put_text(char *p, const char *s)
{
        size_t n = strlen(s);

        memcpy(p, s, n);
        return p + n;
}

static char *put_escaped(char *p, const char *s)
{
        for (; *s; s++) {
                unsigned char c = (unsigned char)*s;

                if (c > ' ' && c < 0x7f && c != '\\' && c != '#' && c != '=') {
                        *p++ = (char)c;
                        continue;
                }
                *p++ = '\\';
                *p++ = (char)('0' + (c >> 6));
                *p++ = (char)('0' + (c >> 3 & 7));
                *p++ = (char)('0' + (c & 7));
        }
        return p;
}

static char *put_number(char *p, uint64_t n)
{
        char text[24];
        size_t i = sizeof(text);

        do
                text[--i] = (char)('0' + n % 10);
        while ((n /= 10) > 0);
        memcpy(p, text + i, sizeof(text) - i);
        return p + sizeof(text) - i;
}

static char *put_time(char *p, int64_t s, uint32_t ns)
{
        if (s < 0)
                *p++ = '-';
        p = put_number(p, s < 0 ? (uint64_t)-s : (uint64_t)s);
        *p++ = '.';
        for (uint32_t unit = 100000000; unit > 0; unit /= 10)
                *p++ = (char)('0' + ns / unit % 10);
        return p;
}

static char *put_hex(char *p, const uint8_t *data, size_t len)
{
        for (size_t i = 0; i < len; i++) {
                *p++ = hex_digits[data[i] >> 4];
                *p++ = hex_digits[data[i] & 15];
        }
        return p;
}

static char *put_mode(char *p, uint32_t mode)
{
        *p++ = (char)('0' + (mode >> 9 & 7));
        *p++ = (char)('0' + (mode >> 6 & 7));
        *p++ = (char)('0' + (mode >> 3 & 7));
        *p++ = (char)('0' + (mode & 7));
        return p;
}

static char *put_file(char *p, const struct snapshot_entry *e)
{
        p = put_number(put_text(p, " size="), e->size);
        p = put_hex(put_text(p, " sha256digest="), e->sha256, sizeof(e->sha256));
        if (e->sqlite)
                p = put_text(p, " sqlite=1");
        return e->hardlink ? put_escaped(put_text(p, " hardlink=./"), e->hardlink) : p;
}

static char *put_local(char *p, const struct snapshot_entry *e)
{
        if (e->has_ctime) {
                p = put_number(put_text(p, " ino="), e->ino);
                p = put_time(put_text(p, " ctime="), e->ctime_s, e->ctime_ns);
        }
        if (e->life)
                p = put_text(p, " life=1");
        return e->pending ? put_text(p, " pending=1") : p;
}

int snapshot_entry_write(const struct snapshot_entry *e, const char *id, bool local, struct buf *b)
{
        static const char *const types[] = {
                [SNAPSHOT_FILE] = " type=file mode=",
                [SNAPSHOT_DIR] = " type=dir mode=",
                [SNAPSHOT_LINK] = " type=link mode=",
        };
        int r = buf_reserve(b, LINE_ROOM);
        char *start, *p;

        if (r < 0)
                return r;
        start = p = (char *)b->data + b->len;
        p = put_escaped(put_text(p, "./"), e->path);
        p = put_mode(put_text(p, types[e->type]), e->mode);
        p = put_time(put_text(p, " time="), e->mtime_s, e->mtime_ns);
        if (e->type == SNAPSHOT_FILE)
                p = put_file(p, e);
        if (e->has_xattrs)
                p = put_hex(put_text(p, " xattrs="), e->xattrs, sizeof(e->xattrs));
        if (e->link)
                p = put_escaped(put_text(p, " link="), e->link);
        p = put_text(put_text(p, " archive="), id);
        if (local)
                p = put_local(p, e);
        *p++ = '\n';
        b->len += (size_t)(p - start);
        return 0;
}

/* ---- reading ---- */

int snapshot_path_compare(const char *a, const char *b)
{
        for (; *a && *a == *b; a++, b++)
                ;
        /* What follows a '/' is inside: before any sibling whose name only begins the same. */
        return (*a == '/' ? 1
                : *a      ? (unsigned char)*a + 1
                          : 0) -
               (*b == '/' ? 1
                : *b      ? (unsigned char)*b + 1
                          : 0);
}

/* In place; the result is shorter or as long. False: not the alphabet of the format. */
static bool unescape(char *s)
{
        char *to = s;

        for (; *s; s++) {
                unsigned char c = (unsigned char)*s;

                if (c == '\\') {
                        if (s[1] < '0' || s[1] > '3' || s[2] < '0' || s[2] > '7' || s[3] < '0' ||
                            s[3] > '7')
                                return false;
                        c = (unsigned char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
                        if (c == 0)
                                return false;
                        s += 3;
                } else if (c <= ' ' || c >= 0x7f) {
                        return false;
                }
                *to++ = (char)c;
        }
        *to = 0;
        return true;
}

/* Below the root: "./" and then names, none of them empty, "." or "..". */
static const char *path_read(char *text, const char **ret_path)
{
        const char *name;

        if (text[0] != '.' || text[1] != '/')
                return "a path does not begin with ./";
        if (!unescape(text))
                return "a path is not in the alphabet of paths";
        text += 2;
        if (strlen(text) >= SNAPSHOT_PATH_MAX)
                return "a path is too long";
        name = text;
        for (;;) {
                size_t n = strcspn(name, "/");

                if (n == 0)
                        return "a path has an empty name in it";
                if (n <= 2 && memcmp(name, "..", n) == 0)
                        return "a path leaves the root";
                if (name[n] == 0)
                        break;
                name += n + 1;
        }
        *ret_path = text;
        return NULL;
}

static bool octal_read(const char *s, uint32_t max, uint32_t *ret)
{
        uint32_t n = 0;

        if (!*s || strlen(s) > 6)
                return false;
        for (; *s; s++) {
                if (*s < '0' || *s > '7')
                        return false;
                n = n * 8 + (uint32_t)(*s - '0');
        }
        *ret = n;
        return n <= max;
}

static bool number_read(const char *s, uint64_t *ret)
{
        uint64_t n = 0;

        if (!*s || strlen(s) > 20)
                return false;
        for (; *s; s++) {
                if (*s < '0' || *s > '9' || n > SNAPSHOT_NUMBER_MAX)
                        return false;
                n = n * 10 + (uint64_t)(*s - '0');
        }
        *ret = n;
        return n <= SNAPSHOT_NUMBER_MAX;
}

/* An inode number may be any of 64 bits. */
static bool ino_read(const char *s, uint64_t *ret)
{
        return num_parse_u64(s, 0, UINT64_MAX, ret) == 0;
}

static bool time_read(char *s, int64_t *ret_s, uint32_t *ret_ns)
{
        bool minus = *s == '-';
        char *dot = strchr(s, '.');
        uint64_t seconds, ns;

        if (!dot || strlen(dot + 1) != 9)
                return false;
        *dot = 0;
        if (!number_read(s + minus, &seconds) || !number_read(dot + 1, &ns))
                return false;
        *ret_s = minus ? -(int64_t)seconds : (int64_t)seconds;
        *ret_ns = (uint32_t)ns;
        return true;
}

int snapshot_archive_find(const struct snapshot_header *h, const char *id, size_t len)
{
        if (len >= SNAPSHOT_ID_SIZE)
                return -1;
        for (uint32_t i = h->n_archives; i-- > 0;) {
                if (memcmp(h->archives[i].id, id, len) == 0 && h->archives[i].id[len] == 0)
                        return (int)i;
        }
        return -1;
}

enum keyword {
        KEY_TYPE,
        KEY_MODE,
        KEY_TIME,
        KEY_SIZE,
        KEY_SHA256,
        KEY_XATTRS,
        KEY_LINK,
        KEY_HARDLINK,
        KEY_ARCHIVE,
        KEY_INO,
        KEY_CTIME,
        KEY_LIFE,
        KEY_PENDING,
        KEY_SQLITE,
        KEY_MAX
};

static const struct {
        const char *name;
        size_t len;
        const char *wrong;
} keywords[KEY_MAX] = {
#define KEY(id, text) [id] = {text, sizeof(text) - 1, text " is not one"}
        KEY(KEY_TYPE, "type"),       KEY(KEY_MODE, "mode"),           KEY(KEY_TIME, "time"),
        KEY(KEY_SIZE, "size"),       KEY(KEY_SHA256, "sha256digest"), KEY(KEY_XATTRS, "xattrs"),
        KEY(KEY_LINK, "link"),       KEY(KEY_HARDLINK, "hardlink"),   KEY(KEY_ARCHIVE, "archive"),
        KEY(KEY_INO, "ino"),         KEY(KEY_CTIME, "ctime"),         KEY(KEY_LIFE, "life"),
        KEY(KEY_PENDING, "pending"), KEY(KEY_SQLITE, "sqlite"),
#undef KEY
};

static int keyword_find(const char *name, size_t len)
{
        for (int i = 0; i < KEY_MAX; i++) {
                if (keywords[i].len == len && memcmp(keywords[i].name, name, len) == 0)
                        return i;
        }
        return -1;
}

static bool type_read(const char *s, enum snapshot_type *ret)
{
        static const char *const names[] = {"file", "dir", "link"};

        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                if (strcmp(s, names[i]) == 0) {
                        *ret = (enum snapshot_type)i;
                        return true;
                }
        }
        return false;
}

static bool flag_read(const char *s, bool *ret)
{
        *ret = true;
        return strcmp(s, "1") == 0;
}

static bool archive_read(const char *s, const struct snapshot_header *h, uint32_t *ret)
{
        int i = snapshot_archive_find(h, s, strlen(s));

        *ret = (uint32_t)i;
        return i >= 0;
}

static bool link_read(char *s, const char **ret)
{
        *ret = s;
        return unescape(s) && *s && strlen(s) < SNAPSHOT_PATH_MAX;
}

static bool value_read(enum keyword key, char *s, const struct snapshot_header *h,
                       struct snapshot_entry *e)
{
        switch (key) {
        case KEY_TYPE:
                return type_read(s, &e->type);
        case KEY_MODE:
                return octal_read(s, 07777, &e->mode);
        case KEY_TIME:
                return time_read(s, &e->mtime_s, &e->mtime_ns);
        case KEY_SIZE:
                return number_read(s, &e->size);
        case KEY_SHA256:
                return hex_decode(s, e->sha256, sizeof(e->sha256)) == 0;
        case KEY_XATTRS:
                e->has_xattrs = true;
                return hex_decode(s, e->xattrs, sizeof(e->xattrs)) == 0;
        case KEY_LINK:
                return link_read(s, &e->link);
        case KEY_HARDLINK:
                return path_read(s, &e->hardlink) == NULL;
        case KEY_ARCHIVE:
                return archive_read(s, h, &e->archive);
        case KEY_INO:
                return ino_read(s, &e->ino);
        case KEY_CTIME:
                return time_read(s, &e->ctime_s, &e->ctime_ns);
        case KEY_LIFE:
                return flag_read(s, &e->life);
        case KEY_PENDING:
                return flag_read(s, &e->pending);
        case KEY_SQLITE:
                return flag_read(s, &e->sqlite);
        case KEY_MAX:
                break;
        }
        return false;
}

/* What an entry of its type has to have, and what it must not. */
static const char *entry_whole(const struct snapshot_entry *e, uint32_t seen)
{
        const uint32_t always =
                1u << KEY_TYPE | 1u << KEY_MODE | 1u << KEY_TIME | 1u << KEY_ARCHIVE;
        const uint32_t file = 1u << KEY_SIZE | 1u << KEY_SHA256;

        if ((seen & always) != always)
                return "type, mode, time or archive is missing";
        if (e->type == SNAPSHOT_FILE && (seen & file) != file)
                return "size or sha256digest is missing";
        if ((e->type == SNAPSHOT_LINK) != (e->link != NULL))
                return "link belongs to type=link, and must be there";
        if (e->hardlink && e->type != SNAPSHOT_FILE)
                return "hardlink belongs to type=file";
        if (e->hardlink && snapshot_path_compare(e->hardlink, e->path) >= 0)
                return "hardlink names an entry that is not before this one";
        return NULL;
}

const char *snapshot_entry_parse(char *line, size_t len, const struct snapshot_header *h,
                                 struct snapshot_entry *ret_entry)
{
        struct snapshot_entry e = {0};
        char *end = line + len;
        char *word = memchr(line, ' ', len);
        const char *wrong;
        uint32_t seen = 0;

        *end = 0;
        if (memchr(line, 0, len))
                return "a NUL byte";
        if (!word)
                return "no keywords";
        *word++ = 0;
        wrong = path_read(line, &e.path);
        while (!wrong && word <= end) {
                char *space = memchr(word, ' ', (size_t)(end - word));
                char *stop = space ? space : end;
                char *equals = memchr(word, '=', (size_t)(stop - word));
                int key = equals ? keyword_find(word, (size_t)(equals - word)) : -1;

                *stop = 0;
                if (!equals || equals == word)
                        wrong = "a keyword without a value";
                else if (key >= 0 && (seen & 1u << key))
                        wrong = "a keyword stands twice";
                else if (key >= 0 && !value_read((enum keyword)key, equals + 1, h, &e))
                        wrong = keywords[key].wrong;
                if (key >= 0)
                        seen |= 1u << key;
                word = stop + 1;
        }
        if (!wrong)
                wrong = entry_whole(&e, seen);
        e.has_ctime = (seen & 1u << KEY_INO) && (seen & 1u << KEY_CTIME);
        if (!wrong)
                *ret_entry = e;
        return wrong;
}
