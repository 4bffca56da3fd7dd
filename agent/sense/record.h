/*
 * Coalesces what was sensed into at most one record per kind and second (of jobs one a sample, so
 * one in JOBS_PERIOD_MS). Pure but for the clock that it is handed; counters saturate, so a storm
 * costs nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"
#include "channel.h"
#include "sense/jobs.h"
#include "sense/pts.h"

#define RECORD_PERIOD_MS 1000

struct record {
        uint32_t workspace_events, home_events;
        bool lossy;
        struct pts_reads reads;
        struct jobs_verdict jobs;
        mono_t files_at, terminal_at, job_at; /* earliest time of the next record; 0 at once */
};

void record_files(struct record *r, uint32_t workspace, uint32_t home, bool lossy);
void record_terminal(struct record *r, const struct pts_reads *reads);
/* The newest verdict replaces one that was not sent: old news would be dated wrongly. */
void record_jobs(struct record *r, const struct jobs_verdict *verdict);
/* When the next record is due; NEVER when there is nothing to tell. */
mono_t record_due(const struct record *r);
/*
 * The next record that is due, or false. The counters stay until record_sent() says that this very
 * record left; otherwise it is tried again a period later, with what came meanwhile.
 */
bool record_next(struct record *r, mono_t now, struct channel_msg *ret_msg);
void record_sent(struct record *r, const struct channel_msg *msg);
