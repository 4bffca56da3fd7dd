#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "in/agents_internal.h"

#define GRANTS_LOW 4   /* an agent with fewer unused save requests gets more */
#define GRANTS_SKIP 64 /* seqs left out when nobody knows what was given before */
#define KEY_SLACK_S 60

/* ---- what a claim gives to an agent ---- */

const struct core_type *agents_type_of(struct agents *a, const char *task)
{
        const struct task_row *row = core_task(shell_core(a->shell), task);

        return row ? core_type_named(a->config.core, row->type) : NULL;
}

/* The workspace of this session when its files stay in a home folder, else NULL. */
static const struct workspace_row *home_of(struct agents *a, const struct agents_session *s)
{
        const struct workspace_row *w = core_workspace(shell_core(a->shell), s->workspace);
        const struct core_type *type = agents_type_of(a, s->task);

        return w && (w->home == HOME_THERE || (type && type->home)) ? w : NULL;
}

static void fill_home(struct agents *a, struct agents_session *s, const struct workspace_row *w,
                      struct wire_claim *c)
{
        const struct core_type *type = agents_type_of(a, s->task);
        int64_t age_ms = (loop_utc(a->loop).us - w->head.at.us) / US_PER_MS;

        c->home = true;
        c->backup_ms = type ? type->backup_ms : 0;
        /* A first one soon, so that there is one. */
        c->backup_in_ms = w->head.seq ? MIN(MAX(c->backup_ms - age_ms, 0), c->backup_ms) : 0;
}

/* Up to `n` further save requests. A seq is given once in a generation, so gaps are normal. */
static uint32_t give_saves(struct agents *a, struct agents_session *s, uint32_t n,
                           struct wire_save saves[static WIRE_SAVES_MAX])
{
        const struct workspace_row *home = home_of(a, s);
        uint32_t given = 0;

        while (given < MIN(n, WIRE_SAVES_MAX)) {
                AUTO_BUF json = BUF_INIT(WIRE_SAVE_SIZE);
                int r = a->config.save_request(a->config.grants_ctx, s->workspace, s->generation,
                                               s->granted_seq + 1, home ? &home->head : NULL,
                                               &json);
                if (r == 0)
                        r = buf_terminate(&json);
                if (r < 0) {
                        if (agents_may_log(a))
                                log_error("no save request can be made", LOG_STR("task", s->task),
                                          LOG_ERR(r));
                        break;
                }
                saves[given].seq = ++s->granted_seq;
                STR_CUT(saves[given].request, (char *)json.data);
                given++;
        }
        return given;
}

/* Top up what an agent holds, when it runs low. */
uint32_t agents_top_up(struct agents *a, struct agents_session *s, uint64_t generation,
                       uint64_t grant_seq, uint32_t grants_left,
                       struct wire_save saves[static WIRE_SAVES_MAX])
{
        if (s->generation == 0 || generation != s->generation || grants_left >= GRANTS_LOW)
                return 0;
        s->granted_seq = MAX(s->granted_seq, grant_seq);
        return give_saves(a, s, WIRE_SAVES_MAX - grants_left, saves);
}

