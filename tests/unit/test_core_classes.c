/*
 * Classes in a running core: the attendance of each course is learned class by class, by the course
 * that a launch names, and is there again after a restart; so is the timetable of the API.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "sizing_world.h"
#include "test.h"

#define HOUR_S INT64_C(3600)
#define DAY_S (24 * HOUR_S)
#define ROSTER 20

static struct sizing_world w;

static void set_up(void)
{
        sizing_defaults(&w);
        w.config.types[0].sizing.floor = 0;
        w.config.types[0].sizing.ceiling = 60;
        sizing_open(&w);
}

static struct core_class class_of(const char *course)
{
        utc_t start = {(w.utc_s * US_PER_S) + w.now_us + DAY_S * US_PER_S};
        struct core_class k;

        CHECK(core_class(w.core, "code", "next", course, start, ROSTER, &k));
        CHECK(!k.known);
        return k;
}

static double share_of(const char *course)
{
        return class_of(course).share;
}

static size_t rows_of(const char *prefix)
{
        size_t n = 0;

        for (size_t i = 0; i < SIZING_ROWS; i++)
                n += str_starts(w.rows[i].name, prefix);
        return n;
}

/* Both courses at ten of that day; all twenty of one come, and eight of the other. */
static void two_classes(int64_t day, bool labels)
{
        static const char *const turns[] = {"full", "full", "thin", "full", "full", "thin", "full"};
        int64_t start_s = day * DAY_S + 10 * HOUR_S;
        char id[32];

        (void)snprintf(id, sizeof(id), "full-%d", (int)day);
        sizing_class(&w, id, "full", start_s, ROSTER);
        (void)snprintf(id, sizeof(id), "thin-%d", (int)day);
        sizing_class(&w, id, "thin", start_s, ROSTER);
        sizing_run_until(&w, start_s, 0);
        w.people = 0;
        w.n_courses = labels ? ARRAY_LEN(turns) : 0;
        memcpy(w.courses, turns, sizeof(turns));
        sizing_run_until(&w, start_s + 28 * 32, 32);
        CHECK_INT(w.people, 28);
        w.n_courses = 0;
        sizing_run_until(&w, start_s + 3 * HOUR_S, 0);
}

/* Their workspaces are of the same names each day: a world of its own is made for each. */
static void days_of_classes(int days, bool labels)
{
        set_up();
        for (int day = 0; day < days; day++) {
                two_classes(day, labels);
                sizing_reopen(&w, day * DAY_S + 14 * HOUR_S);
        }
}

static void test_by_label(void)
{
        CHECK(fabs(share_of("full") - 0.75) < 0.01); /* before its first class */
        sizing_close(&w);
        days_of_classes(6, true);
        CHECK(share_of("full") > 0.9);
        CHECK(share_of("thin") < 0.5);
        CHECK_INT(class_of("full").classes, 6);
        CHECK(class_of("full").need > class_of("thin").need);
        CHECK(fabs(share_of("other") - 0.75) < 0.01); /* nobody has seen it */
        CHECK_INT(class_of("other").classes, 0);
        sizing_close(&w);
        /* Without labels who came is shared by rate, and the two cannot be told apart. */
        days_of_classes(6, false);
        CHECK(fabs(share_of("full") - share_of("thin")) < 0.05);
        CHECK(fabs(share_of("full") - 0.7) < 0.08);
        sizing_close(&w);
}

/* A label of a course without a class now is nobody's; one that no timetable names says nothing. */
static void test_other_labels(void)
{
        int64_t start_s = 10 * HOUR_S;

        set_up();
        sizing_class(&w, "a", "mine", start_s, ROSTER);
        sizing_class(&w, "b", "later", start_s + 20 * HOUR_S, ROSTER);
        sizing_run_until(&w, start_s, 0);
        w.courses[0] = "later";
        w.n_courses = 1;
        sizing_run_until(&w, start_s + ROSTER * 32, 32);
        sizing_run_until(&w, start_s + 3 * HOUR_S, 0);
        CHECK_INT(class_of("mine").classes, 0); /* nobody came: it was not held */
        sizing_close(&w);

        set_up();
        sizing_class(&w, "a", "mine", start_s, ROSTER);
        sizing_run_until(&w, start_s, 0);
        w.courses[0] = "elsewhere";
        sizing_run_until(&w, start_s + ROSTER * 32, 32);
        sizing_run_until(&w, start_s + 3 * HOUR_S, 0);
        CHECK_INT(class_of("mine").classes, 1);
        sizing_close(&w);
}

static void test_restart(void)
{
        struct core_class before, after;

        days_of_classes(3, true);
        before = class_of("thin");
        sizing_reopen(&w, 3 * DAY_S);
        after = class_of("thin");
        CHECK_INT(before.classes, 3);
        CHECK_INT(after.classes, 3);
        CHECK(fabs(before.share - after.share) < 1e-3);
        CHECK(fabs(before.deviation - after.deviation) < 1e-3);
        CHECK_INT(w.forgot, 0);
        CHECK_INT(rows_of("course.code."), 2);
        /* A store without those rows knows nothing: they are where it is. */
        for (size_t i = 0; i < SIZING_ROWS; i++) {
                if (str_starts(w.rows[i].name, "course."))
                        w.rows[i] = (struct setting_row){0};
        }
        sizing_reopen(&w, 3 * DAY_S + HOUR_S);
        CHECK(fabs(share_of("thin") - 0.75) < 0.01);
        sizing_close(&w);
}

