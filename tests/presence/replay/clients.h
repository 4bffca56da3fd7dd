/*
 * The clients' connections of a recording, as the gate sees them: request after request, each
 * judged by the door, and what passes shown to the observer. Nothing is relayed. One thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/mono.h"
#include "decode/observer.h"
#include "recording.h"

struct clients;

struct clients_counts {
        uint32_t connections; /* opened so far */
        uint64_t requests;    /* heads that passed the door */
        uint64_t refused;     /* heads that did not, or that the gate answers itself */
        uint64_t upgrades;    /* answered with 101 */
};

/* The observer is kept by pointer. NULL: no memory. */
struct clients *clients_new(struct observer *o);
/* Ends all watches. */
struct clients *clients_free(struct clients *c, mono_t now);

/* OPEN, UP, DOWN, END, CLOSE; others are not for it. */
void clients_event(struct clients *c, const struct event *e, mono_t now);
struct clients_counts clients_count(const struct clients *c);
