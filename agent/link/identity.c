#include "link/identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "crypto/digest.h"

int identity_take_secret(char ret_secret[static WIRE_HEX_SIZE])
{
        char *env = getenv("WS_TASK_SECRET");
        uint8_t bytes[(WIRE_HEX_SIZE - 1) / 2];
        int r;

        /* Keeps others of the same user out of our memory. */
        if (prctl(PR_SET_DUMPABLE, 0) < 0)
                return -errno;
        if (!env)
                return -ENOENT;
        r = hex_decode(env, bytes, sizeof(bytes));
        if (r == 0)
                memcpy(ret_secret, env, WIRE_HEX_SIZE);
        explicit_bzero(bytes, sizeof(bytes));
        /* In place: /proc/self/environ shows the bytes the kernel put there. */
        explicit_bzero(env, strlen(env));
        unsetenv("WS_TASK_SECRET");
        return r;
}

/* Field 22 of /proc/PID/stat, behind the command's name, which may hold anything but a ')'. */
static const char *start_time(char *stat)
{
        char *at = strrchr(stat, ')');
        char *end;

        /* behind ')' comes field 3 */
        for (int field = 2; at && field < 22; field++)
                at = strchr(at + 1, ' ');
        if (!at)
                return NULL;
        end = strchr(at + 1, ' ');
        if (end)
                *end = '\0';
        return at + 1;
}

int identity_nonce(const char *task, char ret_nonce[static WIRE_NONCE_SIZE])
{
        AUTO_BUF stat = BUF_INIT(4096);
        AUTO_BUF text = BUF_INIT(8192);
        uint8_t digest[SHA256_LEN];
        const char *started;
        char path[64];
        int r;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)getppid());
        r = file_read(path, &stat);
        if (r < 0)
                return r;
        /* file_read has put a NUL behind the content. */
        started = start_time((char *)stat.data);
        if (!started)
                return -EBADMSG;
        r = buf_printf(&text, "%s\n%s\n", task, started);
        if (r == 0)
                r = file_read("/proc/sys/kernel/random/boot_id", &text);
        if (r < 0)
                return r;
        sha256_of(text.data, text.len, digest);
        hex_encode(digest, (WIRE_NONCE_SIZE - 1) / 2, ret_nonce);
        return 0;
}
