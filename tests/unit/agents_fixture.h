/*
 * The agents' edge with a shell that is the test: events are recorded, effects are given by hand or
 * by the small core below, which enrols the first nonce of a task and refuses any other. Real nng
 * clients, real TCP, one thread for the edge: everything waits for an event, with a deadline.
 */
#pragma once

#include <nng/nng.h>
#include <stdatomic.h>

#include "in/agents.h"
#include "test.h"
#include "wire/wire.h"

#define FIXTURE_EVENTS_MAX 4096
#define FIXTURE_TASKS_MAX 512

struct fixture {
        struct loop *loop;
        struct agents *agents;
        struct keys keys;
        char url[64];
        bool read_only;   /* shell_writable says no */
        bool silent;      /* the small core answers no hello */
        bool grants_fail; /* storage grants nothing */
        struct core_event *events;
        size_t n_events;
        struct core_effect effects[1024]; /* given at the end of the turn */
        size_t n_effects;
        struct task_row tasks[FIXTURE_TASKS_MAX];
        size_t n_tasks;
        struct workspace_row workspace; /* the only one */
        bool running;                   /* would be stopped in 90 s, once an event came */
        struct core_config core;
};

extern struct fixture fixture;

void fixture_up(void);
void fixture_down(void);
/* Only the edge: a new one at the same address, which knows nothing. */
void fixture_restart_edge(void);
/* Turns of the loop until `*done`; fails the test after 20 s. */
void fixture_until(const atomic_bool *done);
/* Until n_events is at least n. */
void fixture_until_events(size_t n);
struct core_event *fixture_last(enum core_event_type type);
size_t fixture_count(enum core_event_type type);
/* Let this effect be given in the next turn. */
void fixture_give(const struct core_effect *fx);
struct task_row *fixture_task(const char *id);
/* The task gets workspace "ws-one" with a generation; the claim's FX_COMMAND with this id is given.
 */
void fixture_claim(const char *task, uint64_t generation, uint64_t command_id);
struct agents_counters fixture_counters(void);

/* An agent: one connection with two contexts. */
struct ask {
        nng_ctx ctx;
        nng_aio *aio;
        nng_msg *reply;
        int rv;
        atomic_bool done;
        bool sending;
};

struct client {
        nng_socket sock;
        struct ask report, await;
        char task[WIRE_ID_SIZE];
        char nonce[WIRE_NONCE_SIZE];
        uint64_t seq;
};

void client_up(struct client *c, const char *task, char nonce_digit);
void client_down(struct client *c);
/* One more context of a connection. */
void ask_up(struct ask *k, nng_socket sock);
void ask_down(struct ask *k);
/* Send on a context without waiting for the answer. */
void ask_bytes(struct ask *k, const void *data, size_t len);
void ask_msg(struct ask *k, const struct wire_msg *m);
/* Wait for the answer and decode it; the result stays valid until the next wait. */
struct wire_msg *ask_answer(struct ask *k);
/* The messages of an agent, ready to be changed and sent. */
struct wire_msg *client_hello(struct client *c);
struct wire_msg *client_report(struct client *c);
struct wire_msg *client_await(struct client *c, uint64_t acted_id);
struct wire_msg *client_saved(struct client *c, uint64_t generation, uint64_t save_seq);
/* Say hello and expect a welcome. */
struct wire_msg *client_enrol(struct client *c);
