/*
 * Between the files of the state machine: state.c (session and dispatch), life.c (phases, orders,
 * commands), restore.c (bringing the files), backup.c (when to save, and what came of it),
 * evidence.c (what was seen of a person). Nobody else includes this.
 */
#pragma once

#include "link/state.h"

/* ---- state.c ---- */
struct state_action *state_act(struct state_actions *fx, enum state_action_type type);
/* An order to init; returns the action, so that a blob can be hung on it. */
struct state_action *state_order(struct state *s, struct state_actions *fx, uint32_t type,
                                 uint32_t flags);
void state_trouble(struct state *s, enum state_trouble trouble, const char *what,
                   const char *detail);
void state_fine(struct state *s, enum state_trouble trouble);
/* What the student shall read, once; "" takes it back. */
void state_notice(struct state *s, enum state_notice which, const char *text);
/* Waiting time before attempt number `failures` + 1, with jitter. */
int64_t state_backoff_ms(struct state *s, unsigned failures);

/* ---- life.c ---- */
void life_enter(struct state *s, enum wire_phase phase, struct state_actions *fx);
/* Both init's and the controller's view are known for the first time. */
void life_sync(struct state *s, struct state_actions *fx);
void life_claim(struct state *s, const struct wire_claim *claim);
/* What the controller says now of its keys, of a claim that is held: tell the gate. */
void life_keys(struct state *s, const struct wire_claim *claim, struct state_actions *fx);
/* A warm task that has a claim becomes that workspace. */
void life_begin(struct state *s, struct state_actions *fx);
void life_command(struct state *s, const struct wire_command *cmd, struct state_actions *fx);
void life_control(struct state *s, const struct control_msg *msg, const void *blob,
                  struct state_actions *fx);
void life_channel(struct state *s, const struct channel_msg *msg, struct state_actions *fx);
/* No save runs any more. */
void life_saved(struct state *s, struct state_actions *fx);
/* The gate, what its page shows. */
void life_tell(struct state *s, struct state_actions *fx);
void life_tell_notices(struct state *s, struct state_actions *fx);
/* The essentials are there: the app can start, and from here on there is something to save. */
void life_files_in_place(struct state *s, struct state_actions *fx);
void life_deadline(struct state *s, struct state_actions *fx);

/* ---- restore.c ---- */
/* The request that the controller gave. */
void restore_request(struct state *s, const char *request);
void restore_begin(struct state *s, struct state_actions *fx);
/* The app was ordered to start; it is up. */
void restore_rest_begin(struct state *s);
void restore_rest_ready(struct state *s);
void restore_done(struct state *s, const struct control_msg *msg, const void *blob,
                  struct state_actions *fx);
void restore_refused(struct state *s, const struct control_msg *msg, struct state_actions *fx);
void restore_progress(struct state *s, const struct control_msg *msg, const void *blob,
                      struct state_actions *fx);
/* For people, how far it is; "" when there is nothing to say. */
void restore_describe(const struct state *s, char *dst, size_t size);
void restore_deadline(struct state *s, struct state_actions *fx);
mono_t restore_due(const struct state *s);

/* ---- evidence.c ---- */
/* From gate or sense; what is not evidence is ignored. */
void evidence_channel(struct state *s, const struct channel_msg *msg);
/* A new gate: it counts from 0, nothing is open, and it wants the notice. */
void evidence_gate_hello(struct state *s, struct state_actions *fx);
/* A report was built. */
void evidence_reported(struct state *s);
/* It was answered. */
void evidence_ok(struct state *s, const struct wire_ok *ok, struct state_actions *fx);
/* No stop is to be expected: the controller is away, or the clock was started anew. */
void evidence_no_stop(struct state *s, struct state_actions *fx);
/* Whether a prepare-stop with recheck is declined, given the limit that it was decided by. */
bool evidence_declines(const struct state *s, int64_t idle_ms);

/* ---- backup.c ---- */
void backup_grant(struct state *s, const struct wire_save *saves, size_t n,
                  struct state_actions *fx);
/* In mode `home` the claim says when the next backup is due. */
void backup_claim(struct state *s);
/* Keep init's held request up to date. */
void backup_hold(struct state *s, struct state_actions *fx);
void backup_change(struct state *s);
/* Something may have changed that nobody saw. */
void backup_missed(struct state *s);
/* A last save is wanted by a new order; and made, where it can be made now. */
void backup_new_final(struct state *s);
void backup_begin_final(struct state *s, struct state_actions *fx);
/* Nothing of the student was ever changed here: tell that as the last save. */
void backup_nothing(struct state *s, struct state_actions *fx);
void backup_done(struct state *s, const struct control_msg *msg, const void *blob,
                 struct state_actions *fx);
void backup_refused(struct state *s, struct state_actions *fx);
void backup_ack(struct state *s, const struct wire_saved_ack *ack, struct state_actions *fx);
bool backup_running(struct state *s);
/* The stop was called off: what is under way is no last save any more. */
void backup_unfinal(struct state *s);
void backup_deadline(struct state *s, struct state_actions *fx);
mono_t backup_due(const struct state *s);
