#include "keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"

/* Room for a label and the longest arguments: object names are under 256 bytes. */
#define KEYS_TEXT_SIZE 1024

#define FILE_TWO (2 * SHA256_LEN + 2 * 8)
#define FILE_OLDER (SHA256_LEN + 8)
#define FILE_MAX (FILE_TWO + KEYS_OLDER_MAX * FILE_OLDER)

static uint64_t take_u64(const uint8_t *at)
{
        uint64_t v = 0;

        for (int i = 0; i < 8; i++)
                v = v << 8 | at[i];
        return v;
}

static void put_u64(uint8_t *at, uint64_t v)
{
        for (int i = 7; i >= 0; i--, v >>= 8)
                at[i] = (uint8_t)v;
}

static void take_two(const uint8_t *data, size_t len, struct keys *k)
{
        memcpy(k->before, data + SHA256_LEN, SHA256_LEN);
        k->turn_s = take_u64(data + 2 * SHA256_LEN);
        k->retire_s = take_u64(data + 2 * SHA256_LEN + 8);
        k->n_older = (unsigned)((len - FILE_TWO) / FILE_OLDER);
        for (unsigned i = 0; i < k->n_older; i++) {
                const uint8_t *at = data + FILE_TWO + i * FILE_OLDER;

                memcpy(k->older[i].key, at, SHA256_LEN);
                k->older[i].turn_s = take_u64(at + SHA256_LEN);
        }
}

static int decode(const uint8_t *data, size_t len, struct keys *ret_keys)
{
        struct keys k = {.two = len >= FILE_TWO};

        if (len != SHA256_LEN &&
            (len < FILE_TWO || len > FILE_MAX || (len - FILE_TWO) % FILE_OLDER != 0))
                return -EBADMSG;
        memcpy(k.newest, data, SHA256_LEN);
        if (k.two)
                take_two(data, len, &k);
        (void)keys_turn(&k, 0);
        *ret_keys = k;
        explicit_bzero(&k, sizeof(k));
        return 0;
}

int keys_load(const char *path, struct keys *ret_keys)
{
        uint8_t fresh[SHA256_LEN];
        AUTO_BUF content = BUF_INIT(FILE_MAX + 16);
        int r = file_read(path, &content);

        if (r == -ENOENT) {
                random_bytes(fresh, sizeof(fresh));
                r = file_write_atomic(path, fresh, sizeof(fresh), 0600);
                if (r == 0)
                        r = decode(fresh, sizeof(fresh), ret_keys);
                explicit_bzero(fresh, sizeof(fresh));
                return r;
        }
        if (r == -ENOBUFS)
                return -EBADMSG;
        if (r < 0)
                return r;
        r = decode(content.data, content.len, ret_keys);
        explicit_bzero(content.data, content.len);
        return r;
}

void keys_reread(struct keys *k, const struct keys *fresh)
{
        memcpy(k->newest, fresh->newest, sizeof(k->newest));
        memcpy(k->before, fresh->before, sizeof(k->before));
        k->two = fresh->two;
        k->turn_s = fresh->turn_s;
        k->retire_s = fresh->retire_s;
        k->n_older = fresh->n_older;
        memcpy(k->older, fresh->older, sizeof(k->older));
}

bool keys_turn(struct keys *k, uint64_t now_s)
{
        bool turned = k->two && now_s >= k->turn_s, retired = k->two && now_s >= k->retire_s;
        const uint8_t *master = k->two && !turned ? k->before : k->newest;
        const uint8_t *other = turned ? k->before : k->newest;
        bool same = memcmp(k->master, master, SHA256_LEN) == 0 && k->has_other == k->two &&
                    k->retired == retired && (!k->two || memcmp(k->other, other, SHA256_LEN) == 0);

        if (same)
                return false;
        memcpy(k->master, master, SHA256_LEN);
        memcpy(k->other, other, SHA256_LEN);
        k->has_other = k->two;
        k->retired = retired;
        return true;
}

bool keys_before(const struct keys *k, struct keys *ret)
{
        if (!k->has_other)
                return false;
        *ret = (struct keys){0};
        memcpy(ret->master, k->other, SHA256_LEN);
        return true;
}

bool keys_other(const struct keys *k, struct keys *ret)
{
        return !k->retired && keys_before(k, ret);
}

bool keys_of_task(const struct keys *k, uint64_t launched_s, unsigned i, struct keys *ret)
{
        if (i >= k->n_older || launched_s >= k->older[i].turn_s)
                return false;
        *ret = (struct keys){0};
        memcpy(ret->master, k->older[i].key, SHA256_LEN);
        return true;
}

void keys_oldest(const struct keys *k, struct keys *ret)
{
        const uint8_t *key = k->n_older ? k->older[k->n_older - 1].key
                             : k->two   ? k->before
                                        : k->newest;

        *ret = (struct keys){0};
        memcpy(ret->master, key, SHA256_LEN);
}

