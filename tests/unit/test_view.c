/* The faces of workspaces: ids, launch requests, commands, pages; without a core. */
#include <string.h>

#include "base/buf.h"
#include "in/pages.h"
#include "in/view.h"
#include "test.h"

static struct view_error err;

static int launch(const char *text, struct view_launch *ret)
{
        memset(&err, 0, sizeof(err));
        return view_launch_parse(text, strlen(text), ret, &err);
}

static void ids_are_stable(void)
{
        struct ws_key key = {"default", "ann", "default", "vscode"};
        char id[CORE_ID_SIZE], other[CORE_ID_SIZE];

        /* SHA-256("default\nann\ndefault\nvscode") in base 32, its first 60 bits. */
        workspace_id(&key, id);
        CHECK_STR(id, "ws-crsvbfmyu3op");
        CHECK(workspace_id_valid(id));
        /* The same letters cut elsewhere are another key. */
        key = (struct ws_key){"default", "an", "ndefault", "vscode"};
        workspace_id(&key, other);
        CHECK(strcmp(id, other) != 0);
        CHECK(!workspace_id_valid("ws-CRSVBFMYU3OP") && !workspace_id_valid("ws-crsvbfmyu3o"));
        CHECK(!workspace_id_valid("ws-crsvbfmyu3opp") && !workspace_id_valid("ws-crsvbfmyu3o1"));
        CHECK(!workspace_id_valid("") && !workspace_id_valid("wsxcrsvbfmyu3op"));
}

static void launches_are_checked(void)
{
        struct view_launch l = {0}, before;

        CHECK_INT(launch("{\"user_id\":\"ann\",\"workspace_type\":\"vscode\"}", &l), 0);
        CHECK_STR(l.key.tenant, "default");
        CHECK_STR(l.key.name, "default");
        CHECK_STR(l.labels, "{}");
        CHECK_STR(l.id, "ws-crsvbfmyu3op");
        before = l;
        CHECK(launch("{\"user_id\":\"a/b\",\"workspace_type\":\"vscode\"}", &l) > 0);
        CHECK_INT(err.id, VIEW_ERROR_BAD_FIELD);
        CHECK(strstr(err.message, "user_id") && strstr(err.message, "position 2"));
        CHECK(memcmp(&before, &l, sizeof(l)) == 0);
        CHECK(launch("{\"user_id\":\"a\\u0000b\",\"workspace_type\":\"vscode\"}", &l) > 0);
        CHECK_INT(err.id, VIEW_ERROR_BAD_JSON);
        CHECK(launch("{\"user_id\":\"\xc3\x28\",\"workspace_type\":\"vscode\"}", &l) > 0);
        CHECK(launch("{\"user_id\":\"\xed\xa0\x80\",\"workspace_type\":\"vscode\"}", &l) > 0);
        CHECK(launch("{\"workspace_type\":\"vscode\"}", &l) > 0);
        CHECK(launch("[1]", &l) > 0);
        CHECK(launch("{} {}", &l) > 0);
        CHECK(launch("", &l) > 0);
        CHECK_INT(launch("\n{\"user_id\":\"a\",\"workspace_type\":\"b\",\"labels\":{\"c\":1}} \n",
                         &l),
                  0);
        CHECK_STR(l.labels, "{\"c\":1}");
}

static int command(const char *text, struct view_command *ret)
{
        return view_command_parse(text, strlen(text), ret, &err);
}

static void commands_are_checked(void)
{
        struct view_command c = {0};

        CHECK_INT(command("{\"cmd\":\"events\",\"after\":7,\"wait_ms\":100}", &c), 0);
        CHECK_INT(c.after, 7);
        CHECK_INT(c.wait_ms, 100);
        CHECK(command("{\"cmd\":\"events\",\"after\":1.5}", &c) > 0);
        CHECK(command("{\"cmd\":\"events\",\"after\":\"7\"}", &c) > 0);
        CHECK(command("{\"cmd\":\"events\",\"wait_ms\":60001}", &c) > 0);
        CHECK(command("{\"cmd\":\"stop\",\"workspace\":\"ws-a/b\"}", &c) > 0);
        CHECK(command("{\"cmd\":\"launch\"}", &c) > 0);
        CHECK_INT(command("{\"cmd\":\"launch\",\"workspace\":\"ws-abc\"}", &c), 0);
        CHECK_STR(c.workspace, "ws-abc");
}

static void errors_have_their_words(void)
{
        AUTO_BUF out = BUF_INIT(4096);
        struct view_error e;

        for (unsigned i = 0; i < VIEW_ERROR_MAX; i++) {
                CHECK(view_error_code((enum view_error_id)i)[0]);
                CHECK(view_error_hint((enum view_error_id)i)[0]);
                CHECK(view_error_status((enum view_error_id)i) >= 400);
        }
        view_error_set(&e, VIEW_ERROR_FULL, "a \"quoted\"\nword");
        CHECK_INT(view_error_json(&e, &out), 0);
        CHECK_INT(buf_terminate(&out), 0);
        CHECK(strstr((char *)out.data, "a \\\"quoted\\\"\\nword"));
        for (unsigned i = REPLY_OK + 1; i < REPLY_STATUS_MAX; i++) {
                view_error_reply(&e, (enum reply_status)i, "ws-x");
                CHECK(e.id != VIEW_ERROR_INTERNAL);
        }
}

static void pages_are_whole(void)
{
        static const char nonce[] = "00112233445566778899aabbccddeeff";

        for (unsigned i = 0; i < PAGE_MAX; i++) {
                AUTO_BUF out = BUF_INIT(65536);
                const char *html;
                struct page_view v = {.base = "/w/x",
                                      .name = "<b>",
                                      .detail = "\"&'",
                                      .nonce = nonce,
                                      .ticket = "1.2.\"3",
                                      .life = 7,
                                      .place = 12,
                                      .step = 2,
                                      .permille = 420};
                CHECK_INT(page_render((enum page_id)i, &v, &out), 0);
                CHECK_INT(buf_terminate(&out), 0);
                html = (const char *)out.data;
                CHECK(strstr(html, "</html>") && strstr(html, "&lt;b&gt;"));
                CHECK(strstr(html, "&quot;&amp;&#39;"));
                CHECK(!strstr(html, "http://") && !strstr(html, "https://"));
                CHECK(!strstr(html, "<form") ||
                      strstr(html, "\"/w/x/_workspace/resume?life=7&amp;ws_access=1.2.&quot;3\""));
                CHECK(!strstr(html, "style=") && !strstr(html, "onclick"));
                CHECK(page_status((enum page_id)i) >= 400 && page_phase((enum page_id)i)[0]);
        }
        AUTO_BUF small = BUF_INIT(100);
        struct page_view v = {.base = "",
                              .name = "x",
                              .detail = "",
                              .nonce = nonce,
                              .ticket = "",
                              .permille = -1};
        CHECK(page_render(PAGE_STARTING, &v, &small) < 0);
}

int main(void)
{
        RUN(ids_are_stable);
        RUN(launches_are_checked);
        RUN(commands_are_checked);
        RUN(errors_have_their_words);
        RUN(pages_are_whole);
        return 0;
}
