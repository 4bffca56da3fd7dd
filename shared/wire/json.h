/*
 * The owning variable for a cJSON tree: `AUTO_JSON *o = cJSON_CreateObject();` is freed at the end
 * of its block, NULL included. For the files that hold cJSON; others see structs and bytes.
 */
#pragma once

#include <cjson/cJSON.h>

#include "base/macro.h"

static inline void json_freep(cJSON **json)
{
        cJSON_Delete(*json);
}

#define AUTO_JSON CLEANUP(json_freep) cJSON
