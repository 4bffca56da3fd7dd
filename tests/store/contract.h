/*
 * The contract of store.h, as cases that hold for every kind of store. Each gets an empty store and
 * leaves an empty one behind.
 */
#pragma once

void contract_run(const char *url);
