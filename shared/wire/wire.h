/*
 * The messages between agent and controller: structs and bytes, nothing else. Pure: no sockets, no
 * clock, no log; usable from any thread. PROTOCOL.md says when each message is sent and what each
 * side does about it; messages.def lists them with every field, its limits and its meaning, and
 * both the encoder and the decoder work from that list.
 *
 * On the wire a message is one JSON object of at most WIRE_MESSAGE_MAX bytes with a "type". The
 * decoder takes hostile input: it bounds length and depth before it parses, ignores unknown fields,
 * and refuses wrong types, numbers out of range, text too long, duplicate fields and text that is
 * not UTF-8, with a reason that names the field. Text that is only shown to people is cut instead.
 *
 * struct wire_msg is large (WIRE_RESTORE_SIZE + WIRE_SAVES_MAX * WIRE_SAVE_SIZE, about 64 KiB):
 * keep one on the heap or static. It owns no memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macro.h"

/* The versions spoken here; a peer offers a range and the highest common one is used. */
#define WIRE_V_MIN 1
#define WIRE_V_MAX 1

#define WIRE_FRAME_MAX 65536   /* NNG_OPT_RECVMAXSZ on both sides; counts nng's own header too */
#define WIRE_MESSAGE_MAX 65472 /* bytes of JSON */
#define WIRE_DEPTH_MAX 8       /* nested objects and arrays */
/* Numbers travel as JSON numbers, which many readers hold in a double: 2^53 - 1 at most. */
#define WIRE_NUMBER_MAX INT64_C(9007199254740991)

/* Sizes of texts, with NUL. */
#define WIRE_ID_SIZE 32
#define WIRE_NONCE_SIZE 33      /* 16 bytes in hex */
#define WIRE_HEX_SIZE 65        /* 32 bytes in hex: secret, gate key, SHA-256 */
#define WIRE_ADDR_SIZE 64       /* "127.0.0.1:41234", "0.0.0.0:8080", "[fd00::2]:8080" */
#define WIRE_HOST_SIZE 96       /* "ws-….localhost:8080" */
#define WIRE_COOKIE_SIZE 64     /* "; SameSite=Lax; Secure" */
#define WIRE_PLATFORM_SIZE 192  /* an https address */
#define WIRE_URL_SIZE 128       /* of a controller: "tcp://10.0.1.7:7700" */
#define WIRE_TEXT_SIZE 160      /* a sentence for people */
#define WIRE_CODE_SIZE 32       /* "not-enrolled" */
#define WIRE_AGENT_SIZE 65      /* the agent's build, for logs */
#define WIRE_SOURCE_SIZE 24     /* "terminal" */
#define WIRE_SIGNALS_MAX 16     /* sources of evidence that are told of */
#define WIRE_RESTORE_SIZE 16385 /* a restore request, JSON text, opaque here */
#define WIRE_SAVE_SIZE 6145     /* a save request, JSON text, opaque here */
#define WIRE_SAVES_MAX 8

enum wire_type {
#define MESSAGE(id, member, sender, doc) WIRE_##id,
#define OBJECT(id, member, doc)
#define FIELD(id, member, field, kind, low, high, need, doc)
#include "wire/messages.def"
#undef MESSAGE
#undef OBJECT
#undef FIELD
        WIRE_TYPE_MAX
};

/* Same order as the controller's enum agent_phase and enum command_verb (same lists). */
enum wire_phase {
#define AGENT_PHASE(id, name, doc) WIRE_PHASE_##id,
#include "wire/agent_phase.def"
#undef AGENT_PHASE
        WIRE_PHASE_MAX
};

enum wire_verb {
#define COMMAND_VERB(id, name, doc) WIRE_VERB_##id,
#include "wire/command_verb.def"
#undef COMMAND_VERB
        WIRE_VERB_MAX
};

enum wire_commit {
        WIRE_COMMIT_PENDING,   /* not decided yet: send the same `saved` again */
        WIRE_COMMIT_COMMITTED, /* the save exists */
        WIRE_COMMIT_REFUSED,   /* it does not and never will: see reason; make another one */
        WIRE_COMMIT_MAX
};

/* Names on the wire; never NULL for a valid value. */
const char *wire_type_name(enum wire_type t);
const char *wire_phase_name(enum wire_phase p);
const char *wire_verb_name(enum wire_verb v);
const char *wire_commit_name(enum wire_commit c);
/* The highest version in both ranges, or 0 when there is none. */
uint32_t wire_version_pick(uint32_t v_min, uint32_t v_max);

/* ---- parts ---- */

