/*
 * Who comes to a workspace that has no gate to answer: by the cookies and the link that a browser
 * brings. Reads the exchange, changes nothing.
 */
#pragma once

#include "in/http_exchange.h"

#define VISITOR_QUERY "ws_access=" /* in front of a ticket in a link */

enum visitor {
        VISITOR_NONE,
        VISITOR_LOOKS,  /* is shown how it is, and may wait */
        VISITOR_LINK,   /* and may have it started, by a link */
        VISITOR_COOKIE, /* the same, by a cookie */
};

/*
 * COOKIE: a browser that was in the last life (or in the one before, while it starts again). A
 * cookie opens nothing of a later life: that takes the ticket that resuming gives. LINK: it leads
 * to a life that has not begun, so that no gate can have taken it. LOOKS: a link to the present or
 * last life: it may have been used, which its gate alone knows. `w` may be NULL.
 */
enum visitor visitor_of(const struct http_exchange *x, const struct workspace_row *w);
/* Did the browser bring an access at all, if not a good one? */
bool visitor_brought(const struct http_exchange *x);
/* The ticket of the link, when it is formed like one, whatever it is worth; or "". */
void visitor_ticket(const struct http_exchange *x, char ret_ticket[static ACCESS_SIZE]);
/* Is the link for the life after this one? Who asks while the last save runs gets such. */
bool visitor_later(const struct http_exchange *x, const struct workspace_row *w);
/*
 * The visitor waits: a good ticket with less than half of its time left, made to last longer; ""
 * when there is none, or it has time enough. It stays the same link: the id that the gate remembers
 * is kept, so that it opens the workspace once, whichever of its texts is used.
 */
void visitor_renew(const struct http_exchange *x, const struct workspace_row *w,
                   char ret_ticket[static ACCESS_SIZE]);
