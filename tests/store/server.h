/* The test's own PostgreSQL server: tests/store/postgres in a temporary folder. */
#pragma once

#include <stdint.h>

/* Starts it, to be removed when the test program has ended; ends the test program with 77 and a
 * reason when there is no PostgreSQL. */
void server_init(const char *script);
/* `postgres DIR <rest>`; ends the test when it fails. */
void server_do(const char *rest);
/* As the superuser. */
void server_sql(const char *sql);
/* The first value of the answer. */
long server_number(const char *sql);
/* The server's or a proxy's address, with what follows "?" (NULL: nothing). Static, 8 of them. */
const char *server_url(uint16_t port, const char *options);
uint16_t server_port(void);
/* A file in the server's folder. Static, stays. */
const char *server_file(const char *name);
