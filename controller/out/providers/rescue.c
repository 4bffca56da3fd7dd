#include "out/providers/rescue.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

bool rescue_name_is_of(const char *name, const char *workspace, uint64_t generation)
{
        size_t len = strlen(workspace);
        char digits[24];
        uint64_t of = 0;

        if (!str_starts(name, workspace) || !str_starts(name + len, "-g"))
                return false;
        (void)snprintf(digits, sizeof(digits), "%.*s", (int)strspn(name + len + 2, "0123456789"),
                       name + len + 2);
        return num_parse_u64(digits, 0, UINT64_MAX, &of) == 0 && of <= generation;
}
