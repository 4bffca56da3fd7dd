/* The page's files, built into the program from controller/web at build time (embed.cmake). */
#pragma once

#include <stddef.h>

#define WEB_FILE(name, id, type)                                                                   \
        extern const unsigned char web_##id[];                                                     \
        extern const size_t web_##id##_len;
#include "in/web_file.def"
#undef WEB_FILE
