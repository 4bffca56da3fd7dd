/* A tree of cJSON as the text of an answer. For the files that build such trees. */
#pragma once

#include "base/buf.h"
#include "wire/json.h"

/* Append `json`, unformatted. 0; -ENOMEM, also for NULL: memory ran out when it was to be made. */
NODISCARD int view_print(const cJSON *json, struct buf *out);
