#include "out/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "out/notify_internal.h"

#define BODY_MAX (64u << 10)
#define SECRET_MAX 512
#define SECRET_MIN 16
#define PATH_SIZE 1100
#define TICK_MS_MAX 5000

static const char *const channel_names[] = {"webhook", "mail", "pager", "sns"};

/* ---- secrets, read for each request so that they may be changed ---- */

static int read_secret(const char *path, size_t least, struct buf *out)
{
        int r;

        buf_clear(out);
        r = file_read(path, out);
        if (r < 0)
                return r;
        while (out->len > 0 && (out->data[out->len - 1] == '\n' || out->data[out->len - 1] == ' '))
                out->len--;
        return out->len < least ? -EINVAL : buf_terminate(out);
}

static const char *path_in(const struct notify *n, const char *name, char dst[static PATH_SIZE])
{
        (void)snprintf(dst, PATH_SIZE, "%s/%s", n->config.state_dir, name);
        return dst;
}

static const char *secret_path(const struct notify *n, char room[static PATH_SIZE])
{
        return n->config.webhook_secret_file[0] ? n->config.webhook_secret_file
                                                : path_in(n, "webhook.secret", room);
}

/* The secret of the webhook is made at first, unless a file was named. */
static int make_secret(const struct notify *n)
{
        uint8_t random[32];
        char hex[2 * sizeof(random) + 2], path[PATH_SIZE];

        if (n->config.webhook_secret_file[0] || access(secret_path(n, path), F_OK) == 0)
                return 0;
        random_bytes(random, sizeof(random));
        hex_encode(random, sizeof(random), hex);
        hex[2 * sizeof(random)] = '\n';
        return file_write_atomic(path, hex, sizeof(hex) - 1, 0600);
}

static int check_secret(const char *option, const char *path, size_t least)
{
        AUTO_BUF text = BUF_INIT(SECRET_MAX);
        int r = path[0] ? read_secret(path, least, &text) : 0;

        if (r < 0)
                log_error("this file of a secret cannot be read, or is too short",
                          LOG_STR("option", option), LOG_STR("file", path),
                          LOG_INT("least_bytes", least), LOG_ERR(r));
        if (text.data)
                explicit_bzero(text.data, text.len);
        return r;
}

static int check_config(const struct notify *n)
{
        char room[PATH_SIZE];
        const struct notify_config *c = &n->config;
        int r = 0;

        if (c->webhook[0])
                r = make_secret(n);
        if (r == 0 && c->webhook[0])
                r = check_secret("webhook_secret_file", secret_path(n, room), SECRET_MIN);
        if (r == 0)
                r = check_secret("smtp_password_file", c->smtp_password_file, 1);
        if (r == 0)
                r = check_secret("pager_key_file", c->pager_key_file, SECRET_MIN);
        if (r == 0 && c->ca_file[0] && access(c->ca_file, R_OK) < 0) {
                r = -errno;
                log_error("this file of certificates cannot be read",
                          LOG_STR("option", "notify_ca_file"), LOG_STR("file", c->ca_file),
                          LOG_ERR(r));
        }
        if (r == 0 && c->smtp[0] &&
            (!c->mail_from[0] || (!c->mail_to[0] && !c->mail_students[0]))) {
                log_error("smtp needs mail_from, and mail_to or mail_students");
                r = -EINVAL;
        }
        return r;
}

/* ---- one request ---- */

