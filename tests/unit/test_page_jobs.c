/* Running notebook cells: one job however often it is told of. */
#include "decode/page.h"
#include "test.h"

static void job(struct page *p, const char *key, bool begins)
{
        page_job(p, key, strlen(key), begins);
}

static void one_job_is_told_of_often(void)
{
        struct page p = {0};

        job(&p, "a", false); /* what is said of a cell that waits, or was cleared */
        CHECK(p.jobs == 0 && !p.masked);
        job(&p, "a", true);
        job(&p, "a", true);
        job(&p, "b", true);
        CHECK(p.jobs == 2 && p.masked);
        job(&p, "a", false);
        job(&p, "a", false);
        CHECK_INT(p.jobs, 1);
        job(&p, "b", false);
        CHECK_INT(p.jobs, 0);
}

static void nameless_jobs_are_counted(void)
{
        struct page p = {0};

        job(&p, "", true);
        job(&p, "", true);
        job(&p, "a", true);
        job(&p, "", false);
        CHECK_INT(p.jobs, 2);
        job(&p, "a", false);
        job(&p, "", false);
        job(&p, "", false);
        CHECK_INT(p.jobs, 0);
}

static void they_are_bounded(void)
{
        struct page p = {0};
        char key[16];

        for (int i = 0; i < 10 * PAGE_JOBS_MAX; i++) {
                (void)snprintf(key, sizeof(key), "%d", i);
                job(&p, key, true);
        }
        CHECK_INT(p.jobs, PAGE_JOBS_MAX);
        job(&p, "0", false);
        CHECK_INT(p.jobs, PAGE_JOBS_MAX);
        job(&p, key, false);
        CHECK_INT(p.jobs, PAGE_JOBS_MAX - 1);
}

int main(void)
{
        RUN(one_job_is_told_of_often);
        RUN(nameless_jobs_are_counted);
        RUN(they_are_bounded);
        return 0;
}
