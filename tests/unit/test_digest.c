/* shared/crypto against published vectors: FIPS 180-4 examples and RFC 4231 case 2. */
#include <fcntl.h>
#include <unistd.h>

#include "base/num.h"
#include "crypto/digest.h"
#include "test.h"

static const char abc_hex[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void sha256_vector(void)
{
        uint8_t d[SHA256_LEN];
        char hex[SHA256_HEX];
        struct sha256 *h = sha256_new();

        sha256_of("abc", 3, d);
        hex_encode(d, sizeof(d), hex);
        CHECK_STR(hex, abc_hex);
        CHECK(h);
        sha256_update(h, "a", 1);
        sha256_update(h, "bc", 2);
        sha256_final(h, d);
        sha256_free(h);
        hex_encode(d, sizeof(d), hex);
        CHECK_STR(hex, abc_hex);
}

static void sha256_of_a_file(void)
{
        int p[2];
        uint8_t d[SHA256_LEN];
        char hex[SHA256_HEX];
        uint64_t n = 0;

        CHECK_INT(pipe2(p, O_CLOEXEC), 0);
        CHECK_INT(write(p[1], "abc", 3), 3);
        close(p[1]);
        CHECK_INT(sha256_fd(p[0], d, &n), 0);
        close(p[0]);
        CHECK_INT(n, 3);
        hex_encode(d, sizeof(d), hex);
        CHECK_STR(hex, abc_hex);
}

static void hmac_vector(void)
{
        uint8_t mac[SHA256_LEN];
        char hex[SHA256_HEX];

        hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, mac);
        hex_encode(mac, sizeof(mac), hex);
        CHECK_STR(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        CHECK(secret_equal(mac, mac, sizeof(mac)));
        CHECK(!secret_equal("aa", "ab", 2));
}

int main(void)
{
        RUN(sha256_vector);
        RUN(sha256_of_a_file);
        RUN(hmac_vector);
        return 0;
}