int agents_fill_claim(struct agents *a, struct agents_session *s, const struct save_ref *head,
                      const struct save_ref *previous, struct wire_claim *c)
{
        const struct core_type *type = agents_type_of(a, s->task);
        const struct workspace_row *home = home_of(a, s);
        static const struct save_ref none;
        AUTO_BUF json = BUF_INIT(WIRE_RESTORE_SIZE);
        struct keys other;
        int r = 0;

        *c = (struct wire_claim){.generation = s->generation,
                                 .idle_ms = type ? type->limits.idle_ms : 0};
        STR_CUT(c->workspace, s->workspace);
        if (a->config.paths)
                STR_CUT(c->host, a->host_suffix);
        else
                (void)snprintf(c->host, sizeof(c->host), "%s.%s", s->workspace, a->host_suffix);
        keys_gate(a->config.keys, s->workspace, s->generation, c->gate_key);
        keys_access(a->config.keys, s->workspace, s->generation, c->access_key);
        if (keys_other(a->config.keys, &other)) {
                keys_gate(&other, s->workspace, s->generation, c->gate_key_old);
                keys_access(&other, s->workspace, s->generation, c->access_key_old);
                explicit_bzero(&other, sizeof(other));
        }
        STR_CUT(c->cookie, a->cookie);
        STR_CUT(c->platform, a->platform);
        c->cookie_ms = a->config.cookie_ms;
        if (home)
                fill_home(a, s, home, c);
        /* What is in the home is newer than any save of it. */
        if (home && home->home == HOME_THERE)
                head = previous = &none;
        /* Without a save there is nothing to bring: the agent goes on to the app at once. What is
         * in a home may still lack what comes later, and the agent knows. */
        if (home || head->seq > 0 || previous->seq > 0)
                r = a->config.restore_request(a->config.grants_ctx, s->workspace, s->generation,
                                              head, previous, &json);
        if (r == 0)
                r = buf_terminate(&json);
        if (r < 0) {
                if (agents_may_log(a))
                        log_error("no restore request can be made", LOG_STR("task", s->task),
                                  LOG_STR("workspace", s->workspace), LOG_ERR(r));
                return r;
        }
        STR_CUT(c->restore, (char *)json.data);
        c->n_saves = give_saves(a, s, WIRE_SAVES_MAX, c->saves);
        return 0;
}

void agents_set_claim(struct agents_session *s, const char *workspace, uint64_t generation)
{
        if (s->generation == generation && strcmp(s->workspace, workspace) == 0)
                return;
        STR_CUT(s->workspace, workspace);
        s->generation = generation;
        s->granted_seq = 0;
}

/* ---- hello ---- */

/* Puts the peer's address in place of "any"; false when the agent names somebody else's: the front
 * door would be led to it. */
static bool addr_check(const char *addr, const char *peer, char ret_addr[static CORE_ADDR_SIZE])
{
        uint8_t host_ip[sizeof(struct in6_addr)] = {0};
        uint8_t peer_ip[sizeof(struct in6_addr)] = {0};
        static const uint8_t any[sizeof(struct in6_addr)];
        const char *colon = strrchr(addr, ':');
        bool v6 = addr[0] == '[';
        char host[CORE_ADDR_SIZE];
        size_t n;

        if (!peer[0]) { /* a Unix socket: somebody on this machine */
                str_copy_cut(ret_addr, CORE_ADDR_SIZE, addr);
                return true;
        }
        assert(colon); /* the decoder checked it */
        n = (size_t)(colon - addr) - (v6 ? 2 : 0);
        memcpy(host, addr + (v6 ? 1 : 0), n);
        host[n] = 0;
        if (inet_pton(v6 ? AF_INET6 : AF_INET, host, host_ip) != 1)
                return false;
        if (memcmp(host_ip, any, sizeof(any)) == 0) {
                (void)snprintf(ret_addr, CORE_ADDR_SIZE, strchr(peer, ':') ? "[%s]%s" : "%s%s",
                               peer, colon);
                return true;
        }
        if (inet_pton(v6 ? AF_INET6 : AF_INET, peer, peer_ip) != 1 ||
            memcmp(host_ip, peer_ip, sizeof(host_ip)) != 0)
                return false;
        str_copy_cut(ret_addr, CORE_ADDR_SIZE, addr);
        return true;
}

/* 0 when none fits. A task that is enrolled already is kept, in the nearest version: its work must
 * be saved whatever happened to the controller meanwhile. */
static uint32_t version_for(struct agents *a, const struct wire_hello *m)
{
        const struct task_row *row = core_task(shell_core(a->shell), m->task);
        uint32_t v = wire_version_pick(m->v_min, m->v_max);

        if (v == 0 && row && row->nonce[0] && keys_equal(row->nonce, m->nonce))
                v = m->v_min > WIRE_V_MAX ? WIRE_V_MAX : WIRE_V_MIN;
        return v;
}

