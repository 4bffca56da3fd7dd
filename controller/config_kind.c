#include "config_kind.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "config.h"
#include "timetable/hours.h"

int config_kind_split_addr(const char *text, char *host, size_t size, uint64_t *ret_port)
{
        const char *colon = strrchr(text, ':');
        size_t len = colon ? (size_t)(colon - text) : 0;

        if (!colon || len == 0 || len >= size)
                return -EINVAL;
        if (num_parse_u64(colon + 1, 0, UINT16_MAX, ret_port) < 0)
                return -EINVAL;
        memcpy(host, text, len);
        host[len] = 0;
        return 0;
}

static bool bind_valid(const char *text)
{
        const char *colon = strchr(text, ':');

        return !*text || (text[0] == '/' && colon && str_starts(colon + 1, "/run/ws/"));
}

const char *config_kind_hint(enum config_kind kind)
{
        switch (kind) {
        case KIND_TEXT:
                return "a text";
        case KIND_PATH:
                return "a path";
        case KIND_URL:
                return "an address such as tcp://127.0.0.1:7700";
        case KIND_ADDR:
                return "ADDRESS:PORT such as 127.0.0.1:7701";
        case KIND_SCHEME:
                return "http or https";
        case KIND_BIND:
                return "SRC:DST with absolute paths, DST below /run/ws";
        case KIND_COUNT:
                return "a whole number";
        case KIND_DURATION:
                return "a duration such as 500ms, 30s, 15m, 2h or 7d";
        case KIND_SIZE:
                return "a size such as 1048576, 512M or 4G";
        case KIND_LEVEL:
                return "debug, info, warn or error";
        case KIND_DECIMAL:
                return "a number such as 0.99 or 12";
        case KIND_POLICY:
                return "fixed or forecast";
        case KIND_IDLE_POLICY:
                return "fixed or adaptive";
        case KIND_SAME_SITE:
                return "lax or none";
        case KIND_STORAGE_MODE:
                return "snapshot or home";
        case KIND_HOURS:
                return "FROM-TO such as 09:00-21:00, or never";
        case KIND_WEEKDAYS:
                return "days such as mon-fri or mon,wed,sat-sun";
        case KIND_DATES:
                return "days such as 2026-12-24..2027-01-03,2027-05-01, 64 at most";
        case KIND_ZONE:
                return "UTC, +05:30, or a name such as Europe/Berlin of the system's time zones "
                       "(package tzdata)";
        case KIND_SWITCH:
                return "on or off";
        case KIND_PROVIDER:
                return "process or docker";
        }
        return "";
}

/* Does `text` parse as this kind? The number, where there is one. */
int config_kind_parse(enum config_kind kind, const char *text, int64_t *ret_num)
{
        char host[CONFIG_TEXT_SIZE];
        struct schedule hours;
        enum log_level level;
        uint64_t n = 0;
        int r = 0;

        switch (kind) {
        case KIND_TEXT:
        case KIND_PATH:
                return 0;
        case KIND_URL:
                return str_starts(text, "tcp://") || str_starts(text, "ipc://") ? 0 : -EINVAL;
        case KIND_ADDR:
                return config_kind_split_addr(text, host, sizeof(host), &n);
        case KIND_SCHEME:
                return strcmp(text, "http") == 0 || strcmp(text, "https") == 0 ? 0 : -EINVAL;
        case KIND_BIND:
                return bind_valid(text) ? 0 : -EINVAL;
        case KIND_COUNT:
                return num_parse_i64(text, INT64_MIN, INT64_MAX, ret_num);
        case KIND_DURATION:
                return num_parse_duration_ms(text, ret_num);
        case KIND_SIZE:
                r = num_parse_size(text, &n);
                if (r == 0 && n > INT64_MAX)
                        r = -ERANGE;
                if (r == 0)
                        *ret_num = (int64_t)n;
                return r;
        case KIND_LEVEL:
                return log_level_parse(text, &level) ? 0 : -EINVAL;
        case KIND_DECIMAL:
                return num_parse_millionths(text, ret_num);
        case KIND_POLICY:
                return strcmp(text, "fixed") == 0 || strcmp(text, "forecast") == 0 ? 0 : -EINVAL;
        case KIND_IDLE_POLICY:
                return strcmp(text, "fixed") == 0 || strcmp(text, "adaptive") == 0 ? 0 : -EINVAL;
        case KIND_STORAGE_MODE:
                return strcmp(text, "snapshot") == 0 || strcmp(text, "home") == 0 ? 0 : -EINVAL;
        case KIND_SAME_SITE:
                return strcmp(text, "lax") == 0 || strcmp(text, "none") == 0 ? 0 : -EINVAL;
        case KIND_HOURS:
                return hours_parse_peak(text, &hours) ? 0 : -EINVAL;
        case KIND_WEEKDAYS:
                return hours_parse_weekdays(text, &hours) ? 0 : -EINVAL;
        case KIND_DATES:
                return hours_parse_holidays(text, &hours) ? 0 : -EINVAL;
        case KIND_ZONE:
                return hours_parse_zone(text, &hours.zone) ? 0 : -EINVAL;
        case KIND_SWITCH:
                return strcmp(text, "on") == 0 || strcmp(text, "off") == 0 ? 0 : -EINVAL;
        case KIND_PROVIDER:
                return strcmp(text, "process") == 0 || strcmp(text, "docker") == 0 ? 0 : -EINVAL;
        }
        return -EINVAL;
}

bool config_kind_is_number(enum config_kind kind)
{
        return kind == KIND_DECIMAL || kind == KIND_COUNT || kind == KIND_DURATION ||
               kind == KIND_SIZE;
}
