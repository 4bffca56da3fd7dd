#include "keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/num.h"

/* Room for a label and the longest arguments: object names are under 256 bytes. */
#define KEYS_TEXT_SIZE 1024

int keys_load(const char *path, struct keys *ret_keys)
{
        uint8_t fresh[SHA256_LEN];
        AUTO_BUF content = BUF_INIT(SHA256_LEN + 16);
        int r = file_read(path, &content);

        if (r == -ENOENT) {
                random_bytes(fresh, sizeof(fresh));
                r = file_write_atomic(path, fresh, sizeof(fresh), 0600);
                if (r == 0)
                        memcpy(ret_keys->master, fresh, sizeof(fresh));
                explicit_bzero(fresh, sizeof(fresh));
                return r;
        }
        if (r == -ENOBUFS || (r == 0 && content.len != SHA256_LEN))
                return -EBADMSG;
        if (r < 0)
                return r;
        memcpy(ret_keys->master, content.data, SHA256_LEN);
        explicit_bzero(content.data, content.len);
        return 0;
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

void keys_access(const struct keys *k, const char *workspace, uint64_t expires,
                 char ret_hex[static KEYS_HEX])
{
        derive(k, "access", workspace, "", expires, 0, ret_hex);
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