static bool secret_is(const struct keys *k, const struct wire_hello *m)
{
        char secret[KEYS_HEX];
        bool good;

        keys_task_secret(k, m->task, secret);
        good = keys_equal(secret, m->secret);
        explicit_bzero(secret, sizeof(secret));
        return good;
}

/* A task keeps the secret that it was launched with, however often the key was changed since. */
static bool secret_good(struct agents *a, const struct wire_hello *m)
{
        const struct keys *k = a->config.keys;
        const struct task_row *row = core_task(shell_core(a->shell), m->task);
        /* For a moment after its turn the old key may still have signed. */
        uint64_t launched_s =
                row ? (uint64_t)MAX(row->launched_at.us / US_PER_S - KEY_SLACK_S, 0) : UINT64_MAX;
        struct keys other;
        bool good = secret_is(k, m);

        if (!good && keys_before(k, &other) && (!k->retired || launched_s < k->turn_s))
                good = secret_is(&other, m);
        for (unsigned i = 0; !good && keys_of_task(k, launched_s, i, &other); i++)
                good = secret_is(&other, m);
        explicit_bzero(&other, sizeof(other));
        return good;
}

void agents_on_hello(struct agents *a, struct agents_request *rq, const struct wire_hello *m)
{
        struct core_event ev = {.type = EV_AGENT_HELLO};
        char peer[AGENTS_PEER_SIZE];
        uint32_t v = 0;
        struct parked *p;

        if (!agents_socket_peer(rq, peer)) {
                agents_socket_drop(rq); /* nobody is there to be answered */
                return;
        }
        if (!secret_good(a, m)) {
                a->counters.bad_secrets++;
                if (agents_may_log(a))
                        log_warn("agent with a wrong secret refused", LOG_STR("task", m->task),
                                 LOG_STR("peer", peer));
                agents_refuse(a, rq, m->seq, "bad-secret", "the secret is not this task's",
                              AGENTS_RETRY_LATE_MS);
                return;
        }
        if (!addr_check(m->addr, peer, ev.hello.addr)) {
                if (agents_may_log(a))
                        log_warn("agent with another's address refused", LOG_STR("task", m->task),
                                 LOG_STR("peer", peer), LOG_STR("addr", m->addr));
                agents_refuse(a, rq, m->seq, "bad-addr",
                              "the gate must listen at the address the agent calls from",
                              AGENTS_RETRY_LATE_MS);
                return;
        }
        v = version_for(a, m);
        if (v == 0) {
                log_warn("agent with another version refused", LOG_STR("task", m->task),
                         LOG_INT("v_min", m->v_min), LOG_INT("v_max", m->v_max));
                agents_refuse(a, rq, m->seq, "version", "no common version", AGENTS_RETRY_LATE_MS);
                return;
        }
        p = shell_writable(a->shell)
                    ? agents_park(a, PARKED_HELLO, NULL, rq, m->seq, AGENTS_HELLO_MS)
                    : NULL;
        if (!p) {
                agents_refuse(a, rq, m->seq, "busy", "cannot enrol now", AGENTS_RETRY_SOON_MS);
                return;
        }
        p->hello.v = v;
        p->hello.grant_seq = m->grant_seq;
        STR_CUT(p->hello.task, m->task);
        STR_CUT(p->hello.nonce, m->nonce);
        STR_CUT(p->hello.peer, peer);
        STR_CUT(p->hello.agent, m->agent);
        ev.hello.conn = parked_handle(a->tables, p);
        ev.hello.generation = m->generation;
        STR_CUT(ev.hello.task, m->task);
        STR_CUT(ev.hello.nonce, m->nonce);
        shell_post(a->shell, &ev);
}