/* One upload that the agent may make, once. `request` is what the save worker is given. */
struct wire_save {
        uint64_t seq;
        char request[WIRE_SAVE_SIZE];
};

struct wire_signal {
        char source[WIRE_SOURCE_SIZE];
        int64_t age_ms; /* since the last evidence; -1 never */
        int64_t count;
        char kind[WIRE_SOURCE_SIZE]; /* "person", "weak", "hint", "machine", "job"; "" not told */
};

/* What makes a warm task a workspace. Absent in a message when workspace is "". */
struct wire_claim {
        char workspace[WIRE_ID_SIZE];
        uint64_t generation;
        char host[WIRE_HOST_SIZE];        /* public host, for the gate's Origin check */
        char gate_key[WIRE_HEX_SIZE];     /* X-Workspace-Key that the gate must ask for */
        char gate_key_old[WIRE_HEX_SIZE]; /* ... or this one; "" none */
        char access_key[WIRE_HEX_SIZE];   /* of tickets and cookies (crypto/access.h); "" nobody */
        char access_key_old[WIRE_HEX_SIZE]; /* those made with this one are good, too; "" none */
        char cookie[WIRE_COOKIE_SIZE];      /* what else the gate says in Set-Cookie */
        int64_t cookie_ms;                  /* how long a cookie is good */
        char platform[WIRE_PLATFORM_SIZE];  /* where a student gets a new link; "" not told */
        int64_t idle_ms;                    /* without a person before it is stopped; 0 unknown */
        char restore[WIRE_RESTORE_SIZE];    /* "" : nothing to restore */
        bool home; /* files stay in this home: the last save is a sync, the others are backups */
        int64_t backup_ms;    /* with home: between backups; 0 none */
        int64_t backup_in_ms; /* ... until the next is due */
        uint32_t n_saves;
        struct wire_save saves[WIRE_SAVES_MAX];
};

/* ---- agent -> controller ---- */

struct wire_hello {
        uint32_t v_min, v_max;
        char task[WIRE_ID_SIZE];
        char nonce[WIRE_NONCE_SIZE]; /* of this instance; the same after a restart of link */
        uint64_t seq;                /* of the message; grows within an instance */
        char secret[WIRE_HEX_SIZE];
        char addr[WIRE_ADDR_SIZE]; /* of the gate; 0.0.0.0 or [::]: the address I call from */
        uint64_t generation;       /* that I believe to have; 0 none */
        enum wire_phase phase;
        uint64_t grant_seq; /* as in a report; 0 when link was restarted and does not know */
        char agent[WIRE_AGENT_SIZE];
};

struct wire_report {
        char task[WIRE_ID_SIZE];
        char nonce[WIRE_NONCE_SIZE];
        uint64_t seq;
        uint64_t generation;
        uint64_t acted_id; /* highest command id taken on or declined */
        enum wire_phase phase;
        bool declined;          /* the last prepare-stop was declined: a person is there */
        int64_t person_age_ms;  /* since the last evidence of a person; -1 never */
        int64_t unsaved_age_ms; /* 0 nothing unsaved; -1 unknown */
        uint64_t saved_seq;     /* highest save of this generation known to be committed */
        uint64_t grant_seq;     /* highest save request ever received in this generation */
        uint32_t grants_left;   /* unused ones held; the answer tops up when it is below 4 */
        uint32_t n_signals;
        struct wire_signal signals[WIRE_SIGNALS_MAX];
        int64_t busy_ms;                  /* jobs want the workspace for so long yet; 0 no job */
        char job[WIRE_CODE_SIZE];         /* of the busiest, when busy_ms > 0 */
        char person_by[WIRE_SOURCE_SIZE]; /* where person_age_ms is from; "" not told */
        bool never_connected;             /* no browser since the claim */
        int64_t disconnected_ms; /* since the last one's connection closed; 0 connected or never */
        char confidence[WIRE_SOURCE_SIZE]; /* "none", "low", "high"; "" not told */
        uint64_t unknown; /* messages of the page whose name no presence rule has */
        uint64_t restore_done, restore_total; /* bytes, while a restore is under way; total 0: no */
        uint64_t restored_generation, restored_seq; /* of the save that was; 0 none or not told */
        bool fell_back;                    /* it is not the newest, which could not be verified */
        char restored_why[WIRE_TEXT_SIZE]; /* then: why */
        char error[WIRE_TEXT_SIZE];
};

struct wire_await {
        char task[WIRE_ID_SIZE];
        char nonce[WIRE_NONCE_SIZE];
        uint64_t seq;
        uint64_t acted_id; /* only a command with a higher id is given */
        int64_t wait_ms;   /* for how long it may be held; 0: 25 s */
};

