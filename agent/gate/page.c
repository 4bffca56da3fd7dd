#include "gate/page.h"

#include <assert.h>
#include <string.h>

#include "gate/look.h"
#include "http/write.h"

#define PAGE_MAX 16384

/* What a person reads for a phase (wire/agent_phase.def). */
static const struct {
        const char *phase, *text;
} texts[] = {
        {"starting", "Your workspace is being prepared."},
        {"priming", "Your workspace is being prepared."},
        {"warm", "Your workspace is being prepared."},
        {"restoring", "Your files are being put in place."},
        {"app-starting", "The application is starting."},
        {"ready", "The application is starting again."},
        {"stopping", "The workspace is closing. Your work is about to be saved."},
        {"saving", "Your work is being saved."},
        {"saved", "Your work is saved and the workspace is closed."},
        {"save-failed", "Saving did not succeed yet. Your work is kept and saving is tried again."},
        {"failed", "The workspace could not be started."},
};

static const char *text_of(const struct page_state *s)
{
        if (s->ready)
                return "The workspace is ready.";
        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
                if (strcmp(texts[i].phase, s->phase) == 0)
                        return texts[i].text;
        }
        return "Your workspace is being prepared.";
}

static int put_json_text(struct buf *b, const char *s)
{
        int r = buf_append(b, "\"", 1);

        for (; r == 0 && *s; s++) {
                unsigned char c = (unsigned char)*s;

                if (c == '"' || c == '\\')
                        r = buf_printf(b, "\\%c", c);
                else if (c < ' ' || c == 0x7f)
                        r = buf_printf(b, "\\u%04x", c);
                else
                        r = buf_append(b, s, 1);
        }
        return r < 0 ? r : buf_append(b, "\"", 1);
}

static int put_html_text(struct buf *b, const char *s)
{
        int r = 0;

        for (; r == 0 && *s; s++) {
                unsigned char c = (unsigned char)*s;

                if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\'' || c < ' ')
                        r = buf_printf(b, "&#%u;", c < ' ' ? ' ' : c);
                else
                        r = buf_append(b, s, 1);
        }
        return r;
}

/* Head and body together. The answers are about now: nothing may keep them. */
static int put_answer(struct buf *out, uint16_t status, const char *type, const struct buf *body,
                      struct page_form form, const char *more)
{
        size_t before = out->len;
        int r = buf_printf(out,
                           "HTTP/1.1 %u %s\r\n"
                           "Content-Type: %s; charset=utf-8\r\n"
                           "Content-Length: %zu\r\n"
                           "Cache-Control: no-store\r\n"
                           "X-Content-Type-Options: nosniff\r\n"
                           "Referrer-Policy: no-referrer\r\n"
                           "%sConnection: %s\r\n\r\n",
                           status, http_reason(status), type, body->len, more,
                           form.keep_alive ? "keep-alive" : "close");

        if (r == 0 && !form.to_head)
                r = buf_append(out, body->data, body->len);
        if (r < 0)
                out->len = before;
        return r;
}

static int put_stop(struct buf *b, const struct page_state *s)
{
        int r;

        if (s->stop_in_s < 0) {
                r = buf_append_str(b, ",\"stop_in_s\":null,\"stop_rule\":null");
        } else {
                r = buf_printf(b, ",\"stop_in_s\":%lld,\"stop_rule\":", (long long)s->stop_in_s);
                if (r == 0)
                        r = put_json_text(b, s->stop_rule);
        }
        return r < 0 ? r : buf_printf(b, ",\"warn_s\":%lld}\n", (long long)s->warn_s);
}

static int put_notices(struct buf *b, const struct page_state *s)
{
        int r = buf_append_str(b, ",\"notices\":[");
        bool more = false;

        for (int i = 0; r == 0 && i < PAGE_NOTICES_MAX; i++) {
                if (!s->notices[i] || !*s->notices[i])
                        continue;
                r = more ? buf_append_str(b, ",") : 0;
                more = true;
                if (r == 0)
                        r = put_json_text(b, s->notices[i]);
        }
        return r < 0 ? r : buf_append_str(b, "]");
}

static int put_state(struct buf *b, const struct page_state *s)
{
        int r = buf_append_str(b, "{\"phase\":");

        if (r == 0)
                r = put_json_text(b, s->phase);
        if (r == 0)
                r = buf_append_str(b, ",\"text\":");
        if (r == 0)
                r = put_json_text(b, text_of(s));
        if (r == 0)
                r = buf_append_str(b, ",\"message\":");
        if (r == 0)
                r = put_json_text(b, s->message);
        if (r == 0)
                r = buf_printf(b, ",\"generation\":%llu,\"ready\":%s",
                               (unsigned long long)s->generation, s->ready ? "true" : "false");
        if (r == 0)
                r = put_notices(b, s);
        return r < 0 ? r : put_stop(b, s);
}

