/*
 * Fixed-size records between link and gate, and link and sense. SOCK_SEQPACKET, one record a
 * datagram, sent with MSG_DONTWAIT: a full socket drops evidence (it is counted and comes again),
 * never blocks. Same build on both sides, so the layout is the C struct.
 */
#pragma once

#include <stdint.h>

enum channel_type {
        /* link -> gate */
        CHANNEL_GATE_CONFIG = 1, /* u.config: serve this workspace; again after each GATE_HELLO */
        CHANNEL_GATE_PROBE,      /* u.probe: ask the app until it answers -> GATE_APP_UP */
        CHANNEL_GATE_APP_DOWN,   /* the app is being stopped: keep relaying what is open, answer new
                                    requests with the status page */
        CHANNEL_GATE_NOTICE,     /* u.notice: when the workspace would be stopped, for its page */
        CHANNEL_GATE_TELL,       /* u.tell: what the student shall read, until it is replaced */
        /* gate -> link */
        CHANNEL_GATE_HELLO = 32, /* u.hello: a gate has started and wants its config */
        CHANNEL_GATE_APP_UP,     /* u.app_up */
        CHANNEL_GATE_TRAFFIC,  /* u.traffic: when it changes, at most once a second, and every 10 s;
                                  bytes alone are no change */
        CHANNEL_GATE_EVIDENCE, /* u.evidence: with traffic; what a machine does is no change; at
                                  once when "keep" was pressed */
        /* link -> sense */
        CHANNEL_SENSE_BEGIN = 64, /* u.begin: watch these folders and terminals */
        CHANNEL_SENSE_STOP,       /* forget all watches */
        /* sense -> link */
        CHANNEL_SENSE_HELLO = 96, /* a sense has started and wants SENSE_BEGIN */
        CHANNEL_SENSE_FILES,      /* u.files: something in the saved folders changed; at most 1/s */
        CHANNEL_SENSE_TERMINAL,   /* u.terminal: a terminal was read from; at most 1/s */
        CHANNEL_SENSE_JOB,        /* u.job: a job was busy; at most every 10 s */
};

#define CHANNEL_PATH_MAX 256
#define CHANNEL_NOTES_MAX 24
#define CHANNEL_NOTICES_MAX 2

/*
 * Evidence of one source and kind (presence.h), counted since the gate started: what is lost on the
 * way comes again with the next record, and nothing counts twice.
 */
struct channel_note {
        uint8_t source; /* enum presence_source */
        uint8_t kind;   /* enum presence_kind */
        uint16_t reserved;
        uint32_t events;
        int64_t age_ms; /* of the last, when the record was sent */
};

struct channel_msg {
        uint32_t type;
        uint32_t reserved;
        union {
                struct {
                        uint64_t generation;
                        char workspace[32];
                        char key[65];   /* X-Workspace-Key that requests must carry; "" none */
                        char host[96];  /* public host[:port] of the workspace, for the Origin check
                                         */
                        char phase[24]; /* wire/agent_phase.def, for /_workspace/status */
                        char message[160]; /* for the page that waits: progress, or "" */
                        /* Keys: while the controller changes its own, there are two of each. */
                        char key_old[65];    /* X-Workspace-Key that is good, too; "" none */
                        char access[65];     /* of tickets and cookies; "" nobody is let in */
                        char access_old[65]; /* of those that are good, too; "" none */
                        char cookie[64];     /* "; SameSite=Lax; Secure" and the like */
                        char platform[192];  /* where a student gets a new link; "" not known */
                        uint32_t cookie_s;   /* how long a cookie is good */
                        int32_t clock_off_s; /* the controller's clock is so far ahead of ours */
                } config;
                struct {
                        uint32_t id;    /* repeated in app_up */
                        uint32_t prime; /* 1: also fetch `prime_path` once */
                        char health_path[CHANNEL_PATH_MAX];
                        char prime_path[CHANNEL_PATH_MAX];
                } probe;
                struct {
                        uint32_t port; /* of the listening socket, host order */
                } hello;
                struct {
                        uint32_t id;
                        uint32_t waited_ms;
                } app_up;
                struct {
                        uint32_t connections; /* relayed to the app now: requests, tunnels */
                        uint32_t websockets;  /* of them upgraded */
                        uint64_t requests;    /* since the gate started */
                        uint64_t bytes_in, bytes_out;
                        uint64_t refused;    /* heads answered with 400, 403, 431 */
                        int64_t open_age_ms; /* since one was last relayed; 0 now, -1 never */
                } traffic;
                struct {
                        uint32_t n_notes;
                        uint32_t websockets, undecoded, active; /* open now; decode/observer.h */
                        uint32_t tracked, jobs;
                        uint64_t unknown; /* messages whose name no rule has */
                        struct channel_note notes[CHANNEL_NOTES_MAX];
                } evidence;
                struct {
                        int64_t stop_in_ms; /* without new evidence; -1 not known or never */
                        char rule[32];      /* which limit it is: "idle", "disconnected", ... */
                } notice;
                struct {
                        char text[CHANNEL_NOTICES_MAX][160]; /* for the editor; "" none */
                } tell;
                struct {
                        char workspace[CHANNEL_PATH_MAX]; /* evidence and save hints */
                        char home[CHANNEL_PATH_MAX];      /* save hints only */
                } begin;
                struct {
                        uint32_t workspace_events; /* in the workspace folder since the last record
                                                    */
                        uint32_t home_events;
                        uint32_t lossy; /* 1: overflow or out of watches: assume anything changed */
                } files;
                struct {
                        uint32_t events;     /* reads of terminals outside the page */
                        uint32_t replies;    /* of them, those that follow output at once: a
                                                terminal answering a program */
                        uint32_t app_events; /* reads of the app's own terminals */
                } terminal;
                struct {
                        char name[16]; /* of the busiest */
                        uint32_t jobs; /* how many were busy */
                } job;
        } u;
};
