/* The dashboard's files: built in, or read anew each time when a folder was configured. */
#include "in/http_exchange.h"

#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "in/web_files.h"

/* Nothing from elsewhere, no inline script or style, no text becomes markup, nobody may frame it.
 */
static const char page_csp[] = "default-src 'none'; script-src 'self'; style-src 'self'; "
                               "connect-src 'self'; img-src data:; base-uri 'none'; "
                               "form-action 'none'; frame-ancestors 'none'; "
                               "require-trusted-types-for 'script'; trusted-types 'none'";

static const struct file {
        const char *name;
        const unsigned char *data;
        const size_t *len;
        const char *type;
} files[] = {
#define WEB_FILE(name, id, type) {name, web_##id, &web_##id##_len, type},
#include "in/web_file.def"
#undef WEB_FILE
};

static void answer_file(struct http_exchange *x, const struct file *f)
{
        char path[512];
        int r;

        if (x->site->config.web_dir) {
                (void)snprintf(path, sizeof(path), "%s/%s", x->site->config.web_dir, f->name);
                r = file_read(path, &x->res.body);
        } else {
                r = buf_append(&x->res.body, f->data, *f->len);
        }
        if (r < 0) {
                site_refuse(x, VIEW_ERROR_INTERNAL, "%s can not be read", f->name);
                return;
        }
        x->res.content_type = f->type;
        x->res.csp = page_csp;
        http_answer(x, 200);
}

void http_page_file(struct http_exchange *x, const char *name)
{
        for (size_t i = 0; i < ARRAY_LEN(files); i++) {
                if (strcmp(files[i].name, name) == 0) {
                        answer_file(x, &files[i]);
                        return;
                }
        }
        site_refuse(x, VIEW_ERROR_NOT_FOUND, "there is nothing at this address");
}

void http_page_index(struct http_exchange *x, const char *id)
{
        (void)id;
        http_page_file(x, "index.html");
}

void http_page_openapi(struct http_exchange *x, const char *id)
{
        (void)id;
        http_page_file(x, "openapi.json");
}
