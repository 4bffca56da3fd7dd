#include "lead/leader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"

struct leader {
        struct loop *loop;
        struct leader_config config;
        struct leader_hooks hooks;
        struct store *store;
        struct core *core;
        struct shell *shell;
        struct lead lead;
        struct loop_timer timer;
        char holder[STORE_HOLDER_SIZE];
        bool started, lease_known, told_leads, led;
        struct store_lease lease; /* as told last */
        int connection;           /* as logged last */

        /* rows for reading */
        struct core *reading;
        bool reading_full;
        uint64_t audit_seq;
        struct core_effects effects; /* of its steps: nobody carries them out */
};

static void step(struct leader *d, const struct lead_event *ev);

/* ---- addresses, as they stand in the lease ---- */

static void put_addresses(const struct leader_config *c, char *dst, size_t size)
{
        (void)snprintf(dst, size, "http=%s agents=%s", c->http, c->agents);
}

/* The value of "name=value" between blanks; "" when it is not there or does not fit. */
static void get_address(const char *text, const char *name, char *dst, size_t size)
{
        size_t n = strlen(name);

        dst[0] = '\0';
        for (const char *p = text; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
                size_t len = strcspn(p, " ");

                if (len <= n || strncmp(p, name, n) != 0 || p[n] != '=' || len - n > size)
                        continue;
                memcpy(dst, p + n + 1, len - n - 1);
                dst[len - n - 1] = '\0';
                return;
        }
}

/* ---- telling ---- */

static void tell(struct leader *d)
{
        const struct store_lease *lease = &d->lease;
        struct shell_lead lead = {
                .leads = d->lead.state == LEAD_LEADING,
                .epoch = d->lead.epoch,
                .until = d->lead.until,
        };

        /* With our own lease nobody leads until the rows are in. */
        if (lead.leads) {
                STR_CUT(lead.http, d->config.http);
                STR_CUT(lead.agents, d->config.agents);
                STR_CUT(lead.holder, d->holder);
        } else if (d->lease_known && !lease->mine) {
                get_address(lease->addresses, "http", lead.http, sizeof(lead.http));
                get_address(lease->addresses, "agents", lead.agents, sizeof(lead.agents));
                STR_CUT(lead.holder, lease->holder);
        }
        shell_set_lead(d->shell, &lead);
        if (d->lead.paused && d->told_leads) {
                d->hooks.pause(d->hooks.ctx, true);
                log_warn("the lease ran out; nothing is decided or done until it is renewed",
                         LOG_INT("epoch", lead.epoch));
        } else if (lead.leads && !d->lead.paused && !d->told_leads && d->led) {
                d->hooks.pause(d->hooks.ctx, false);
                log_info("the lease is renewed", LOG_INT("epoch", lead.epoch));
        }
        d->led |= lead.leads;
        d->told_leads = lead.leads && !d->lead.paused;
        if (d->lead.state == LEAD_FOLLOWING)
                d->hooks.follow(d->hooks.ctx);
}

static void note_change(struct leader *d, const struct store_lease *lease)
{
        if (d->lease_known && d->lease.mine == lease->mine && d->lease.epoch == lease->epoch)
                return;
        if (lease->mine)
                log_info("this controller has the lease", LOG_INT("epoch", lease->epoch));
        else
                log_info("another controller leads", LOG_INT("epoch", lease->epoch),
                         LOG_STR("holder", lease->holder), LOG_STR("at", lease->addresses));
}

/* ---- the store's answers ---- */

static void on_lease(void *ctx, const struct store_lease *lease)
{
        struct leader *d = ctx;

        note_change(d, lease);
        d->lease = *lease;
        d->lease_known = true;
        step(d, &(struct lead_event){.type = LEAD_EV_LEASE,
                                     .mine = lease->mine,
                                     .epoch = lease->epoch,
                                     .until = lease->until});
}

