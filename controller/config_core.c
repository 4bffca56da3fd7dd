/* What the core needs of the configuration. */
#include <string.h>

#include "base/str.h"
#include "config.h"
#include "timetable/hours.h"

#define AGENT_LOST_MS_MIN 30000
#define AGENT_LOST_HEARTBEATS 6

static bool is(const struct config *c, uint32_t type, enum config_type_option o, const char *text)
{
        return strcmp(config_type_text(c, type, o), text) == 0;
}

static void core_sizing(const struct config *c, uint32_t i, struct core_sizing *ret_sizing)
{
        struct schedule *s = &ret_sizing->schedule;

        *ret_sizing = (struct core_sizing){
                .forecast = is(c, i, CONFIG_TYPE_POOL_POLICY, "forecast"),
                .floor = (uint32_t)config_type_num(c, i, CONFIG_TYPE_POOL_MIN),
                .floor_quiet = (uint32_t)config_type_num(c, i, CONFIG_TYPE_POOL_MIN_QUIET),
                .ceiling = (uint32_t)config_type_num(c, i, CONFIG_TYPE_POOL_MAX),
                .hit_rate = (double)config_type_num(c, i, CONFIG_TYPE_POOL_HIT_RATE) / 1e6,
                .task_hour = config_type_num(c, i, CONFIG_TYPE_TASK_PRICE),
                .day_max = config_type_num(c, i, CONFIG_TYPE_BUDGET_DAY),
                .month_max = config_type_num(c, i, CONFIG_TYPE_BUDGET_MONTH),
        };
        schedule_init(s);
        /* They were checked when they were read. */
        (void)hours_parse_peak(config_type_text(c, i, CONFIG_TYPE_PEAK_HOURS), s);
        (void)hours_parse_weekdays(config_type_text(c, i, CONFIG_TYPE_PEAK_DAYS), s);
        (void)hours_parse_holidays(config_type_text(c, i, CONFIG_TYPE_HOLIDAYS), s);
        (void)hours_parse_zone(config_type_text(c, i, CONFIG_TYPE_TIME_ZONE), &s->zone);
}

static struct core_adaptive core_adaptive(const struct config *c, uint32_t i)
{
        return (struct core_adaptive){
                .on = is(c, i, CONFIG_TYPE_IDLE_POLICY, "adaptive"),
                .idle_ms_min = config_type_num(c, i, CONFIG_TYPE_IDLE_MIN),
                .idle_ms_max = config_type_num(c, i, CONFIG_TYPE_IDLE_MAX),
                .value_of_time = config_type_num(c, i, CONFIG_TYPE_VALUE_OF_TIME),
        };
}

static struct idle_limits core_limits(const struct config *c, uint32_t i)
{
        /* An agent that is asked to look again and told no limit takes this one: the longest. */
        bool adaptive = is(c, i, CONFIG_TYPE_IDLE_POLICY, "adaptive");

        return (struct idle_limits){
                .idle_ms =
                        config_type_num(c, i, adaptive ? CONFIG_TYPE_IDLE_MAX : CONFIG_TYPE_IDLE),
                .never_connected_ms = config_type_num(c, i, CONFIG_TYPE_NEVER_CONNECTED),
                .disconnected_ms = config_type_num(c, i, CONFIG_TYPE_DISCONNECTED),
                .job_ms = config_type_num(c, i, CONFIG_TYPE_JOB),
                .lifetime_ms = config_type_num(c, i, CONFIG_TYPE_LIFETIME),
        };
}

void config_core(const struct config *c, struct core_config *ret_core)
{
        struct core_config core = {
                .workspaces_max = (uint32_t)config_num(c, CONFIG_WORKSPACES_MAX),
                .tasks_max = (uint32_t)config_num(c, CONFIG_TASKS_MAX),
                .n_types = c->n_types,
                .quiet_ms = config_num(c, CONFIG_QUIET),
                .heartbeat_ms = config_num(c, CONFIG_HEARTBEAT),
                .retry_save_ms = config_num(c, CONFIG_SAVE_RETRY),
                .erase_delay_ms = config_num(c, CONFIG_ERASE_DELAY),
                .stops_per_min = (uint32_t)config_num(c, CONFIG_STOPS_PER_MINUTE),
                .stops_share = (double)config_num(c, CONFIG_STOPS_SHARE) / 1e6,
                .launch_rate = (double)config_num(c, CONFIG_LAUNCH_RATE),
                .launch_burst = (double)config_num(c, CONFIG_LAUNCH_BURST),
                .save_parallel = (uint32_t)config_num(c, CONFIG_SAVE_PARALLEL),
                .stop_rate = (double)config_num(c, CONFIG_STOP_RATE),
                .stop_burst = (double)config_num(c, CONFIG_STOP_BURST),
                .user_running_max = (uint32_t)config_num(c, CONFIG_USER_RUNNING_MAX),
        };

        core.agent_lost_ms = MAX(AGENT_LOST_MS_MIN, AGENT_LOST_HEARTBEATS * core.heartbeat_ms);
        for (uint32_t i = 0; i < c->n_types; i++) {
                struct core_type *t = &core.types[i];

                STR_CUT(t->name, c->types[i].name);
                t->pool_size = (uint32_t)config_type_num(c, i, CONFIG_TYPE_POOL);
                core_sizing(c, i, &t->sizing);
                STR_CUT(t->version, config_type_text(c, i, CONFIG_TYPE_VERSION));
                t->refill_per_min = (double)config_type_num(c, i, CONFIG_TYPE_POOL_REFILL_RATE);
                t->warm_age_ms = config_type_num(c, i, CONFIG_TYPE_WARM_AGE_MAX);
                t->queue_max = (uint32_t)config_type_num(c, i, CONFIG_TYPE_QUEUE_MAX);
                t->limits = core_limits(c, i);
                t->adaptive = core_adaptive(c, i);
                t->launch_timeout_ms = config_type_num(c, i, CONFIG_TYPE_LAUNCH_TIMEOUT);
                t->claim_timeout_ms = config_type_num(c, i, CONFIG_TYPE_CLAIM_TIMEOUT);
                t->stop_timeout_ms = config_type_num(c, i, CONFIG_TYPE_STOP_TIMEOUT);
                t->unsaved_alarm_ms = config_type_num(c, i, CONFIG_TYPE_UNSAVED_ALARM);
                t->home = strcmp(config_type_text(c, i, CONFIG_TYPE_STORAGE_MODE), "home") == 0;
                t->backup_ms = config_type_num(c, i, CONFIG_TYPE_HOME_BACKUP);
        }
        *ret_core = core;
}
