/* The controllers of the list: who answers a dialling, and with what. */
#include "base/str.h"
#include "link_world_internal.h"
#include "test.h"

/* A follower takes nothing. */
void world_refuse(struct world *w, enum state_line line)
{
        static struct wire_msg reply;

        w->hosts[w->at].hellos++;
        reply = (struct wire_msg){.type = WIRE_REFUSED};
        /* Of what was sent last on that line. */
        reply.refused.re = w->s.sent_seq[line];
        reply.refused.retry_ms = 1000;
        STR_CUT(reply.refused.code, "not-leader");
        STR_CUT(reply.refused.leader, w->hosts[w->at].leader ? w->hosts[w->at].leader : "");
        world_answer(w, line, &reply);
}

void world_dial(struct world *w, const char *url)
{
        int host = 0;

        CHECK(w->at < 0 || !w->urls);
        w->dials++;
        w->dialled_at = w->now;
        /* With one controller the test says when it is reached. */
        if (!w->urls)
                return;
        while (strcmp(w->s.route.url[host], url) != 0)
                CHECK(++host < (int)w->s.route.n);
        world_note(w, "dial %d\n", host);
        w->hosts[host].dials++;
        if (w->hosts[host].does != WORLD_FROZEN)
                world_later(w, 1, WORLD_DIALLED, host);
}

void world_hang_up(struct world *w)
{
        if (!w->urls)
                return;
        world_note(w, "hang-up\n");
        world_later(w, 0, WORLD_HUNG_UP, 0);
}

void world_dialled(struct world *w, int host)
{
        if (w->hosts[host].does == WORLD_REFUSES) {
                world_give(w, &(struct state_event){.type = STATE_DIAL_FAILED});
                return;
        }
        w->at = host;
        world_reconnect(w);
}

void world_hung_up(struct world *w)
{
        bool up = w->at >= 0;

        w->at = -1;
        world_forget_pending(w, WORLD_DIALLED);
        if (up)
                world_cut(w);
        else
                world_give(w, &(struct state_event){.type = STATE_DIAL_FAILED});
}

void world_host(struct world *w, int host, enum world_host does, bool cut)
{
        w->hosts[host].does = does;
        if (!cut || w->at != host)
                return;
        w->at = -1;
        world_cut(w);
}

void world_init_several(struct world *w, const char *urls, uint64_t seed)
{
        world_prepare(w);
        w->urls = urls;
        w->seed = seed;
        w->reachable = false;
        w->at = -1;
        world_boot_link(w);
        world_tell(w, CONTROL_STATE, 0, 0, 0, "");
}