static void enrol(struct agents_session *s, const struct parked *hello)
{
        bool same = s->enrolled && strcmp(s->nonce, hello->hello.nonce) == 0;

        if (!same)
                log_info("agent enrolled", LOG_STR("task", s->task),
                         LOG_STR("peer", hello->hello.peer), LOG_STR("agent", hello->hello.agent));
        s->enrolled = true;
        s->v = hello->hello.v;
        STR_CUT(s->nonce, hello->hello.nonce);
        s->last_seq = hello->re;
        s->command.sent = 0;
        s->acted_id = 0; /* a link that started anew has forgotten what it was taking on */
}

void agents_rekey(struct agents *a)
{
        a->keys_round++;
}

void agents_on_welcome(void *ctx, const struct core_effect *fx)
{
        struct agents *a = ctx;
        struct parked *p = parked_find(a->tables, fx->welcome.conn, PARKED_HELLO);
        struct agents_session *s;
        const struct workspace_row *w;
        static const struct save_ref none;

        if (!p)
                return; /* it has given up; it will say hello again */
        s = session_get(a->tables, fx->welcome.task);
        if (!s) {
                agents_refuse(a, parked_take(a->tables, p), p->re, "busy", "too many tasks",
                              AGENTS_RETRY_SOON_MS);
                return;
        }
        enrol(s, p);
        s->keys_round = a->keys_round;
        a->out.type = WIRE_WELCOME;
        a->out.welcome.re = p->re;
        a->out.welcome.v = s->v;
        a->out.welcome.heartbeat_ms =
                fx->welcome.heartbeat_ms > 0 ? fx->welcome.heartbeat_ms : a->config.heartbeat_ms;
        a->out.welcome.claim.workspace[0] = 0;
        a->out.welcome.epoch = a->epoch;
        a->out.welcome.utc_ms = loop_utc(a->loop).us / US_PER_MS;
        a->out.welcome.reconnect_ms = a->reconnect_ms = fx->welcome.reconnect_ms;
        agents_set_claim(s, fx->welcome.workspace, fx->welcome.generation);
        if (s->generation > 0) {
                w = core_workspace(shell_core(a->shell), s->workspace);
                if (w && w->head.generation == s->generation)
                        s->granted_seq = MAX(s->granted_seq, w->head.seq);
                /* Neither we nor the agent remember what was given: leave room for it. */
                if (p->hello.grant_seq == 0)
                        s->granted_seq += GRANTS_SKIP;
                s->granted_seq = MAX(s->granted_seq, p->hello.grant_seq);
                if (agents_fill_claim(a, s, w ? &w->head : &none, w ? &w->previous : &none,
                                      &a->out.welcome.claim) < 0) {
                        s->enrolled = false;
                        agents_refuse(a, parked_take(a->tables, p), p->re, "busy",
                                      "storage cannot be granted now", AGENTS_RETRY_SOON_MS);
                        return;
                }
        }
        agents_answer(a, parked_take(a->tables, p));
}

void agents_on_refuse(void *ctx, const struct core_effect *fx)
{
        struct agents *a = ctx;
        struct parked *p = parked_find(a->tables, fx->refuse.conn, PARKED_HELLO);
        struct agents_session *s = session_by_handle(a->tables, fx->refuse.conn);

        if (!p && !s)
                return;
        a->counters.refused++;
        log_warn("agent refused", LOG_STR("task", fx->refuse.task),
                 LOG_STR("code", fx->refuse.code), LOG_STR("reason", fx->refuse.reason));
        if (p) {
                agents_refuse(a, parked_take(a->tables, p), p->re, fx->refuse.code,
                              fx->refuse.reason, AGENTS_RETRY_LATE_MS);
                return;
        }
        /* A report was answered long ago. What the agent sends next is nobody's; it says hello. */
        s->enrolled = false;
        agents_refuse_parked(a, s, "not-enrolled", fx->refuse.reason);
}
