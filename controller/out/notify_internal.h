/*
 * What notify.c (queue and delivery), notify_events.c (what happened), notify_alarm.c (conditions)
 * and notify_plan.c (planned maintenance) share.
 */
#pragma once

#include "metrics/slots.h"
#include "out/notify.h"
#include "out/notify_send.h"
#include "out/notify_sns.h"

enum notify_channel { CHANNEL_WEBHOOK, CHANNEL_MAIL, CHANNEL_PAGER, CHANNEL_SNS, CHANNEL_MAX };

/* One notice on its way through one channel. */
struct notify_item {
        bool used, in_flight;
        enum notify_channel channel;
        uint32_t attempts;
        mono_t due;
        struct notice notice;
};

#define ALARM_SAMPLES 20
#define ALARM_SAMPLE_MS 30000

struct alarm {
        bool bad, raised;
        mono_t turned; /* when `bad` last changed */
        struct notice notice;
};

/* By type, then: error rate, store, storage. */
enum { ALARM_ERRORS = 2 * CORE_TYPES_MAX, ALARM_STORE, ALARM_STORAGE, ALARM_MAX };

struct alarm_sample {
        double launches[CORE_TYPES_MAX], failures[CORE_TYPES_MAX];
        double requests, errors;
        double storage, saves;
};

#define MAINTENANCES_MAX 32

struct maintenance {
        char id[64];
        utc_t start, end;
        char text[CORE_REASON_SIZE];
};

struct notify {
        struct loop *loop;
        struct shell *shell;
        struct notify_config config;
        struct notify_send *send;
        struct notify_sns *sns; /* or NULL */
        bool leads, led;
        uint64_t seen;   /* the newest line of history that was looked at */
        uint64_t cursor; /* as in the file */
        struct loop_timer pump, tick;
        struct slots *warned;    /* workspaces whose students were warned; note: of when */
        struct slots *announced; /* maintenance and workspace */
        struct alarm alarms[ALARM_MAX];
        struct alarm_sample samples[ALARM_SAMPLES];
        uint32_t sample_at;
        mono_t sampled;
        struct maintenance maintenances[MAINTENANCES_MAX];
        size_t n_maintenances;
        struct timespec plan_changed;
        int64_t plan_size;
        struct notify_item items[NOTIFY_QUEUE_MAX];
};

/* Into the queue of each channel that wants it. */
void notify_put(struct notify *n, const struct notice *notice);
/* kind, at, workspace, key and task are filled in, id as "SOURCE:KIND:tail". */
void notify_begin(const struct notify *n, enum notice_kind kind, const char *workspace,
                  struct notice *ret_notice);
void notify_name(const struct notify *n, struct notice *notice, const char *tail);

void notify_events_start(struct notify *n);
void notify_events_replay(struct notify *n);
void notify_events_tick(struct notify *n);
void notify_alarm_tick(struct notify *n);
void notify_alarm_forget(struct notify *n);
/* Those that an earlier leader has announced, and whose end has not come yet. */
void notify_alarm_resume(struct notify *n);
void notify_plan_tick(struct notify *n);