int page_write_status(struct buf *out, const struct page_state *s, struct page_form form)
{
        AUTO_BUF body = BUF_INIT(PAGE_MAX);
        int r = put_state(&body, s);

        return r < 0 ? r : put_answer(out, 200, "application/json", &body, form, "");
}

int page_write_done(struct buf *out, struct page_form form)
{
        return buf_printf(out,
                          "HTTP/1.1 204 %s\r\nCache-Control: no-store\r\nConnection: %s\r\n\r\n",
                          http_reason(204), form.keep_alive ? "keep-alive" : "close");
}

int page_write_health(struct buf *out, struct page_form form)
{
        AUTO_BUF body = BUF_INIT(PAGE_MAX);
        int r = buf_append_str(&body, "{\"ok\":true}\n");

        return r < 0 ? r : put_answer(out, 200, "application/json", &body, form, "");
}

#define PAGE_MARK                                                                                  \
        "<svg class=\"mark\" viewBox=\"0 0 44 44\" fill=\"none\" stroke=\"currentColor\" "         \
        "stroke-width=\"3\" stroke-linecap=\"round\" stroke-linejoin=\"round\" "                   \
        "aria-hidden=\"true\"><rect x=\"3\" y=\"6\" width=\"38\" height=\"32\" rx=\"6\"/>"         \
        "<path d=\"M12 17l6 5-6 5M22 28h10\"/></svg>\n"

static const char page_head[] =
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
        "<title>Workspace</title>\n"
        "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n"
        "<style>\n";
static const char page_main[] =
        "</style>\n</head>\n<body>\n<main>\n" PAGE_MARK "<h1>One moment</h1>\n";

/*
 * Politely: one request at a time, slower the longer it takes, none while the tab is hidden. An
 * answer that is not the gate's (the task is gone, the front door speaks) is shown by loading the
 * page again.
 */
static const char page_tail[] =
        "</main>\n<script>\n"
        "'use strict';\n"
        "const text = document.getElementById('text');\n"
        "const message = document.getElementById('message');\n"
        "const base = (location.pathname.match(/^\\/w\\/ws-[a-z2-7]{12}(?=\\/)/) || [''])[0];\n"
        "let wait = 1000;\n"
        "function set(node, value) {\n"
        "  if (node.textContent !== value) node.textContent = value;\n"
        "}\n"
        "async function ask() {\n"
        "  if (document.hidden) return;\n"
        "  let state = null;\n"
        "  try {\n"
        "    const answer = await fetch(base + '/_workspace/status' + location.search,\n"
        "                               {cache: 'no-store'});\n"
        "    state = answer.ok ? await answer.json() : {ready: true};\n"
        "  } catch (e) {\n"
        "    state = e instanceof SyntaxError ? {ready: true} : null;\n"
        "  }\n"
        "  if (state && state.ready) { location.reload(); return; }\n"
        "  if (state) { set(text, state.text); set(message, state.message); }\n"
        "  wait = Math.min(wait * 1.1, 5000);\n"
        "  setTimeout(ask, wait);\n"
        "}\n"
        "document.addEventListener('visibilitychange', () => {\n"
        "  if (!document.hidden) { wait = 1000; ask(); }\n"
        "});\n"
        "setTimeout(ask, wait);\n"
        "</script>\n</body>\n</html>\n";

#define PAGE_POLICY                                                                                \
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "                 \
        "script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'\r\n"

static int put_wait_html(struct buf *b, const struct page_state *s)
{
        int r = buf_append_str(b, page_head);

        if (r == 0)
                r = buf_append(b, gateway_page_css, gateway_page_css_len);
        if (r == 0)
                r = buf_append_str(b, page_main);
        if (r == 0)
                r = buf_append_str(b, "<div role=\"status\">\n<p id=\"text\">");
        if (r == 0)
                r = put_html_text(b, text_of(s));
        if (r == 0)
                r = buf_append_str(b, "</p>\n<p id=\"message\">");
        if (r == 0)
                r = put_html_text(b, s->message);
        if (r == 0)
                r = buf_append_str(
                        b,
                        "</p>\n</div>\n<div class=\"bar any\" aria-hidden=\"true\"><svg "
                        "width=\"100%\" height=\"100%\"><rect width=\"30%\" "
                        "height=\"100%\" rx=\"4\"/></svg></div>\n"
                        "<p class=\"soft\">This page goes on by itself as soon as it can.</p>\n");
        if (r == 0)
                r = buf_append_str(b, page_tail);
        return r;
}

