/*
 * A stand-in for the decision core and its shell, driven by the test: what a workspace does next is
 * said by commands, not by timing, so that every state can be looked at from outside.
 */
#pragma once

#include "shell.h"

struct shell *fake_shell_new(struct loop *l);
struct shell *fake_shell_free(struct shell *s);
/*
 * One command line: "state ID STATE [reason]", "task ID STATE", "addr ID HOST:PORT", "unsaved ID
 * MS", "auto 0|1" (launches become ready by themselves), "writable 0|1", "replies 0|1" (commits
 * hang), "lead 0|1", "leader URL", "event WHAT", "drain 0|1", "pid"; evidence: "person ID SOURCE
 * AGE", "job ID NAME 2m", "browser ID never|left AGE", "confidence ID WORD", "unknown ID N";
 * "stopping ID REASON" and "stopped ID REASON" write to the history. false: unknown.
 */
bool fake_command(struct shell *s, char *line);
