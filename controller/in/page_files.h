/* How the gateway's pages look and what they do, built in from images/gateway/pages (embed.cmake).
 */
#pragma once

#include <stddef.h>

extern const unsigned char gateway_page_css[];
extern const size_t gateway_page_css_len;
extern const unsigned char gateway_page_js[];
extern const size_t gateway_page_js_len;
