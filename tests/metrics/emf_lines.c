/* A workspace's life, and the lines of embedded metrics before and after it, on standard output. */
#include <unistd.h>

#include "life.h"
#include "metrics/emf.h"
#include "test.h"

static double before;

static bool refreshed_twice(struct life *l)
{
        static int ticks;
        double cpu = metrics_value(l->m, METRIC_CPU, 0, 0);

        ticks += cpu != before;
        before = cpu;
        return ticks >= 2;
}

int main(void)
{
        struct life l;
        struct emf *e;

        life_open(&l);
        life_whole(&l);
        for (int i = 0; i < 200; i++)
                metrics_watch_http(l.watch, "/v1/workspaces", 200, false, 1000 * i);
        before = metrics_value(l.m, METRIC_CPU, 0, 0);
        CHECK(emf_new(l.loop, l.watch, "localhost:8080", STDOUT_FILENO, 20, &e) == 0);
        life_until(&l, refreshed_twice);
        emf_free(e);
        life_close(&l);
        return 0;
}