static void on_connection(void *ctx, int result)
{
        struct leader *d = ctx;

        if (result < 0) {
                log_error("the database cannot be used; it is tried again and again",
                          LOG_STR("detail", store_error(d->store)), LOG_ERR(result));
        } else {
                if (d->connection < 0)
                        log_info("the database can be used again");
                if (d->started)
                        step(d, &(struct lead_event){.type = LEAD_EV_UP});
        }
        d->connection = result;
}

static void on_fenced(void *ctx)
{
        step(ctx, &(struct lead_event){.type = LEAD_EV_FENCED});
}

/* ---- rows for reading ---- */

static void read_event(struct leader *d, struct core_event *ev)
{
        ev->now = loop_now(d->loop);
        ev->utc = loop_utc(d->loop);
        d->effects.n = 0;
        core_step(d->reading, ev, &d->effects);
}

static void read_workspace(void *ctx, const struct workspace_row *row)
{
        struct core_event ev = {.type = EV_BOOT_WORKSPACE, .workspace_row = *row};

        read_event(ctx, &ev);
}

static void read_task(void *ctx, const struct task_row *row)
{
        struct core_event ev = {.type = EV_BOOT_TASK, .task_row = *row};

        read_event(ctx, &ev);
}

static void read_setting(void *ctx, const struct setting_row *row)
{
        struct core_event ev = {.type = EV_BOOT_SETTING, .setting_row = *row};

        read_event(ctx, &ev);
}

static void read_audit(void *ctx, const struct audit_row *row)
{
        struct leader *d = ctx;

        d->audit_seq = row->seq;
        shell_show_audit(d->shell, row);
}

static void on_read_audit(void *ctx, int result)
{
        (void)result; /* asked for again in a moment */
        step(ctx, &(struct lead_event){.type = LEAD_EV_LOADED});
}

static void read_history(struct leader *d)
{
        int r = d->audit_seq ? store_audit_after(d->store, d->audit_seq, NULL, SHELL_EVENTS_MAX,
                                                 read_audit, on_read_audit, d)
                             : store_audit_newest(d->store, NULL, SHELL_EVENTS_MAX, read_audit,
                                                  on_read_audit, d);

        if (r < 0)
                on_read_audit(d, r);
}

static void put_reading(struct leader *d)
{
        core_free(shell_swap_core(d->shell, d->reading));
        d->core = d->reading;
        d->reading = NULL;
}

static void on_read_rows(void *ctx, int result)
{
        struct leader *d = ctx;

        if (result == 0 && d->lead.state == LEAD_FOLLOWING) {
                put_reading(d);
                read_history(d);
                return;
        }
        d->reading = core_free(d->reading);
        step(d, &(struct lead_event){.type = LEAD_EV_LOADED});
}

static void load(struct leader *d)
{
        struct store_visitor v = {.ctx = d,
                                  .brief = true,
                                  .workspace = read_workspace,
                                  .task = read_task,
                                  .setting = read_setting};
        int r = core_new(d->config.core, &d->reading);

        if (r == 0)
                r = store_load(d->store, &v, on_read_rows, d);
        if (r < 0)
                on_read_rows(d, r);
}

/* ---- taking the lead ---- */

static void on_booted(void *ctx, int result)
{
        struct leader *d = ctx;

        if (result < 0) {
                step(d, &(struct lead_event){.type = LEAD_EV_FAILED});
                return;
        }
        step(d, &(struct lead_event){.type = LEAD_EV_BOOTED});
        if (d->lead.state == LEAD_LEADING)
                d->hooks.lead(d->hooks.ctx, d->lead.epoch);
}

static void boot(struct leader *d)
{
        struct core *fresh = NULL;
        int r = core_new(d->config.core, &fresh);

        if (r == 0) {
                core_free(shell_swap_core(d->shell, fresh));
                d->core = fresh;
                r = shell_boot(d->shell, on_booted, d);
        }
        if (r < 0)
                on_booted(d, r);
}

static void ask(struct leader *d)
{
        int r = store_lease_take(d->store);

        /* Without a connection: hooks.connection will tell when there is one. */
        if (r < 0 && r != -ENOTCONN && r != -EBUSY)
                log_warn("the lease cannot be asked for", LOG_ERR(r),
                         LOG_STR("detail", store_error(d->store)));
}

