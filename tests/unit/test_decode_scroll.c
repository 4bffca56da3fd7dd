/* What scrolls by itself, and what a hand scrolls. */
#include "base/macro.h"
#include "decode_bytes.h"
#include "test.h"

#define S INT64_C(1000) /* ms */

static const struct rule_name methods[] = {
        {"$acceptEditorPropertiesChanged", "\"source\":\"keyboard\"", RULE_PRESS},
        {"$acceptEditorPropertiesChanged", "\"visibleRanges\"", RULE_SCROLL},
        {"$acceptModelChanged", "", RULE_CHANGE},
        {"$onDidChangeWindowActive", "[true]", RULE_ACTIVE},
        {"$onDidChangeWindowActive", "[false]", RULE_INACTIVE},
};
static const struct rules rules = {
        .editor_query = "reconnectionToken",
        .methods = {methods, ARRAY_LEN(methods)},
        .job_key = "",
        .log_path = "",
        .log_field = "",
        .log_key = "",
        .log_refresh = "",
};

static struct observer *observe(void)
{
        struct observer *o;

        CHECK(observer_new(&rules, &o) == 0);
        return o;
}

static uint64_t events(struct observer *o, enum presence_source s, enum presence_kind k)
{
        struct observer_tally t;

        observer_tally(o, at_ms(0), &t);
        return t.note[s][k].events;
}

#define PERSON PRESENCE_KIND_PERSON
#define WEAK PRESENCE_KIND_WEAK
#define MACHINE PRESENCE_KIND_MACHINE

#define RANGES "[\"id\",{\"options\":null,\"selections\":null,\"visibleRanges\":[]}]"

static void a_change_scrolls_by_itself(void)
{
        struct observer *o = observe();
        struct tab a = {0}, b = {0};

        tab_open(&a, o, EDITOR_EXTENSION_HOST, "a", false, 0);
        tab_open(&b, o, EDITOR_EXTENSION_HOST, "b", false, 0);
        tab_method(&a, "$acceptEditorPropertiesChanged", RANGES, 10 * S);
        CHECK_INT(events(o, PRESENCE_SCROLL, WEAK), 1);
        tab_method(&a, "$acceptModelChanged", "[]", 20 * S);
        CHECK_INT(events(o, PRESENCE_INPUT, MACHINE), 1);
        tab_method(&a, "$acceptEditorPropertiesChanged", RANGES, 20 * S + 999);
        CHECK_INT(events(o, PRESENCE_SCROLL, WEAK), 1);
        CHECK_INT(events(o, PRESENCE_SCROLL, MACHINE), 1);
        /* Another connection's change is not this one's. */
        tab_method(&b, "$acceptEditorPropertiesChanged", RANGES, 20 * S + 999);
        CHECK_INT(events(o, PRESENCE_SCROLL, WEAK), 2);
        tab_method(&a, "$acceptEditorPropertiesChanged", RANGES, 21 * S);
        CHECK_INT(events(o, PRESENCE_SCROLL, WEAK), 3);
        CHECK_INT(events(o, PRESENCE_INPUT, PERSON), 0);
        tab_close(&a, 30 * S);
        tab_close(&b, 30 * S);
        o = observer_free(o);
}

#define RANGES_OF(editor)                                                                          \
        "[\"" editor "\",{\"options\":null,\"selections\":null,\"visibleRanges\":[]}]"

/* Somebody who turns the wheel once in 20 minutes is there; a program's reveal is one piece. */
static void a_hand_scrolls_in_pieces(void)
{
        static const struct {
                const char *args[4];
                int64_t at[4];
                bool change;
                int64_t persons;
        } cases[] = {
                {{RANGES, RANGES, RANGES}, {0, 100, 160}, false, 1},
                {{RANGES, RANGES, RANGES, RANGES}, {0, 100, 160, 2160}, false, 1},
                {{RANGES, RANGES, RANGES}, {0, 1000, 2000}, false, 1},
                {{RANGES, RANGES, RANGES}, {0, 1000, 2001}, false, 0},
                {{RANGES, RANGES}, {0, 50}, false, 0},
                /* Editors that are laid out at once, and two that scroll together. */
                {{RANGES_OF("a"), RANGES_OF("b"), RANGES_OF("c"), RANGES_OF("d")},
                 {0, 0, 0, 0},
                 false,
                 0},
                {{RANGES_OF("a"), RANGES_OF("b"), RANGES_OF("a"), RANGES_OF("b")},
                 {0, 0, 50, 50},
                 false,
                 0},
                {{RANGES_OF("b"), RANGES_OF("a"), RANGES_OF("a"), RANGES_OF("a")},
                 {0, 50, 100, 150},
                 false,
                 1},
                /* A log that grows. */
                {{RANGES, RANGES, RANGES}, {0, 100, 160}, true, 0},
        };

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct observer *o = observe();
                struct tab t = {.compress = true};

                tab_open(&t, o, EDITOR_EXTENSION_HOST, "h", false, 0);
                for (size_t n = 0; n < 4 && cases[i].args[n]; n++) {
                        if (cases[i].change)
                                tab_method(&t, "$acceptModelChanged", "[]", 9 * S + cases[i].at[n]);
                        tab_method(&t, "$acceptEditorPropertiesChanged", cases[i].args[n],
                                   9 * S + cases[i].at[n]);
                }
                CHECK_INT(events(o, PRESENCE_SCROLL, PERSON), cases[i].persons);
                tab_close(&t, 20 * S);
                o = observer_free(o);
        }
}

#define KEYBOARD "[\"id\",{\"selections\":{\"selections\":[],\"source\":\"keyboard\"}}]"

/* As recorded of an extension that ran the commands of keys, 3 minutes after the person had left.
 */
static void who_moves_the_cursor_without_a_key_is_a_program(void)
{
        struct observer *o = observe();
        struct tab t = {.compress = true};

        tab_open(&t, o, EDITOR_EXTENSION_HOST, "h", false, 0);
        tab_method(&t, "$acceptEditorPropertiesChanged", KEYBOARD, 1 * S);
        CHECK_INT(events(o, PRESENCE_INPUT, PERSON), 1);
        tab_method(&t, "$onDidChangeWindowActive", "[false]", 67 * S);
        tab_method(&t, "$acceptEditorPropertiesChanged", KEYBOARD, 254 * S);
        tab_method(&t, "$acceptEditorPropertiesChanged", RANGES, 254 * S);
        CHECK_INT(events(o, PRESENCE_INPUT, PERSON), 1);
        CHECK_INT(events(o, PRESENCE_SCROLL, WEAK), 0);
        CHECK_INT(events(o, PRESENCE_SCROLL, MACHINE), 1);
        tab_method(&t, "$onDidChangeWindowActive", "[true]", 300 * S);
        tab_method(&t, "$acceptEditorPropertiesChanged", KEYBOARD, 300 * S);
        CHECK_INT(events(o, PRESENCE_INPUT, PERSON), 2);
        tab_close(&t, 301 * S);
        o = observer_free(o);
}

int main(void)
{
        RUN(who_moves_the_cursor_without_a_key_is_a_program);
        RUN(a_change_scrolls_by_itself);
        RUN(a_hand_scrolls_in_pieces);
        return 0;
}
