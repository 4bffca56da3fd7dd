/*
 * Allocations of the program, counted and refused (ld --wrap): a step of the core must make none,
 * and core_new must survive each of its own failing.
 */
#pragma once

#include <stdbool.h>

/* From now on an allocation, or a release, is "invariant: allocation in a step"; or no more. */
void alloc_forbid(bool on);
/* The nth allocation from now on fails, once; 0: none does. */
void alloc_fail_at(unsigned n);
