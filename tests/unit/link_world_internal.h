/* Between the files of the world around link. */
#pragma once

#include "link_world.h"

/* ---- link_world.c ---- */
void world_note(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
void world_forget_pending(struct world *w, enum world_thing what);
void world_give(struct world *w, const struct state_event *ev);
void world_answer(struct world *w, enum state_line line, const struct wire_msg *m);
void world_tell(struct world *w, uint32_t type, int32_t status, uint32_t flags, uint32_t count,
                const char *blob);
/* Everything at its beginning, and a new link. */
void world_prepare(struct world *w);
void world_boot_link(struct world *w);

/* ---- link_world_init.c ---- */
void world_take_order(struct world *w, const struct state_action *a);
void world_end_restore(struct world *w);
/* run < 0: it was killed. */
void world_end_rest(struct world *w, int64_t run);
/* With the app: what it has brought so far stays. */
void world_kill_rest(struct world *w);
void world_tell_progress(struct world *w, int64_t done);
void world_end_save(struct world *w, uint32_t flags);
void world_save_held(struct world *w);
void world_end_stop(struct world *w);

/* ---- link_world_hosts.c ---- */
/* A follower's answer to w->msg. */
void world_refuse(struct world *w, enum state_line line);
void world_dial(struct world *w, const char *url);
void world_hang_up(struct world *w);
/* What comes of the two. */
void world_dialled(struct world *w, int host);
void world_hung_up(struct world *w);
