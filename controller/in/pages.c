#include "in/pages.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

static const struct {
        const char *phase;
        int status;
        const char *title;
        const char *text;
} pages[] = {
#define PAGE(id, phase, status, title, text) [PAGE_##id] = {phase, status, title, text},
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

const char *page_text(enum page_id id)
{
        return pages[id].text;
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

static bool page_waits(enum page_id id)
{
        switch (id) {
        case PAGE_STARTING:
        case PAGE_CONNECTING:
        case PAGE_SAVING:
        case PAGE_RECOVERING:
        case PAGE_STOPPED: /* it may be resumed from elsewhere */
        case PAGE_ATTENTION:
                return true;
        case PAGE_NO_ACCESS:
        case PAGE_UNKNOWN:
        case PAGE_DELETED:
        case PAGE_MAX:
                break;
        }
        return false;
}

static bool page_counts(enum page_id id)
{
        return page_waits(id) && id != PAGE_STOPPED && id != PAGE_ATTENTION;
}

static const char style[] =
        ":root{color-scheme:light dark}"
        "body{margin:0;min-height:100vh;display:grid;place-items:center;"
        "font:1.05rem/1.55 system-ui,sans-serif;background:Canvas;color:CanvasText}"
        "main{max-width:34rem;padding:2rem}h1{font-size:1.5rem;line-height:1.25;margin:0 0 .75rem}"
        "p{margin:.5rem 0}.d{opacity:.8;font-size:.95rem;overflow-wrap:anywhere}"
        ".bar{height:4px;border-radius:2px;background:#8886;overflow:hidden;margin:1.25rem 0}"
        ".bar i{display:block;height:100%;width:30%;background:#2563eb;"
        "animation:m 1.4s ease-in-out infinite alternate}@keyframes m{to{margin-left:70%}}"
        "@media (prefers-reduced-motion:reduce){.bar i{animation:none;width:100%}}"
        "button{font:inherit;padding:.6rem 1.4rem;border:0;border-radius:.4rem;background:#1d4ed8;"
        "color:#fff;cursor:pointer}button:focus-visible{outline:3px solid #f59e0b;"
        "outline-offset:2px}";

/*
 * Ask once a second; open the workspace when it is ready, show the right page when the state is
 * another one, and how far the files are. The first answer may come from the workspace itself: it
 * says "phase":"ready".
 */
static const char script[] =
        "(()=>{'use strict';const now=document.body.dataset.phase,t0=Date.now(),"
        "w=document.getElementById('w'),d=document.getElementById('d');"
        "const f=document.querySelector('form');if(f)f.action+=location.search;"
        "const look=async()=>{try{const r=await "
        "fetch('/_workspace/status'+location.search,{cache:'no-store',"
        "credentials:'same-origin',headers:{Accept:'application/json'}});"
        "const j=await r.json();"
        "if(j.phase!==now&&j.state!==now){location.reload();return}"
        "d.textContent=j.detail||''}catch(e){}"
        "setTimeout(look,1000)};"
        "if(w)setInterval(()=>{w.textContent='Waiting for '+Math.round((Date.now()-t0)/1000)+' s'},"
        "1000);setTimeout(look,1000)})();";

static int render_middle(enum page_id id, struct buf *out)
{
        int r = 0;

        if (page_counts(id))
                r = buf_append_str(out, "<div class=bar aria-hidden=true><i></i></div>"
                                        "<p id=w class=d></p>");
        if (r == 0 && id == PAGE_STOPPED)
                r = buf_append_str(out, "<form method=post action=/_workspace/resume>"
                                        "<button type=submit autofocus>Resume</button></form>");
        return r;
}

int page_render(enum page_id id, const char *name, const char *detail, const char *nonce,
                struct buf *out)
{
        int r = buf_printf(
                out,
                "<!doctype html><html lang=en><head><meta charset=utf-8>"
                "<meta name=viewport content=\"width=device-width,initial-scale=1\">"
                "<title>%s</title>%s<style nonce=%s>%s</style></head>"
                "<body data-phase=%s><main><h1 role=status>%s</h1><p>%s</p>",
                pages[id].title,
                page_counts(id) ? "<noscript><meta http-equiv=refresh content=3></noscript>" : "",
                nonce, style, pages[id].phase, pages[id].title, pages[id].text);

        if (r == 0)
                r = render_middle(id, out);
        if (r == 0 && name[0])
                r = buf_append_str(out, "<p class=d>Workspace: ");
        if (r == 0 && name[0])
                r = page_escape(name, out);
        if (r == 0 && (detail[0] || page_waits(id)))
                r = buf_append_str(out, "<p id=d class=d>");
        if (r == 0 && detail[0])
                r = page_escape(detail, out);
        if (r == 0)
                r = buf_append_str(out, "</main>");
        if (r == 0 && page_waits(id))
                r = buf_printf(out, "<script nonce=%s>%s</script>", nonce, script);
        return r == 0 ? buf_append_str(out, "</body></html>\n") : r;
}