static char *text_of(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* NULL: out of memory. */
static char *text_of(const char *fmt, ...)
{
        char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        if (vasprintf(&text, fmt, ap) < 0)
                text = NULL;
        va_end(ap);
        return text;
}

static int fill_webhook(struct notify *n, const struct notice *notice, struct notify_request *q)
{
        AUTO_BUF secret = BUF_INIT(SECRET_MAX);
        AUTO_BUF signature = BUF_INIT(256);
        char room[PATH_SIZE];
        int r = notify_json(notice, &q->body);

        if (r == 0)
                r = read_secret(secret_path(n, room), SECRET_MIN, &secret);
        if (r == 0)
                r = notify_signature(secret.data, secret.len, loop_utc(n->loop).us / US_PER_S,
                                     &q->body, &signature);
        if (r == 0)
                r = buf_terminate(&signature);
        if (secret.data)
                explicit_bzero(secret.data, secret.len);
        if (r < 0)
                return r;
        q->url = strdup(n->config.webhook);
        q->headers[0] = text_of("Content-Type: application/json");
        q->headers[1] = text_of("User-Agent: wscontroller");
        q->headers[2] = text_of("X-Workspaces-Kind: %s", notice_kind_name(notice->kind));
        q->headers[3] =
                text_of("Idempotency-Key: %s%s", notice->id, notice->resolved ? ":resolved" : "");
        q->headers[4] = text_of("X-Workspaces-Signature: %s", (char *)signature.data);
        return 0;
}

static int fill_pager(struct notify *n, const struct notice *notice, struct notify_request *q)
{
        AUTO_BUF key = BUF_INIT(SECRET_MAX);
        int r = read_secret(n->config.pager_key_file, SECRET_MIN, &key);

        if (r == 0)
                r = notify_pager_json(notice, (const char *)key.data, n->config.source, &q->body);
        if (key.data)
                explicit_bzero(key.data, key.len);
        if (r < 0)
                return r;
        q->url = strdup(n->config.pager_url);
        q->headers[0] = text_of("Content-Type: application/json");
        return 0;
}

/* Whom a mail goes to: the operators, or the student of the workspace. */
static int put_recipient(const struct notify *n, const struct notice *notice, struct buf *out)
{
        int r = notice->workspace[0] && notice_severity(notice->kind) == NOTICE_INFO
                        ? notify_fill(out, n->config.mail_students, notice)
                        : buf_append_str(out, n->config.mail_to);

        return r == 0 ? buf_terminate(out) : r;
}

static int fill_mail(struct notify *n, const struct notice *notice, struct notify_request *q)
{
        AUTO_BUF template = BUF_INIT(NOTIFY_TEMPLATE_MAX);
        AUTO_BUF password = BUF_INIT(SECRET_MAX);
        AUTO_BUF to = BUF_INIT(2048);
        char path[PATH_SIZE];
        int r = put_recipient(n, notice, &to);

        (void)snprintf(path, sizeof(path), "%s/%s.txt", n->config.templates,
                       notice_kind_name(notice->kind));
        if (n->config.templates[0] &&
            (file_read(path, &template) < 0 || buf_terminate(&template) < 0))
                buf_clear(&template);
        if (r == 0)
                r = notify_mail(notice, n->config.mail_from, (const char *)to.data,
                                template.len ? (const char *)template.data : NULL, &q->body);
        if (r == 0 && n->config.smtp_password_file[0])
                r = read_secret(n->config.smtp_password_file, 1, &password);
        if (r < 0)
                return r;
        q->url = strdup(n->config.smtp);
        q->from = text_of("<%s>", n->config.mail_from);
        q->rcpt = strdup((const char *)to.data);
        q->user = n->config.smtp_user[0] ? strdup(n->config.smtp_user) : NULL;
        q->password = password.len ? strdup((const char *)password.data) : NULL;
        if (password.data)
                explicit_bzero(password.data, password.len);
        return q->from && q->rcpt ? 0 : -ENOMEM;
}

static int fill(struct notify *n, const struct notify_item *item, struct notify_request *q)
{
        int r = 0;

        q->body = BUF_INIT(BODY_MAX);
        q->timeout_ms = n->config.timeout_ms;
        q->ca_file = n->config.ca_file;
        switch (item->channel) {
        case CHANNEL_WEBHOOK:
                r = fill_webhook(n, &item->notice, q);
                break;
        case CHANNEL_MAIL:
                r = fill_mail(n, &item->notice, q);
                break;
        case CHANNEL_PAGER:
                r = fill_pager(n, &item->notice, q);
                break;
        case CHANNEL_SNS:
                r = notify_sns_fill(n->sns, &item->notice, q);
                break;
        case CHANNEL_MAX:
                break;
        }
        return r == 0 && !q->url ? -ENOMEM : r;
}

/* ---- outcomes ---- */

static void count(struct notify *n, enum notify_channel channel, uint32_t outcome)
{
        size_t waiting = 0;

        for (size_t i = 0; i < NOTIFY_QUEUE_MAX; i++)
                waiting += n->items[i].used;
        metrics_add(n->config.metrics, METRIC_NOTICES, (uint32_t)channel, outcome, 1);
        metrics_set(n->config.metrics, METRIC_NOTICES_WAITING, 0, 0, (double)waiting);
}

/* A line of notify-dead.jsonl; the file has a maximum, and one predecessor. */
static void bury(struct notify *n, enum notify_channel channel, uint32_t attempts,
                 const struct notice *notice, const char *error)
{
        AUTO_BUF line = BUF_INIT(BODY_MAX);
        char path[PATH_SIZE], old[PATH_SIZE];
        AUTO_CLOSE fd = -1;
        struct stat st;
        int r = buf_printf(&line,
                           "{\"channel\":\"%s\",\"attempts\":%u,\"error\":", channel_names[channel],
                           attempts);

        if (r == 0)
                r = notify_json_text(&line, error);
        if (r == 0)
                r = buf_append_str(&line, ",\"notice\":");
        if (r == 0)
                r = notify_json(notice, &line);
        if (r == 0)
                r = buf_append_str(&line, "}\n");
        if (stat(path_in(n, "notify-dead.jsonl", path), &st) == 0 && st.st_size > NOTIFY_DEAD_BYTES)
                (void)rename(path, path_in(n, "notify-dead.jsonl.1", old));
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (r == 0)
                r = fd < 0 ? -errno : fd_write_all(fd, line.data, line.len);
        log_error("a notification could not be delivered; it is in notify-dead.jsonl",
                  LOG_STR("channel", channel_names[channel]),
                  LOG_STR("kind", notice_kind_name(notice->kind)), LOG_STR("id", notice->id),
                  LOG_STR("why", error), LOG_ERR(r));
}

/*
 * Each channel has its own share of the queue and of what is sent at a time: a webhook that hangs
 * keeps nothing from the pager.
 */
#define CHANNEL_PLACES MAX(NOTIFY_SEND_MAX / CHANNEL_MAX, 1)
#define CHANNEL_QUEUE (NOTIFY_QUEUE_MAX / CHANNEL_MAX)

static size_t of_channel(const struct notify *n, enum notify_channel channel, bool in_flight)
{
        size_t k = 0;

        for (size_t i = 0; i < NOTIFY_QUEUE_MAX; i++) {
                const struct notify_item *item = &n->items[i];

                k += item->used && item->channel == channel && (!in_flight || item->in_flight);
        }
        return k;
}

static void arm(struct notify *n)
{
        mono_t due = MONO_NEVER;
        bool room[CHANNEL_MAX];

        for (int c = 0; c < CHANNEL_MAX; c++)
                room[c] = of_channel(n, (enum notify_channel)c, true) < CHANNEL_PLACES;
        for (size_t i = 0; i < NOTIFY_QUEUE_MAX; i++) {
                if (n->items[i].used && !n->items[i].in_flight && room[n->items[i].channel])
                        due = mono_min(due, n->items[i].due);
        }
        /* When all places are taken the next outcome arms again. */
        loop_timer_set(&n->pump, notify_send_active(n->send) < NOTIFY_SEND_MAX ? due : MONO_NEVER);
}

static void failed(struct notify *n, struct notify_item *item, bool permanent, const char *error)
{
        int64_t pause = n->config.retry_ms;
        uint16_t random;

        item->in_flight = false;
        if (permanent || item->attempts >= NOTIFY_ATTEMPTS) {
                item->used = false;
                bury(n, item->channel, item->attempts, &item->notice, error);
                count(n, item->channel, LABEL(OUTCOME, DEAD));
                return;
        }
        for (uint32_t i = 1; i < item->attempts && pause < NOTIFY_PAUSE_MAX_MS; i++)
                pause *= 3;
        random_bytes(&random, sizeof(random));
        pause = MIN(pause, NOTIFY_PAUSE_MAX_MS);
        pause = pause / 2 + pause * random / UINT16_MAX / 2;
        item->due = mono_add_ms(loop_now(n->loop), pause);
        log_warn("a notification was not delivered; it is tried again",
                 LOG_STR("channel", channel_names[item->channel]),
                 LOG_STR("kind", notice_kind_name(item->notice.kind)),
                 LOG_STR("id", item->notice.id), LOG_INT("attempt", item->attempts),
                 LOG_INT("again_in_ms", pause), LOG_STR("why", error));
        count(n, item->channel, LABEL(OUTCOME, RETRIED));
}

static void on_sent(void *ctx, struct notify_request *q)
{
        struct notify *n = ctx;
        struct notify_item *item = q->ctx;

        if (q->ok) {
                item->used = item->in_flight = false;
                count(n, item->channel, LABEL(OUTCOME, DELIVERED));
        } else {
                failed(n, item, q->permanent, q->error);
        }
        notify_request_free(q);
        arm(n);
}

static void start(struct notify *n, struct notify_item *item)
{
        struct notify_request *q = notify_request_new();
        int r = q ? fill(n, item, q) : -ENOMEM;

        item->attempts++;
        if (r < 0) {
                notify_request_free(q);
                failed(n, item, false,
                       "the request cannot be made: is its secret's file there and long enough?");
                return;
        }
        item->in_flight = true;
        q->ctx = item;
        notify_send_start(n->send, q);
}

static void on_pump(void *ctx)
{
        struct notify *n = ctx;
        size_t flying[CHANNEL_MAX];

        for (int c = 0; c < CHANNEL_MAX; c++)
                flying[c] = of_channel(n, (enum notify_channel)c, true);
        for (size_t i = 0; i < NOTIFY_QUEUE_MAX; i++) {
                struct notify_item *item = &n->items[i];

                if (notify_send_active(n->send) >= NOTIFY_SEND_MAX)
                        break;
                if (!item->used || item->in_flight || !mono_due(item->due, loop_now(n->loop)) ||
                    flying[item->channel] >= CHANNEL_PLACES)
                        continue;
                start(n, item);
                flying[item->channel] += item->in_flight;
        }
        arm(n);
}

/* ---- the queue ---- */

static bool wants(const struct notify *n, enum notify_channel channel, const struct notice *notice)
{
        const struct notify_config *c = &n->config;
        enum notice_severity severity = notice_severity(notice->kind);

        if (channel == CHANNEL_WEBHOOK)
                return c->webhook[0];
        if (channel == CHANNEL_PAGER)
                return c->pager_key_file[0] && severity == NOTICE_CRITICAL;
        if (channel == CHANNEL_SNS)
                return n->sns && severity != NOTICE_INFO;
        if (!c->smtp[0])
                return false;
        /* Of what is for the student, mail announces what they cannot see for themselves. */
        if (severity == NOTICE_INFO)
                return c->mail_students[0] && notice->kind != NOTICE_STOP_WARNING &&
                       notice->workspace[0];
        return c->mail_to[0] && (severity == NOTICE_WARNING || !c->pager_key_file[0]);
}

static void put_one(struct notify *n, enum notify_channel channel, const struct notice *notice)
{
        bool info = notice_severity(notice->kind) == NOTICE_INFO;
        size_t most = info ? CHANNEL_QUEUE - CHANNEL_QUEUE / 4 : CHANNEL_QUEUE;
        bool room = of_channel(n, channel, false) < most;

        for (size_t i = 0; room && i < NOTIFY_QUEUE_MAX; i++) {
                struct notify_item *item = &n->items[i];

                if (item->used)
                        continue;
                *item = (struct notify_item){.used = true,
                                             .channel = channel,
                                             .due = loop_now(n->loop),
                                             .notice = *notice};
                return;
        }
        bury(n, channel, 0, notice, "the queue is full");
        count(n, channel, LABEL(OUTCOME, DROPPED));
}

void notify_put(struct notify *n, const struct notice *notice)
{
        for (int c = 0; c < CHANNEL_MAX; c++) {
                if (wants(n, (enum notify_channel)c, notice))
                        put_one(n, (enum notify_channel)c, notice);
        }
        arm(n);
}

/* ---- the cursor: up to which line of history everything is settled ---- */

static uint64_t settled(const struct notify *n)
{
        uint64_t to = n->seen;

        for (size_t i = 0; i < NOTIFY_QUEUE_MAX; i++) {
                if (n->items[i].used && n->items[i].notice.seq)
                        to = MIN(to, n->items[i].notice.seq - 1);
        }
        return to;
}

static void write_cursor(struct notify *n)
{
        uint64_t to = settled(n);
        char path[PATH_SIZE], text[32];
        int len = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)to);

        if (to == n->cursor ||
            file_write_atomic(path_in(n, "notify.cursor", path), text, (size_t)len, 0600) < 0)
                return;
        n->cursor = to;
}

