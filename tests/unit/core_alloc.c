#include "core_alloc.h"

#include <stdio.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);

static bool forbidden;
static unsigned countdown;

void alloc_forbid(bool on)
{
        forbidden = on;
}

void alloc_fail_at(unsigned n)
{
        countdown = n;
}

static bool refuse(void)
{
        if (forbidden) {
                forbidden = false;
                fprintf(stderr, "invariant: allocation in a step\n");
                exit(1);
        }
        return countdown > 0 && --countdown == 0;
}

void *__wrap_malloc(size_t size)
{
        return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
        return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
        return refuse() ? NULL : __real_realloc(p, size);
}

void __wrap_free(void *p)
{
        if (forbidden)
                (void)refuse();
        __real_free(p);
}
