/* Planted: an agent that confines nothing. The escape suite must catch it. */
#include "init/confine.h"

int confine_landlock(void)
{
        return 0;
}

int confine_self(const struct confine *c)
{
        (void)c;
        return 0;
}
