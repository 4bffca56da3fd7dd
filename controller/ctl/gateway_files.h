/* The gateway's template, built into wsctl from images/gateway (embed.cmake). */
#pragma once

#include <stddef.h>

extern const unsigned char gateway_nginx_conf_in[];
extern const size_t gateway_nginx_conf_in_len;
