/* The words of a trace file: one line "name word word key=value" to an event. */
#pragma once

#include <stdbool.h>

#include "core/core.h"

/* False, with a complaint on stderr, for a line that is no event. */
bool script_event(const char *line, struct core_event *ret_event);
/* "idle=60s pool=2": into the configuration; type options go to the first type. */
bool script_setting(const char *line, struct core_config *config);
/* The settings that a trace starts with. */
void script_defaults(struct core_config *config);