int page_write_wait(struct buf *out, uint16_t status, const struct page_state *s,
                    struct page_form form)
{
        AUTO_BUF body = BUF_INIT(PAGE_MAX);
        int r = form.html ? put_wait_html(&body, s) : put_state(&body, s);

        if (r < 0)
                return r;
        return put_answer(out, status, form.html ? "text/html" : "application/json", &body, form,
                          form.html ? "Retry-After: 2\r\n" PAGE_POLICY : "Retry-After: 2\r\n");
}

static int put_refusal(struct buf *b, uint16_t status, const char *reason, bool html)
{
        int r;

        if (html) {
                r = buf_printf(b,
                               "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
                               "<title>%u %s</title><h1>%u %s</h1><p>",
                               status, http_reason(status), status, http_reason(status));
                if (r == 0)
                        r = put_html_text(b, reason);
                return r < 0 ? r : buf_append_str(b, "</p></html>\n");
        }
        r = buf_printf(b, "{\"status\":%u,\"error\":", status);
        if (r == 0)
                r = put_json_text(b, reason);
        return r < 0 ? r : buf_append_str(b, "}\n");
}

int page_write_refusal(struct buf *out, uint16_t status, const char *reason, struct page_form form)
{
        AUTO_BUF body = BUF_INIT(PAGE_MAX);
        int r = put_refusal(&body, status, reason, form.html);

        form.keep_alive = false;
        if (r < 0)
                return r;
        return put_answer(out, status, form.html ? "text/html" : "application/json", &body, form,
                          "");
}

/* --- access --- */

static const struct {
        const char *code, *title, *text;
} denials[] = {
#define DENIAL(id, code, title, text) [ADMIT_##id] = {code, title, text},
#include "gate/denial.def"
#undef DENIAL
};

static_assert(ARRAY_LEN(denials) == ADMIT_DENIAL_MAX, "one entry per denial");

const char *page_denial_code(enum admit_denial denial)
{
        return denials[denial].code;
}

int page_write_redirect(struct buf *out, const char *to, const char *cookie, struct page_form form)
{
        return buf_printf(out,
                          "HTTP/1.1 303 %s\r\nLocation: %s\r\n%s%s%sContent-Length: 0\r\n"
                          "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
                          "Connection: %s\r\n\r\n",
                          http_reason(303), to, cookie ? "Set-Cookie: " : "", cookie ? cookie : "",
                          cookie ? "\r\n" : "", form.keep_alive ? "keep-alive" : "close");
}

#define DENIAL_POLICY                                                                              \
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "                 \
        "base-uri 'none'; form-action 'none'\r\n"

static int put_denial_html(struct buf *b, enum admit_denial denial, const char *platform)
{
        int r = buf_printf(
                b,
                "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                "<title>%s</title>\n<style>\n",
                denials[denial].title);

        if (r == 0)
                r = buf_append(b, gateway_page_css, gateway_page_css_len);
        if (r == 0)
                r = buf_printf(b,
                               "</style>\n</head>\n<body data-denial=\"%s\">\n<main>\n" PAGE_MARK
                               "<h1 role=\"alert\">%s</h1>\n<p>%s</p>\n",
                               denials[denial].code, denials[denial].title, denials[denial].text);
        if (r == 0 && platform[0])
                r = buf_append_str(b, "<p><a href=\"");
        if (r == 0 && platform[0])
                r = put_html_text(b, platform);
        if (r == 0 && platform[0])
                r = buf_append_str(b, "\">Back to your platform</a></p>\n");
        return r < 0 ? r : buf_append_str(b, "</main>\n</body>\n</html>\n");
}

static int put_denial_json(struct buf *b, enum admit_denial denial)
{
        return buf_printf(b, "{\"status\":403,\"code\":\"%s\",\"error\":\"%s. %s\"}\n",
                          denials[denial].code, denials[denial].title, denials[denial].text);
}

int page_write_denial(struct buf *out, enum admit_denial denial, const char *platform,
                      struct page_form form)
{
        AUTO_BUF body = BUF_INIT(PAGE_MAX);
        int r = form.html ? put_denial_html(&body, denial, platform)
                          : put_denial_json(&body, denial);

        form.keep_alive = false;
        if (r < 0)
                return r;
        return put_answer(out, 403, form.html ? "text/html" : "application/json", &body, form,
                          form.html ? DENIAL_POLICY : "");
}
