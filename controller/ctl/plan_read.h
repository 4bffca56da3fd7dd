/* Plans and prices from JSON text. What is wrong is said with field, cause and cure. */
#pragma once

#include <stddef.h>

#include "plan/bill.h"
#include "plan/plan.h"

#define PLAN_FILE_MAX (4 << 20)

/* Sets what the text says, on top of what `p` has. 0 or -EINVAL; then `p` may be half set. */
NODISCARD int plan_read(const char *text, size_t len, struct plan *p, struct plan_error *ret_error);

struct price_list {
        struct prices prices;
        char region[32];
        char date[16];
};
/* Every price must be there. 0 or -EINVAL. */
NODISCARD int price_list_read(const char *text, size_t len, struct price_list *ret_list,
                              struct plan_error *ret_error);
