/* How the gateway's pages look, and the gate's with them; built in from images/gateway/pages. */
#pragma once

#include <stddef.h>

extern const unsigned char gateway_page_css[];
extern const size_t gateway_page_css_len;