/* Who came before a restart is not known: a class that was cut is not learned from. */
static void test_restart_within(void)
{
        int64_t start_s = 10 * HOUR_S;

        set_up();
        sizing_class(&w, "cut", "cut", start_s, ROSTER);
        sizing_run_until(&w, start_s, 0);
        sizing_run_until(&w, start_s + 120, 8);
        sizing_reopen(&w, start_s + 150);
        sizing_class(&w, "cut", "cut", start_s, ROSTER);
        sizing_run_until(&w, start_s + 400, 50);
        sizing_run_until(&w, start_s + 3 * HOUR_S, 0);
        CHECK_INT(class_of("cut").classes, 0);
        sizing_close(&w);
}

static void test_bounded(void)
{
        char first[32] = "", name[32];

        set_up();
        for (int i = 0; i < 70; i++) {
                int64_t start_s = 10 * HOUR_S + i * 4 * HOUR_S;

                (void)snprintf(name, sizeof(name), "course-%d", i);
                if (i == 0)
                        STR_CUT(first, name);
                sizing_class(&w, name, name, start_s, 4);
                sizing_run_until(&w, start_s, 0);
                sizing_run_until(&w, start_s + 240, 60);
                sizing_run_until(&w, start_s + 3 * HOUR_S, 0);
                CHECK(rows_of("course.") <= 64);
        }
        CHECK_INT(rows_of("course."), 64);
        CHECK_INT(class_of(first).classes, 0); /* the oldest is forgotten */
        CHECK_INT(class_of(name).classes, 1);
        sizing_reopen(&w, 12 * DAY_S);
        CHECK_INT(class_of(name).classes, 1);
        CHECK_INT(class_of("course-6").classes, 1);
        CHECK_INT(class_of("course-5").classes, 0);
        sizing_close(&w);
}

/* Rows that nobody wrote so are passed over. */
static void test_bad_rows(void)
{
        static const char *const values[] = {"",
                                             "1 2 3",
                                             "0 5 1 9 a",
                                             "5 0 1 9 a",
                                             "5 5 0 9 a",
                                             "5 5 1 9 a b",
                                             "5 5 1 9 ",
                                             "-5 5 1 9 a",
                                             "5 5 1 99999999999 a",
                                             "nan 1 1 1 a",
                                             "99999999 1 1 1 a"};

        sizing_defaults(&w);
        for (size_t i = 0; i < ARRAY_LEN(values); i++) {
                (void)snprintf(w.rows[i].name, CORE_NAME_SIZE, "course.code.%08zx", i);
                STR_CUT(w.rows[i].value, values[i]);
        }
        sizing_open(&w);
        CHECK(fabs(share_of("a") - 0.75) < 0.01);
        sizing_close(&w);
}

/* ---- the timetable of the API ---- */

static void piece(uint32_t i, const char *text)
{
        struct core_event ev = {.type = EV_TIMETABLE_PIECE, .timetable_piece = {.i = i}};

        STR_CUT(ev.timetable_piece.text, text);
        sizing_give(&w, ev);
}

static void set(uint32_t n)
{
        sizing_give(&w, (struct core_event){.type = EV_TIMETABLE_SET,
                                            .timetable_set = {.n = n, .actor = "ann"}});
}

static void test_document(void)
{
        const struct core_timetable *h;
        uint32_t put;

        set_up();
        CHECK_INT(core_timetable(w.core)->revision, 0);
        piece(0, "one ");
        piece(1, "two ");
        piece(2, "three");
        set(3);
        sizing_reopen(&w, 100);
        h = core_timetable(w.core);
        CHECK_INT(h->revision, 1);
        CHECK_INT(h->n, 3);
        CHECK_INT(h->length, 13);
        CHECK_STR(h->actor, "ann");
        CHECK_STR(core_timetable_piece(w.core, 2), "three");
        /* A shorter one: what is as it was is not written again, what is over goes. */
        put = w.n_put;
        piece(0, "one ");
        piece(1, "2");
        piece(2, "");
        set(2);
        CHECK_INT(w.n_put, put + 3);
        CHECK_INT(rows_of("timetable."), 2);
        sizing_reopen(&w, 200);
        CHECK_INT(core_timetable(w.core)->revision, 2);
        CHECK_STR(core_timetable_piece(w.core, 1), "2");
        CHECK_STR(core_timetable_piece(w.core, 2), "");
        CHECK_INT(w.damaged, 0);
        /* Mixed by hand it is not in force, and its number still grows. */
        for (size_t i = 0; i < SIZING_ROWS; i++) {
                if (strcmp(w.rows[i].name, "timetable.1") == 0)
                        STR_CUT(w.rows[i].value, "3");
        }
        sizing_reopen(&w, 300);
        CHECK_INT(w.damaged, 1);
        CHECK_INT(core_timetable(w.core)->n, 0);
        CHECK_INT(core_timetable(w.core)->revision, 2);
        piece(1, "2");
        set(2);
        CHECK_INT(core_timetable(w.core)->revision, 3);
        sizing_close(&w);
}

int main(void)
{
        set_up();
        RUN(test_by_label);
        RUN(test_other_labels);
        RUN(test_restart);
        RUN(test_restart_within);
        RUN(test_bounded);
        RUN(test_bad_rows);
        RUN(test_document);
        return 0;
}