static void end(struct leader *d)
{
        log_error("this controller ends", LOG_STR("why", d->lead.why),
                  LOG_INT("epoch", d->lead.epoch));
        d->hooks.end(d->hooks.ctx, d->lead.lost);
}

static void step(struct leader *d, const struct lead_event *ev)
{
        unsigned todo = lead_step(&d->lead, ev, loop_now(d->loop));

        if (todo & LEAD_TELL)
                tell(d);
        if (todo & LEAD_END)
                end(d);
        /* These may answer at once, which comes back here. */
        if (todo & LEAD_BOOT)
                boot(d);
        if (todo & LEAD_LOAD)
                load(d);
        if (todo & LEAD_ASK)
                ask(d);
        loop_timer_set(&d->timer, lead_deadline(&d->lead));
}

static void on_timer(void *ctx)
{
        step(ctx, &(struct lead_event){.type = LEAD_EV_DEADLINE});
}

/* ---- life ---- */

/* Another name after each start: a process that comes back is another controller. */
static void name_holder(struct leader *d)
{
        char host[32] = "";
        uint8_t random[8];
        char hex[2 * sizeof(random) + 1];

        if (gethostname(host, sizeof(host) - 1) < 0)
                STR_CUT(host, "unknown");
        random_bytes(random, sizeof(random));
        hex_encode(random, sizeof(random), hex);
        (void)snprintf(d->holder, sizeof(d->holder), "%s:%d:%s", host, (int)getpid(), hex);
}

static int open_store(struct leader *d)
{
        char addresses[STORE_ADDRESSES_SIZE];
        char error[STORE_ERROR_SIZE] = "";
        struct store_config config = {
                .url = d->config.url,
                .password_file = d->config.password_file,
                .holder = d->holder,
                .addresses = addresses,
                .lease_ms = d->config.lease_ms,
        };
        struct store_hooks hooks = {.ctx = d, .lease = on_lease, .connection = on_connection};
        int r;

        put_addresses(&d->config, addresses, sizeof(addresses));
        r = store_open(d->loop, &config, &hooks, error, &d->store);
        if (r < 0)
                log_error("the store cannot be opened", LOG_STR("detail", error), LOG_ERR(r));
        return r;
}

int leader_new(struct loop *l, const struct leader_config *config, const struct leader_hooks *hooks,
               struct leader **ret_leader)
{
        struct leader *d = calloc(1, sizeof(*d));
        uint64_t seed;
        int r;

        if (!d)
                return -ENOMEM;
        d->loop = l;
        d->config = *config;
        d->hooks = *hooks;
        random_bytes(&seed, sizeof(seed));
        lead_init(&d->lead, config->lease_ms, seed, loop_now(l));
        loop_timer_init(l, &d->timer, on_timer, d);
        name_holder(d);
        r = open_store(d);
        if (r == 0) {
                r = core_new(config->core, &d->core);
                if (r == 0)
                        r = shell_new(l, d->core, d->store, &d->shell);
                if (r < 0)
                        log_error("the core cannot be made", LOG_ERR(r));
        }
        if (r < 0) {
                leader_free(d);
                return r;
        }
        shell_on_fenced(d->shell, on_fenced, d);
        tell(d);
        *ret_leader = d;
        return 0;
}

void leader_start(struct leader *d)
{
        d->started = true;
        if (store_up(d->store))
                step(d, &(struct lead_event){.type = LEAD_EV_UP});
}

struct leader *leader_free(struct leader *d)
{
        if (!d)
                return NULL;
        loop_timer_cancel(&d->timer);
        if (d->lead.state == LEAD_TAKING || d->lead.state == LEAD_LEADING)
                store_lease_release(d->store);
        shell_free(d->shell);
        store_free(d->store);
        core_free(d->reading);
        core_free(d->core);
        free(d);
        return NULL;
}

struct shell *leader_shell(struct leader *d)
{
        return d->shell;
}

struct store *leader_store(struct leader *d)
{
        return d->store;
}