struct wire_saved {
        char task[WIRE_ID_SIZE];
        char nonce[WIRE_NONCE_SIZE];
        uint64_t seq;
        uint64_t generation;
        uint64_t save_seq;
        bool final;     /* taken when no process of the student was left */
        bool unchanged; /* nothing new since the head: nothing was uploaded */
        uint64_t length;
        uint64_t data_length;
        char sha256[WIRE_HEX_SIZE]; /* of the manifest object; "" only when unchanged */
        uint64_t grant_seq;
        uint32_t grants_left;
};

/* ---- controller -> agent; `re` repeats the seq of the message answered ---- */

struct wire_welcome {
        uint64_t re;
        uint32_t v;
        int64_t heartbeat_ms;
        struct wire_claim claim;
        uint64_t epoch;       /* of the controller's lead; 0 not told */
        int64_t reconnect_ms; /* when the connection is lost: come back within so long */
        int64_t utc_ms;       /* the controller's clock; 0 not told */
};

struct wire_refused {
        uint64_t re;
        char code[WIRE_CODE_SIZE];
        char reason[WIRE_TEXT_SIZE];
        uint32_t v_min, v_max;      /* spoken here; with code "version", else 0 */
        int64_t retry_ms;           /* wait at least so long; 0: the agent's own back-off */
        char leader[WIRE_URL_SIZE]; /* with code "not-leader": who leads, or "" */
};

struct wire_ok {
        uint64_t re;
        int64_t heartbeat_ms;
        bool stop_known;    /* the two that follow are set */
        int64_t stop_in_ms; /* without new evidence the workspace is stopped then; 0 is due now */
        char stop_rule[WIRE_CODE_SIZE]; /* by which limit */
        char notice[WIRE_TEXT_SIZE];    /* for the agent's log, or "" */
        uint32_t n_saves;
        struct wire_save saves[WIRE_SAVES_MAX];
        int64_t reconnect_ms; /* as in welcome */
        int64_t utc_ms;       /* as in welcome */
};

struct wire_command {
        uint64_t re;
        uint64_t id;
        uint64_t generation;
        enum wire_verb verb;
        char reason[WIRE_TEXT_SIZE];
        bool recheck;    /* prepare-stop: decline when a person was there less than idle_ms ago */
        int64_t idle_ms; /* prepare-stop with recheck */
        struct wire_claim claim;
        uint64_t epoch; /* as in welcome */
};

struct wire_none {
        uint64_t re;
};

struct wire_saved_ack {
        uint64_t re;
        uint64_t generation;
        uint64_t save_seq;
        enum wire_commit commit;
        char reason[WIRE_TEXT_SIZE];
        uint32_t n_saves;
        struct wire_save saves[WIRE_SAVES_MAX];
};

struct wire_msg {
        enum wire_type type;
        union {
                struct wire_hello hello;
                struct wire_report report;
                struct wire_await await;
                struct wire_saved saved;
                struct wire_welcome welcome;
                struct wire_refused refused;
                struct wire_ok ok;
                struct wire_command command;
                struct wire_none none;
                struct wire_saved_ack saved_ack;
        };
};

/*
 * Append the bytes of a message to `out`: wire_encode_hello(&hello, &buf) and so on.
 * 0; -EMSGSIZE when it is longer than WIRE_MESSAGE_MAX; -EINVAL when a field is outside its limits;
 * -ENOBUFS, -ENOMEM from the buffer. On failure `out` holds what it held before. Bytes in texts
 * that are not UTF-8 go out as '?', so a text that was cut in the middle of a letter does no harm.
 */
#define MESSAGE(id, member, sender, doc)                                                           \
        NODISCARD int wire_encode_##member(const struct wire_##member *m, struct buf *out);
#define OBJECT(id, member, doc)
#define FIELD(id, member, field, kind, low, high, need, doc)
#include "wire/messages.def"
#undef MESSAGE
#undef OBJECT
#undef FIELD

/* The same for whatever `msg` is. */
NODISCARD int wire_encode(const struct wire_msg *msg, struct buf *out);

#define WIRE_REASON_SIZE 160

/*
 * Decode one message. 0, or 1 when it is refused: `ret_reason` then says why in words, with the
 * field's name, in printable ASCII. -ENOMEM. On failure `ret_msg` is untouched.
 */
NODISCARD int wire_decode(const void *data, size_t len, struct wire_msg *ret_msg,
                          char ret_reason[static WIRE_REASON_SIZE]);
