#include "sense/record.h"

#include "base/macro.h"
#include "base/str.h"

static uint32_t add_saturated(uint32_t a, uint32_t b)
{
        return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

void record_files(struct record *r, uint32_t workspace, uint32_t home, bool lossy)
{
        r->workspace_events = add_saturated(r->workspace_events, workspace);
        r->home_events = add_saturated(r->home_events, home);
        r->lossy = r->lossy || lossy;
}

void record_terminal(struct record *r, const struct pts_reads *reads)
{
        r->reads.events = add_saturated(r->reads.events, reads->events);
        r->reads.replies = add_saturated(r->reads.replies, reads->replies);
        r->reads.app_events = add_saturated(r->reads.app_events, reads->app_events);
}

void record_jobs(struct record *r, const struct jobs_verdict *verdict)
{
        r->jobs = *verdict;
}

static bool has_reads(const struct record *r)
{
        return r->reads.events > 0 || r->reads.app_events > 0;
}

static bool has_files(const struct record *r)
{
        return r->workspace_events > 0 || r->home_events > 0 || r->lossy;
}

mono_t record_due(const struct record *r)
{
        mono_t due = MONO_NEVER;

        if (has_files(r))
                due = mono_min(due, r->files_at);
        if (has_reads(r))
                due = mono_min(due, r->terminal_at);
        if (r->jobs.busy > 0)
                due = mono_min(due, r->job_at);
        return due;
}

bool record_next(struct record *r, mono_t now, struct channel_msg *ret_msg)
{
        mono_t next = mono_add_ms(now, RECORD_PERIOD_MS);

        if (has_reads(r) && mono_due(r->terminal_at, now)) {
                r->terminal_at = next;
                *ret_msg = (struct channel_msg){.type = CHANNEL_SENSE_TERMINAL};
                ret_msg->u.terminal.events = r->reads.events;
                ret_msg->u.terminal.replies = r->reads.replies;
                ret_msg->u.terminal.app_events = r->reads.app_events;
                return true;
        }
        if (r->jobs.busy > 0 && mono_due(r->job_at, now)) {
                r->job_at = next;
                *ret_msg = (struct channel_msg){.type = CHANNEL_SENSE_JOB};
                ret_msg->u.job.jobs = r->jobs.busy;
                STR_CUT(ret_msg->u.job.name, r->jobs.name);
                return true;
        }
        if (has_files(r) && mono_due(r->files_at, now)) {
                r->files_at = next;
                *ret_msg = (struct channel_msg){.type = CHANNEL_SENSE_FILES};
                ret_msg->u.files.workspace_events = r->workspace_events;
                ret_msg->u.files.home_events = r->home_events;
                ret_msg->u.files.lossy = r->lossy;
                return true;
        }
        return false;
}

void record_sent(struct record *r, const struct channel_msg *msg)
{
        if (msg->type == CHANNEL_SENSE_TERMINAL) {
                r->reads = (struct pts_reads){0};
                return;
        }
        if (msg->type == CHANNEL_SENSE_JOB) {
                r->jobs = (struct jobs_verdict){0};
                return;
        }
        r->workspace_events = r->home_events = 0;
        r->lossy = false;
}