static void read_cursor(struct notify *n)
{
        AUTO_BUF text = BUF_INIT(64);
        char path[PATH_SIZE];

        if (read_secret(path_in(n, "notify.cursor", path), 1, &text) == 0 &&
            num_parse_u64((const char *)text.data, 0, UINT64_MAX, &n->cursor) < 0)
                n->cursor = 0;
}

/* ---- life ---- */

static void on_tick(void *ctx)
{
        struct notify *n = ctx;

        if (n->leads) {
                notify_events_tick(n);
                notify_plan_tick(n);
        }
        if (n->leads || (n->led && !shell_lead(n->shell)->http[0]))
                notify_alarm_tick(n);
        if (n->led)
                write_cursor(n);
        loop_timer_set_in(&n->tick, MIN(MAX(n->config.hold_ms / 4, 50), TICK_MS_MAX));
}

static int allocate(struct notify *n)
{
        int r = slots_new(2 * (size_t)n->config.core->tasks_max, &n->warned);

        if (r == 0)
                r = slots_new(4 * (size_t)n->config.core->tasks_max, &n->announced);
        if (r < 0 || !n->config.sns_topic[0])
                return r;
        r = notify_sns_new(n->config.sns_topic, n->config.sns_url, &n->sns);
        if (r < 0)
                log_error("sns_topic is no arn:aws:sns:REGION:ACCOUNT:NAME, or sns_url no address",
                          LOG_STR("sns_topic", n->config.sns_topic), LOG_ERR(r));
        return r;
}

