#include "crypto/digest.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <unistd.h>

struct sha256 {
        EVP_MD_CTX *ctx;
};

struct sha256 *sha256_new(void)
{
        struct sha256 *h = calloc(1, sizeof(*h));

        if (!h)
                return NULL;
        h->ctx = EVP_MD_CTX_new();
        if (!h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1)
                return sha256_free(h);
        return h;
}

struct sha256 *sha256_free(struct sha256 *h)
{
        if (h)
                EVP_MD_CTX_free(h->ctx);
        free(h);
        return NULL;
}

void sha256_update(struct sha256 *h, const void *data, size_t len)
{
        int ok = EVP_DigestUpdate(h->ctx, data, len);

        assert(ok == 1);
}

void sha256_final(struct sha256 *h, uint8_t ret_digest[static SHA256_LEN])
{
        int ok = EVP_DigestFinal_ex(h->ctx, ret_digest, NULL);

        assert(ok == 1);
}

void sha256_of(const void *data, size_t len, uint8_t ret_digest[static SHA256_LEN])
{
        int ok = EVP_Digest(data, len, ret_digest, NULL, EVP_sha256(), NULL);

        assert(ok == 1);
}

int sha256_fd(int fd, uint8_t ret_digest[static SHA256_LEN], uint64_t *ret_length)
{
        struct sha256 *h = sha256_new();
        uint8_t chunk[65536];
        uint64_t length = 0;
        int r = h ? 0 : -ENOMEM;

        while (r == 0) {
                ssize_t n = read(fd, chunk, sizeof(chunk));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        r = -errno;
                if (n <= 0)
                        break;
                sha256_update(h, chunk, (size_t)n);
                length += (uint64_t)n;
        }
        if (r == 0) {
                sha256_final(h, ret_digest);
                *ret_length = length;
        }
        sha256_free(h);
        return r;
}

void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t ret_mac[static SHA256_LEN])
{
        const uint8_t *mac = HMAC(EVP_sha256(), key, (int)key_len, data, len, ret_mac, NULL);

        assert(mac);
}

bool secret_equal(const void *a, const void *b, size_t len)
{
        return CRYPTO_memcmp(a, b, len) == 0;
}
