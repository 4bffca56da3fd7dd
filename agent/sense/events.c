#include "sense/events.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>

int events_next(const uint8_t *data, size_t len, size_t *offset, struct sense_event *ret_event)
{
        struct inotify_event head;
        const uint8_t *name;

        if (*offset >= len)
                return 0;
        if (len - *offset < sizeof(head))
                return -EBADMSG;
        /* The record may stand at any address here, unlike in the kernel's own buffer. */
        memcpy(&head, data + *offset, sizeof(head));
        if (head.len > len - *offset - sizeof(head))
                return -EBADMSG;
        name = data + *offset + sizeof(head);
        if (head.len > 0) {
                const uint8_t *nul = memchr(name, '\0', head.len);

                if (!nul || memchr(name, '/', (size_t)(nul - name)))
                        return -EBADMSG;
        }
        *ret_event = (struct sense_event){
                .wd = head.wd,
                .mask = head.mask,
                .cookie = head.cookie,
                .name = head.len > 0 ? (const char *)name : "",
        };
        *offset += sizeof(head) + head.len;
        return 1;
}
