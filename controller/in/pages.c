#include "in/pages.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "in/page_files.h"

/* Who ends what a page shows. */
enum page_kind {
        PAGE_FINAL,   /* nobody */
        PAGE_WAITS,   /* it ends by itself, soon */
        PAGE_WATCHES, /* it ends by itself, some time */
        PAGE_ASKS,    /* a click; or it is resumed from elsewhere */
        PAGE_AGAIN,   /* a click, which was refused this time */
};

static const struct {
        const char *phase;
        int status;
        uint32_t retry_s;
        enum page_kind kind;
        const char *title;
        const char *text;
} pages[] = {
#define PAGE(id, phase, status, retry_s, kind, title, text)                                        \
        [PAGE_##id] = {phase, status, retry_s, PAGE_##kind, title, text},
#include "in/pages.def"
#undef PAGE
};

static_assert(ARRAY_LEN(pages) == PAGE_MAX, "one entry per page");

const char *page_phase(enum page_id id)
{
        return pages[id].phase;
}

int page_status(enum page_id id)
{
        return pages[id].status;
}

uint32_t page_retry_s(enum page_id id)
{
        return pages[id].retry_s;
}

const char *page_text(enum page_id id)
{
        return pages[id].text;
}

bool page_waits(enum page_id id)
{
        return pages[id].kind == PAGE_WAITS;
}

int page_escape(const char *text, struct buf *out)
{
        static const struct {
                char c;
                const char *entity;
        } special[] = {
                {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"},
        };
        int r = 0;

        while (*text && r == 0) {
                size_t n = strcspn(text, "&<>\"'");
                r = buf_append(out, text, n);
                text += n;
                for (size_t i = 0; r == 0 && *text && i < ARRAY_LEN(special); i++) {
                        if (special[i].c == *text)
                                r = buf_append_str(out, special[i].entity);
                }
                text += *text != 0;
        }
        return r;
}

static bool page_looks(enum page_id id)
{
        return pages[id].kind == PAGE_WAITS || pages[id].kind == PAGE_WATCHES ||
               pages[id].kind == PAGE_ASKS;
}

static int put_head(enum page_id id, const struct page_view *v, struct buf *out)
{
        int r = buf_printf(out,
                           "<!doctype html><html lang=en><head><meta charset=utf-8>"
                           "<meta name=viewport content=\"width=device-width,initial-scale=1\">"
                           "<meta name=robots content=noindex><title>%s</title>%s<style nonce=%s>",
                           pages[id].title,
                           pages[id].kind == PAGE_WAITS
                                   ? "<noscript><meta http-equiv=refresh content=3></noscript>"
                                   : "",
                           v->nonce);

        if (r == 0)
                r = buf_append(out, gateway_page_css, gateway_page_css_len);
        if (r == 0)
                r = buf_printf(
                        out,
                        "</style></head><body data-phase=%s data-base=\"%s\"><main>"
                        "<svg class=mark viewBox=\"0 0 44 44\" fill=none stroke=currentColor "
                        "stroke-width=3 stroke-linecap=round stroke-linejoin=round "
                        "aria-hidden=true><rect x=3 y=6 width=38 height=32 rx=6 />"
                        "<path d=\"M12 17l6 5-6 5M22 28h10\"/></svg>"
                        "<h1>%s</h1><p>%s</p>",
                        pages[id].phase, v->base, pages[id].title, pages[id].text);
        return r;
}

/* How far it is: a bar that says how much where that is known. The policy allows no style here. */
static int put_bar(const struct page_view *v, struct buf *out)
{
        int r = buf_printf(out,
                           "<div id=bar class=\"bar%s\" role=progressbar aria-label=Progress "
                           "aria-valuemin=0 aria-valuemax=100",
                           v->permille < 0 ? " any" : "");

        if (r == 0 && v->permille >= 0)
                r = buf_printf(out, " aria-valuenow=%d", v->permille / 10);
        return r == 0 ? buf_printf(out,
                                   "><svg width=100%% height=100%%><rect width=%d%% height=100%% "
                                   "rx=4 /></svg></div>",
                                   v->permille < 0 ? 30 : v->permille / 10)
                      : r;
}

static int put_steps(const struct page_view *v, struct buf *out)
{
        static const char *const names[PAGE_STEPS] = {"A place for you", "Your files",
                                                      "The application"};
        int r = buf_append_str(out, "<ol>");

        for (unsigned i = 0; r == 0 && i < PAGE_STEPS; i++)
                r = buf_printf(out, "<li%s>%s</li>",
                               i + 1 < v->step    ? " class=done"
                               : i + 1 == v->step ? " class=now aria-current=step"
                                                  : "",
                               names[i]);
        return r == 0 ? buf_append_str(out, "</ol>") : r;
}

/* POST, so that no restored tab, prefetch or reload does it; and good for this life only. */
static int put_button(enum page_id id, const struct page_view *v, struct buf *out)
{
        int r = buf_printf(out, "<form method=post action=\"%s/_workspace/resume?life=%llu",
                           v->base, (unsigned long long)v->life);

        if (r == 0 && v->ticket[0])
                r = buf_append_str(out, "&amp;ws_access=");
        if (r == 0)
                r = page_escape(v->ticket, out);
        return r == 0 ? buf_printf(out, "\"><button type=submit%s</button></form>",
                                   pages[id].kind == PAGE_ASKS ? " autofocus>Resume" : ">Try again")
                      : r;
}

static int put_middle(enum page_id id, const struct page_view *v, struct buf *out)
{
        int r = 0;

        if (v->place && id == PAGE_QUEUED)
                r = buf_printf(out, "<p class=place role=status>Place <b id=place>%u</b></p>",
                               v->place);
        if (r == 0 && pages[id].kind == PAGE_WAITS)
                r = put_bar(v, out);
        if (r == 0 && v->step && id == PAGE_STARTING)
                r = put_steps(v, out);
        if (r == 0 && (v->detail[0] || page_looks(id))) {
                r = buf_append_str(out, "<p id=detail class=soft>");
                if (r == 0)
                        r = page_escape(v->detail, out);
                if (r == 0)
                        r = buf_append_str(out, "</p>");
        }
        if (r == 0 && (pages[id].kind == PAGE_ASKS || pages[id].kind == PAGE_AGAIN))
                r = put_button(id, v, out);
        return r;
}

static int put_foot(enum page_id id, const struct page_view *v, struct buf *out)
{
        bool waits = pages[id].kind == PAGE_WAITS;
        int r;

        if (!v->name[0] && !waits)
                return 0;
        r = buf_append_str(out, "<footer class=soft><span>");
        if (r == 0 && v->name[0])
                r = buf_append_str(out, "Workspace: ");
        if (r == 0)
                r = page_escape(v->name, out);
        return r == 0 ? buf_printf(out, "</span>%s</footer>",
                                   waits ? "<span id=waited></span>" : "")
                      : r;
}

int page_render(enum page_id id, const struct page_view *v, struct buf *out)
{
        int r = put_head(id, v, out);

        if (r == 0)
                r = put_middle(id, v, out);
        if (r == 0)
                r = put_foot(id, v, out);
        if (r == 0)
                r = buf_append_str(out, "</main>");
        if (r == 0 && page_looks(id)) {
                r = buf_printf(out, "<script nonce=%s>", v->nonce);
                if (r == 0)
                        r = buf_append(out, gateway_page_js, gateway_page_js_len);
                if (r == 0)
                        r = buf_append_str(out, "</script>");
        }
        return r == 0 ? buf_append_str(out, "</body></html>\n") : r;
}
