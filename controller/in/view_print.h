/*
 * Trees of cJSON as the text of an answer, and the pieces that several answers have. For the files
 * that build such trees (view*.c).
 */
#pragma once

#include "base/buf.h"
#include "in/view.h"
#include "wire/json.h"

/* Append `json`, unformatted. 0; -ENOMEM, also for NULL: memory ran out when it was to be made. */
NODISCARD int view_print(const cJSON *json, struct buf *out);

/* Seconds with millisecond resolution; null below 0. */
void view_add_seconds(cJSON *obj, const char *key, int64_t ms);
/* ISO 8601 in UTC; null for 0. */
void view_add_time(cJSON *obj, const char *key, utc_t at);

/* A workspace, a row of the history: owned by the caller, NULL without memory. */
cJSON *view_workspace_tree(const struct view *v, const struct workspace_row *w);
cJSON *view_event_tree(const struct audit_row *row);

/* How many by state; "stops", "pools", "modes"; role, epoch and leader. */
void view_add_counts(const struct view *v, cJSON *o);
void view_add_stops(const struct view *v, cJSON *obj);
void view_add_pools(const struct view *v, cJSON *o);
void view_add_modes(const struct view *v, cJSON *o);
void view_add_lead(const struct shell_lead *lead, cJSON *o);

/* When it came into its state. */
utc_t view_since(const struct view *v, const struct workspace_row *w);
/* An age that was `ms` when the agent was heard, now; -1 stays -1. */
int64_t view_age_now(const struct view *v, const struct task_live *live, int64_t ms);
int64_t view_unsaved_now(const struct view *v, const struct task_live *live);