int notify_new(struct loop *l, struct shell *s, const struct notify_config *config,
               struct notify **ret_notify)
{
        struct notify *n = calloc(1, sizeof(*n));
        int r;

        if (!n)
                return -ENOMEM;
        n->loop = l;
        n->shell = s;
        n->config = *config;
        n->sampled = loop_now(l);
        loop_timer_init(l, &n->pump, on_pump, n);
        loop_timer_init(l, &n->tick, on_tick, n);
        r = check_config(n);
        if (r == 0)
                r = allocate(n);
        if (r == 0)
                r = notify_send_new(l, on_sent, n, &n->send);
        if (r < 0) {
                notify_free(n);
                return r;
        }
        read_cursor(n);
        notify_events_start(n);
        loop_timer_set_in(&n->tick, TICK_MS_MAX);
        *ret_notify = n;
        return 0;
}

struct notify *notify_free(struct notify *n)
{
        if (!n)
                return NULL;
        loop_timer_cancel(&n->pump);
        loop_timer_cancel(&n->tick);
        if (n->led)
                write_cursor(n);
        notify_send_free(n->send);
        notify_sns_free(n->sns); /* its requests have ended */
        slots_free(n->warned);
        slots_free(n->announced);
        free(n);
        return NULL;
}

void notify_lead(struct notify *n)
{
        n->leads = n->led = true;
        notify_alarm_forget(n);
        notify_alarm_resume(n);
        notify_events_replay(n);
        loop_timer_set_in(&n->tick, 0);
}

/*
 * What waits is the next leader's to announce: it finds it in the history, or judges anew. Should
 * that be this one again, it takes up its history from what was settled. Only that the database is
 * away is still said: then nobody leads.
 */
void notify_follow(struct notify *n)
{
        n->leads = false;
        n->seen = settled(n);
        for (size_t i = 0; i < NOTIFY_QUEUE_MAX; i++) {
                if (!n->items[i].in_flight && n->items[i].notice.kind != NOTICE_SERVICE_DOWN)
                        n->items[i].used = false;
        }
        arm(n);
}