/* The file's content after a change; its length, or -ENOSPC. `room` holds FILE_MAX. */
static int encode_changed(const struct keys *k, uint64_t turn_s, uint64_t grace_s,
                          uint64_t forget_before_s, uint8_t *room, uint64_t *ret_oldest_s)
{
        struct keys_older all[KEYS_OLDER_MAX + 1];
        unsigned n = 0, kept = 0;

        random_bytes(room, SHA256_LEN);
        memcpy(room + SHA256_LEN, k->newest, SHA256_LEN);
        put_u64(room + 2 * SHA256_LEN, turn_s);
        put_u64(room + 2 * SHA256_LEN + 8, turn_s + grace_s);
        if (k->two) {
                memcpy(all[n].key, k->before, SHA256_LEN);
                all[n++].turn_s = k->turn_s;
        }
        for (unsigned i = 0; i < k->n_older; i++)
                all[n++] = k->older[i];
        for (; kept < n && all[kept].turn_s > forget_before_s; kept++) {
                uint8_t *at = room + FILE_TWO + kept * FILE_OLDER;

                if (kept == KEYS_OLDER_MAX) {
                        *ret_oldest_s = all[kept].turn_s;
                        kept = n + 1;
                        break;
                }
                memcpy(at, all[kept].key, SHA256_LEN);
                put_u64(at + SHA256_LEN, all[kept].turn_s);
        }
        explicit_bzero(all, sizeof(all));
        return kept > n ? -ENOSPC : (int)(FILE_TWO + kept * FILE_OLDER);
}

int keys_change(const char *path, uint64_t now_s, uint64_t settle_s, uint64_t grace_s,
                uint64_t forget_s, uint64_t *ret_oldest_s)
{
        uint64_t forget_before_s = forget_s > now_s ? 0 : now_s - forget_s;
        uint8_t data[FILE_MAX];
        struct keys k;
        int r = access(path, F_OK) < 0 ? -errno : keys_load(path, &k);

        if (r < 0)
                return r;
        r = k.two && now_s < k.retire_s ? -EBUSY
                                        : encode_changed(&k, now_s + settle_s, grace_s,
                                                         forget_before_s, data, ret_oldest_s);
        if (r > 0)
                r = file_write_atomic(path, data, (size_t)r, 0600);
        explicit_bzero(data, sizeof(data));
        explicit_bzero(&k, sizeof(k));
        return r;
}

/*
 * A text that is too long would silently collide with another one, so it is hashed first as a
 * whole: the derived value always depends on every byte.
 */
static void derive(const struct keys *k, const char *label, const char *a, const char *b,
                   uint64_t n, uint64_t m, char ret_hex[static KEYS_HEX])
{
        uint8_t mac[SHA256_LEN];
        uint8_t a_hash[SHA256_LEN];
        uint8_t b_hash[SHA256_LEN];
        char a_hex[SHA256_HEX];
        char b_hex[SHA256_HEX];
        char text[KEYS_TEXT_SIZE];
        int len;

        sha256_of(a, strlen(a), a_hash);
        sha256_of(b, strlen(b), b_hash);
        hex_encode(a_hash, sizeof(a_hash), a_hex);
        hex_encode(b_hash, sizeof(b_hash), b_hex);
        len = snprintf(text, sizeof(text), "%s\n%s\n%s\n%llu\n%llu", label, a_hex, b_hex,
                       (unsigned long long)n, (unsigned long long)m);
        hmac_sha256(k->master, sizeof(k->master), text, (size_t)len, mac);
        hex_encode(mac, sizeof(mac), ret_hex);
        explicit_bzero(mac, sizeof(mac));
}

void keys_task_secret(const struct keys *k, const char *task, char ret_hex[static KEYS_HEX])
{
        derive(k, "task-secret", task, "", 0, 0, ret_hex);
}

void keys_gate(const struct keys *k, const char *workspace, uint64_t generation,
               char ret_hex[static KEYS_HEX])
{
        derive(k, "gate", workspace, "", generation, 0, ret_hex);
}

void keys_access(const struct keys *k, const char *workspace, uint64_t generation,
                 char ret_hex[static KEYS_HEX])
{
        derive(k, "access-key", workspace, "", generation, 0, ret_hex);
}

void keys_storage(const struct keys *k, const char *op, const char *object, uint64_t expires,
                  uint64_t max_bytes, char ret_hex[static KEYS_HEX])
{
        derive(k, "storage", op, object, expires, max_bytes, ret_hex);
}

void keys_gateway(const struct keys *k, char ret_hex[static KEYS_HEX])
{
        derive(k, "gateway", "", "", 0, 0, ret_hex);
}

void keys_installation(const struct keys *k, char ret_hex[static KEYS_HEX])
{
        derive(k, "installation", "", "", 0, 0, ret_hex);
}

bool keys_equal(const char *a, const char *b)
{
        size_t len = strlen(a);

        return len == strlen(b) && secret_equal(a, b, len);
}
