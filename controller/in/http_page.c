/* The page's files: built in, or read anew each time when a folder was configured. */
#include "in/http_exchange.h"

#include <stdio.h>

#include "base/fd.h"
#include "in/web_files.h"

/* Nothing from elsewhere, no inline script, nobody may frame it. */
static const char page_csp[] = "default-src 'none'; script-src 'self'; style-src 'self'; "
                               "connect-src 'self'; img-src data:; base-uri 'none'; "
                               "form-action 'none'; frame-ancestors 'none'";

static void answer_file(struct http_exchange *x, const char *name, const char *content_type,
                        const unsigned char *data, size_t len)
{
        char path[512];
        int r;

        if (x->site->config.web_dir) {
                (void)snprintf(path, sizeof(path), "%s/%s", x->site->config.web_dir, name);
                r = file_read(path, &x->res.body);
        } else {
                r = buf_append(&x->res.body, data, len);
        }
        if (r < 0) {
                site_refuse(x, VIEW_ERROR_INTERNAL, "%s can not be read", name);
                return;
        }
        x->res.content_type = content_type;
        x->res.csp = page_csp;
        http_answer(x, 200);
}

void http_page_index(struct http_exchange *x, const char *id)
{
        (void)id;
        answer_file(x, "index.html", "text/html; charset=utf-8", web_index_html,
                    web_index_html_len);
}

void http_page_script(struct http_exchange *x, const char *id)
{
        (void)id;
        answer_file(x, "app.js", "text/javascript; charset=utf-8", web_app_js, web_app_js_len);
}

void http_page_style(struct http_exchange *x, const char *id)
{
        (void)id;
        answer_file(x, "style.css", "text/css; charset=utf-8", web_style_css, web_style_css_len);
}

void http_page_openapi(struct http_exchange *x, const char *id)
{
        (void)id;
        answer_file(x, "openapi.json", "application/json", web_openapi_json, web_openapi_json_len);
}
