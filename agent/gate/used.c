#include "gate/used.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/num.h"
#include "roles.h"

/* Of clocks that were set back, and of a controller's that is ahead of this one. */
#define MARGIN_S 3600

/* Written id first: one that has an expiry is whole, however the gate ended. */
struct entry {
        _Atomic uint64_t expires; /* unix seconds; 0 free */
        uint8_t id[16];
};

#define ENTRIES (ROLE_USED_BYTES / sizeof(struct entry))

struct used {
        struct entry entries[ENTRIES];
};

static_assert(sizeof(struct used) <= ROLE_USED_BYTES, "it fits");

int used_open(int fd, struct used **ret_used)
{
        struct stat st;
        void *at = MAP_FAILED;
        bool kept = true;

        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == ROLE_USED_BYTES)
                at = mmap(NULL, ROLE_USED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED) {
                kept = false;
                at = mmap(NULL, ROLE_USED_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        }
        if (at == MAP_FAILED)
                return -ENOMEM;
        *ret_used = at;
        return kept ? 0 : 1;
}

struct used *used_close(struct used *u)
{
        if (u)
                (void)munmap(u, ROLE_USED_BYTES);
        return NULL;
}

bool used_has(const struct used *u, const char *id)
{
        uint8_t bytes[16];

#ifdef GATE_PLANTED_FORGETS_LINKS
        return false;
#endif
        if (!u || hex_decode(id, bytes, sizeof(bytes)) < 0)
                return false;
        for (size_t i = 0; i < ENTRIES; i++) {
                if (u->entries[i].expires != 0 &&
                    memcmp(u->entries[i].id, bytes, sizeof(bytes)) == 0)
                        return true;
        }
        return false;
}

int used_add(struct used *u, const struct access *ticket, uint64_t now_s)
{
        struct entry *room = &u->entries[0];

        if (used_has(u, ticket->id))
                return -EEXIST;
        for (size_t i = 1; i < ENTRIES && room->expires != 0; i++) {
                if (u->entries[i].expires < room->expires)
                        room = &u->entries[i];
        }
        if (room->expires != 0 && room->expires + MARGIN_S > now_s)
                return -ENOSPC;
        room->expires = 0;
        atomic_thread_fence(memory_order_release);
        if (hex_decode(ticket->id, room->id, sizeof(room->id)) < 0)
                return -EINVAL;
        atomic_thread_fence(memory_order_release);
        room->expires = ticket->expires;
        return 0;
}
