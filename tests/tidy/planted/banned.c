/* plant: agent/link/a.c  expect: banned */
#include <stdlib.h>
int f(const char *s);
int f(const char *s)
{
        return atoi(s);
}
