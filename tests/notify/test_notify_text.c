/* What notifications say: escaping for JSON and mail headers, templates, signatures. */
#include "base/num.h"
#include "base/str.h"
#include "crypto/digest.h"
#include "out/notify_text.h"
#include "test.h"

static struct notice notice(enum notice_kind kind)
{
        return (struct notice){.kind = kind,
                               .at = {INT64_C(1795842070) * US_PER_S},
                               .id = "school:saved-and-stopped:7",
                               .workspace = "ws-aaaaaaaaaaaa",
                               .task = "t-0000000001",
                               .key = {"one", "ada", "thesis", "code"},
                               .detail = "idle: nobody was there"};
}

static const char *text(struct buf *b)
{
        CHECK(buf_terminate(b) == 0);
        return (const char *)b->data;
}

static void check_json_text(const char *in, const char *out)
{
        AUTO_BUF b = BUF_INIT(4096);

        CHECK(notify_json_text(&b, in) == 0);
        CHECK_STR(text(&b), out);
}

static void test_json_text(void)
{
        check_json_text("plain", "\"plain\"");
        check_json_text("a\"b\\c\n\x01", "\"a\\\"b\\\\c\\u000a\\u0001\"");
        check_json_text("\xc3\xa9 \xf0\x9f\x98\x80", "\"\xc3\xa9 \xf0\x9f\x98\x80\"");
        /* No UTF-8: cut short, overlong, half of a pair, above the end. */
        check_json_text("\xc3", "\"\\ufffd\"");
        check_json_text("\xc0\xaf", "\"\\ufffd\\ufffd\"");
        check_json_text("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"");
        check_json_text("\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
}

static void test_json(void)
{
        struct notice n = notice(NOTICE_SAVED_AND_STOPPED);
        AUTO_BUF b = BUF_INIT(65536);

        CHECK(notify_json(&n, &b) == 0);
        CHECK_STR(
                text(&b),
                "{\"id\":\"school:saved-and-stopped:7\",\"kind\":\"saved-and-stopped\","
                "\"severity\":\"info\",\"at\":\"2026-11-28T05:01:10Z\","
                "\"workspace\":{\"id\":\"ws-aaaaaaaaaaaa\",\"tenant\":\"one\",\"user_id\":\"ada\","
                "\"name\":\"thesis\"},\"workspace_type\":\"code\",\"task\":\"t-0000000001\","
                "\"detail\":\"idle: nobody was there\","
                "\"subject\":\"Workspace thesis is saved and stopped\","
                "\"message\":\"Everything is saved. Why it was stopped: idle: nobody was there. "
                "It starts again where you left off.\"}");
}

/* Does the head of the mail have this line? */
static bool has_line(const char *mail, const char *line)
{
        const char *head_end = strstr(mail, "\r\n\r\n");
        const char *at = strstr(mail, line);

        return head_end && at && at < head_end && (at == mail || at[-1] == '\n') &&
               strncmp(at + strlen(line), "\r\n", 2) == 0;
}

static void test_mail(void)
{
        struct notice n = notice(NOTICE_SAVE_FAILED);
        AUTO_BUF b = BUF_INIT(65536);

        CHECK(notify_mail(&n, "ws@school.example", "ops@school.example", NULL, &b) == 0);
        CHECK(has_line(text(&b), "From: ws@school.example"));
        CHECK(has_line(text(&b), "To: ops@school.example"));
        CHECK(has_line(text(&b), "Date: Sat, 28 Nov 2026 05:01:10 +0000"));
        /* "Workspace ws-aaaaaaaaaaaa could not be saved", 44 bytes: one word */
        CHECK(has_line(text(&b), "Subject: =?UTF-8?B?"
                                 "V29ya3NwYWNlIHdzLWFhYWFhYWFhYWFhYSBjb3VsZCBub3QgYmUgc2F2ZWQ=?="));
        CHECK(strstr(text(&b), "X-Workspaces-Kind: save-failed\r\n"));
}

/* Nothing that came from outside begins a header of its own. */
static void test_mail_injection(void)
{
        struct notice n = notice(NOTICE_SAVE_FAILED);
        AUTO_BUF b = BUF_INIT(65536);
        AUTO_BUF plain = BUF_INIT(65536);

        STR_CUT(n.detail, "x\r\nBcc: everybody@example\r\n\r\n.\r\n");
        STR_CUT(n.key.name, "y\r\nBcc: everybody@example");
        CHECK(notify_mail(&n, "ws@school.example", "ops@school.example",
                          "Subject: {name} {detail}\n\n{detail}\n.\n", &b) == 0);
        CHECK(!strstr(text(&b), "Bcc"));
        CHECK(notify_fill(&plain, "{name}|{detail}|{nothing}|{", &n) == 0);
        CHECK_STR(text(&plain), "y  Bcc: everybody@example|x  Bcc: everybody@example    .  |"
                                "{nothing}|{");
}

static void test_template(void)
{
        struct notice n = notice(NOTICE_MAINTENANCE_PLANNED);
        AUTO_BUF b = BUF_INIT(65536);
        AUTO_BUF c = BUF_INIT(65536);

        CHECK(notify_mail(&n, "a@b", "c@d", "Subject: Hi {user_id}\n\nText\n", &b) == 0);
        CHECK(has_line(text(&b), "Subject: =?UTF-8?B?SGkgYWRh?="));
        CHECK(strstr(text(&b), "\r\n\r\nVGV4dAoK\r\n"));
        /* Without a subject it is no template: the built-in text. */
        CHECK(notify_mail(&n, "a@b", "c@d", "Text only\n", &c) == 0);
        CHECK(!strstr(text(&c), "VGV4dA"));
}

/* A long subject is cut between characters, so that each word is UTF-8 by itself. */
static void test_subject_words(void)
{
        struct notice n = notice(NOTICE_MAINTENANCE_PLANNED);
        AUTO_BUF b = BUF_INIT(65536);

        CHECK(notify_mail(&n, "a@b", "c@d",
                          "Subject: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa9zz\n\nx\n",
                          &b) == 0);
        CHECK(strstr(text(&b), "Subject: =?UTF-8?B?YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh"
                               "YWFhYWFhYWFhYWE=?=\r\n =?UTF-8?B?w6l6eg==?=\r\n"));
}

static void test_pager(void)
{
        struct notice n = notice(NOTICE_SAVE_FAILED);
        AUTO_BUF b = BUF_INIT(65536);
        AUTO_BUF c = BUF_INIT(65536);

        STR_CUT(n.dedup, "save-failed:ws-aaaaaaaaaaaa");
        CHECK(notify_pager_json(&n, "key\"", "school", &b) == 0);
        CHECK(str_starts(text(&b), "{\"routing_key\":\"key\\\"\",\"event_action\":\"trigger\","
                                   "\"dedup_key\":\"save-failed:ws-aaaaaaaaaaaa\","
                                   "\"payload\":{\"severity\":\"critical\",\"summary\":"
                                   "\"Workspace ws-aaaaaaaaaaaa could not be saved\","
                                   "\"source\":\"school\",\"timestamp\":\"2026-11-28T05:01:10Z\","
                                   "\"class\":\"save-failed\",\"custom_details\":{\"id\":"));
        n.resolved = true;
        CHECK(notify_pager_json(&n, "key", "school", &c) == 0);
        CHECK_STR(text(&c), "{\"routing_key\":\"key\",\"event_action\":\"resolve\","
                            "\"dedup_key\":\"save-failed:ws-aaaaaaaaaaaa\"}");
}

/* printf 1000.body | openssl dgst -sha256 -hmac secret */
static void test_signature(void)
{
        AUTO_BUF body = BUF_INIT(64);
        AUTO_BUF b = BUF_INIT(256);
        uint8_t mac[SHA256_LEN];
        char hex[SHA256_HEX];

        CHECK(buf_append_str(&body, "body") == 0);
        CHECK(notify_signature("secret", 6, 1000, &body, &b) == 0);
        hmac_sha256("secret", 6, "1000.body", 9, mac);
        hex_encode(mac, sizeof(mac), hex);
        CHECK(str_starts(text(&b), "t=1000,v1="));
        CHECK_STR(text(&b) + 10, hex);
}

int main(void)
{
        RUN(test_json_text);
        RUN(test_json);
        RUN(test_mail);
        RUN(test_mail_injection);
        RUN(test_template);
        RUN(test_subject_words);
        RUN(test_pager);
        RUN(test_signature);
        return 0;
}
