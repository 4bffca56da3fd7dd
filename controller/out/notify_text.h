/*
 * The text of notifications: one notice as JSON for a webhook, as an event for PagerDuty, as a mail
 * from a template; and the webhook's signature. Pure; whatever came from outside is escaped for
 * where it goes.
 */
#pragma once

#include "base/buf.h"
#include "base/macro.h"
#include "core/types.h"

enum notice_kind {
#define NOTICE(id, name, severity, subject, text) NOTICE_##id,
#include "out/notify.def"
#undef NOTICE
        NOTICE_MAX
};

enum notice_severity { NOTICE_INFO, NOTICE_WARNING, NOTICE_CRITICAL };

#define NOTICE_ID_SIZE 384
#define NOTIFY_TEMPLATE_MAX 16384

struct notice {
        enum notice_kind kind;
        bool resolved; /* the condition has ended */
        uint64_t seq;  /* of the history; 0: it is not from there */
        utc_t at;
        char id[NOTICE_ID_SIZE]; /* the same whenever this is sent again, by whomever */
        char dedup[128];         /* the same for all that is said of one condition */
        char workspace[CORE_ID_SIZE], task[CORE_ID_SIZE];
        struct ws_key key; /* all empty: it is of no workspace; type may be set alone */
        char detail[CORE_REASON_SIZE];
        char start[32], end[32]; /* of a maintenance */
};

const char *notice_kind_name(enum notice_kind k);
enum notice_severity notice_severity(enum notice_kind k);

/* {"id":…,"kind":…,"severity":…,"at":…,"workspace":{…},"subject":…,"message":…}. 0 or -errno. */
NODISCARD int notify_json(const struct notice *n, struct buf *out);
/* PagerDuty's Events API v2: trigger, or resolve. */
NODISCARD int notify_pager_json(const struct notice *n, const char *routing_key, const char *source,
                                struct buf *out);
/*
 * A mail, RFC 5322 with MIME: subject and text from `template` ("Subject: …", an empty line, text;
 * {name} is replaced by the notice's field), or from notify.def when it is NULL or has no subject.
 */
NODISCARD int notify_mail(const struct notice *n, const char *from, const char *to,
                          const char *template, struct buf *out);
/* "t=UNIX,v1=HEX": HMAC-SHA256 by `secret` over "UNIX.BODY". */
NODISCARD int notify_signature(const void *secret, size_t secret_len, int64_t unix_s,
                               const struct buf *body, struct buf *out);
/* A JSON text with its quotes. */
NODISCARD int notify_json_text(struct buf *out, const char *text);
/* `pattern` with {user_id} and the like replaced, one line. */
NODISCARD int notify_fill(struct buf *out, const char *pattern, const struct notice *n);
