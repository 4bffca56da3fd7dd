#include "crypto/access.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/num.h"

#define ID_LEN 16

static const char *const kinds[] = {
        [ACCESS_TICKET] = "ticket",
        [ACCESS_COOKIE] = "cookie",
};

static void mac_of(const struct access *a, enum access_kind kind, const char *key,
                   char ret_hex[static SHA256_HEX])
{
        uint8_t mac[SHA256_LEN];
        char text[128];
        int n = snprintf(text, sizeof(text), "%s\n%llu\n%llu\n%s", kinds[kind],
                         (unsigned long long)a->generation, (unsigned long long)a->expires, a->id);

        hmac_sha256(key, strlen(key), text, (size_t)n, mac);
        hex_encode(mac, sizeof(mac), ret_hex);
}

void access_new_id(char ret_id[static ACCESS_ID_SIZE])
{
        uint8_t id[ID_LEN];

        random_bytes(id, sizeof(id));
        hex_encode(id, sizeof(id), ret_id);
}

void access_write(const struct access *a, enum access_kind kind, const char *key,
                  char ret_text[static ACCESS_SIZE])
{
        char mac[SHA256_HEX];

        mac_of(a, kind, key, mac);
        (void)snprintf(ret_text, ACCESS_SIZE, "%llu.%llu.%s.%s", (unsigned long long)a->generation,
                       (unsigned long long)a->expires, a->id, mac);
}

/* Cut the text at its dots; false when there are not three. */
static bool split(char *text, char *ret_part[static 4])
{
        for (int i = 0; i < 4; i++) {
                ret_part[i] = text;
                text = strchr(text, '.');
                if (!text)
                        return i == 3;
                *text++ = 0;
        }
        return false;
}

int access_read(const char *text, size_t len, struct access *ret_access)
{
        uint8_t id[ID_LEN], mac[SHA256_LEN];
        char copy[ACCESS_SIZE], *part[4];
        struct access a = {0};

        if (len >= sizeof(copy) || memchr(text, 0, len))
                return -EINVAL;
        memcpy(copy, text, len);
        copy[len] = 0;
        if (!split(copy, part) || num_parse_u64(part[0], 1, INT64_MAX, &a.generation) < 0 ||
            num_parse_u64(part[1], 1, INT64_MAX, &a.expires) < 0 ||
            strlen(part[2]) != ACCESS_ID_SIZE - 1 || strlen(part[3]) != SHA256_HEX - 1 ||
            hex_decode(part[2], id, sizeof(id)) < 0 || hex_decode(part[3], mac, sizeof(mac)) < 0)
                return -EINVAL;
        memcpy(a.id, part[2], sizeof(a.id));
        *ret_access = a;
        return 0;
}

int access_check(const char *text, size_t len, enum access_kind kind, const char *key,
                 uint64_t now_s)
{
        char want[ACCESS_SIZE];
        struct access a;

        if (!key[0] || access_read(text, len, &a) < 0)
                return ACCESS_FORGED;
        access_write(&a, kind, key, want);
        if (strlen(want) != len || !secret_equal(want, text, len))
                return ACCESS_FORGED;
        return now_s >= a.expires ? ACCESS_EXPIRED : 0;
}
