/* The price file as it was when wsctl was built: made by ws_embed. */
#pragma once

#include <stddef.h>

extern const unsigned char price_prices_us_east_1_json[];
extern const size_t price_prices_us_east_1_json_len;
