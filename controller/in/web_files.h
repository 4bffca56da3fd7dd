/* The page's files, built into the program from controller/web at build time (embed.cmake). */
#pragma once

#include <stddef.h>

extern const unsigned char web_index_html[];
extern const size_t web_index_html_len;
extern const unsigned char web_app_js[];
extern const size_t web_app_js_len;
extern const unsigned char web_style_css[];
extern const size_t web_style_css_len;
extern const unsigned char web_openapi_json[];
extern const size_t web_openapi_json_len;
