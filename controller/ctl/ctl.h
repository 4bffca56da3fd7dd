/* wsctl inside: what the command line said, and what the commands share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "doc.h"

/* Exit codes; documented in help.c. */
enum ctl_exit {
        CTL_OK = 0,
        CTL_FAILED = 1,      /* refused, or it did not happen */
        CTL_USAGE = 2,       /* the command line is wrong */
        CTL_UNREACHABLE = 3, /* no controller answers */
        CTL_DENIED = 4,      /* the token is nobody's, or has not the role */
};

struct ctl {
        /* options, filled in by main.c from its table */
        const char *socket;
        const char *state_dir;
        const char *address, *token_file, *ca_file;
        const char *type, *name, *tenant;
        const char *settings, *template, *listen, *run_dir, *user, *controllers, *tls_certificate,
                *tls_key;
        uint64_t wait_s, after, port, workers, http_port, hsts;
        const char *reason, *at, *if_match;
        const char *preset, *prices, *launches, *svg, *csv, *arrival, *arch, *policy, *weekdays,
                *title;
        uint64_t column;
        struct {
#define FIELD(name, otherwise, least, most, whole, doc) const char *name;
#include "plan/field.def"
#undef FIELD
        } plan; /* the fields of a plan, as text */
        bool ascii, print_prices;
        const char *state_is, *user_is, *label, *idle_over, *sort, *columns, *check_file, *dir,
                *give_up;
        uint64_t interval_s;
        bool watch, changed;
        bool json, follow, wait, has_wait, hard, off, wide;
        /* arguments behind the command */
        const char *argument; /* NULL for none */
        const char *file;     /* a second one */
        /* made of them */
        char url[512];
        char state[400];
        char remote[400]; /* the address of the API, without '/' at its end; "": the socket */
        bool color;
        bool brief; /* whoever asks does not wait longer than CTL_BRIEF_MS */
};

#define CTL_BRIEF_MS 3000
#define CTL_INTERVAL_S 2

/* Where the controller is, from the options and the environment. -1: c->remote or c->url; else an
 * exit code, printed. */
int ctl_locate(struct ctl *c);
bool ctl_is_workspace_id(const char *s);

/* {"cmd":…,"workspace":…}, the latter unless it is NULL; the caller frees it. */
struct doc *ctl_request_new(const char *cmd, const char *workspace);
/* Ask; on anything but a good answer the reason is printed and *ret_answer stays untouched. */
enum ctl_exit ctl_ask(const struct ctl *c, const struct doc *request, int64_t wait_ms,
                      struct doc **ret_answer);
/* As ctl_ask, but says nothing; the answer may be {"error":…}. */
enum ctl_exit ctl_ask_quietly(const struct ctl *c, const struct doc *request, int64_t wait_ms,
                              struct doc **ret_answer);
/* With --json: print the answer and return true. */
bool ctl_print_json(const struct ctl *c, const struct doc *answer);

/* show.c: tables */
void show_tasks(const struct ctl *c, const struct doc *answer);
void show_pools(const struct ctl *c, const struct doc *answer);
void show_why(const struct ctl *c, const struct doc *answer);
void show_modes(const struct ctl *c, const struct doc *answer);
void show_status(const struct ctl *c, const struct doc *answer);
void show_saves(const struct ctl *c, const struct doc *answer);
/* "247 B", "1.2 MB". */
void show_size(double bytes, char *dst, size_t size);
void show_events(const struct ctl *c, const struct doc *answer);

/* ps.c */
enum ctl_exit command_ps(const struct ctl *c);
/* top.c */
enum ctl_exit command_top(const struct ctl *c);
/* about.c */
enum ctl_exit command_version(const struct ctl *c);
enum ctl_exit command_kpi(const struct ctl *c);
enum ctl_exit command_config(const struct ctl *c);
enum ctl_exit command_resume(const struct ctl *c);
/* complete.c */
enum ctl_exit command_completion(const struct ctl *c);
/* What may stand for the last of these words, a line each: value, tab, description. */
enum ctl_exit complete_words(int n, char **words);
/* man.c */
enum ctl_exit command_man(const struct ctl *c);
/* commands.c */
enum ctl_exit command_pool(const struct ctl *c);
enum ctl_exit command_tasks(const struct ctl *c);
enum ctl_exit command_launch(const struct ctl *c);
enum ctl_exit command_stop(const struct ctl *c);
enum ctl_exit command_delete(const struct ctl *c);
enum ctl_exit command_why(const struct ctl *c);
enum ctl_exit command_events(const struct ctl *c);
enum ctl_exit command_status(const struct ctl *c);
enum ctl_exit command_abandon(const struct ctl *c);
enum ctl_exit command_pause(const struct ctl *c);
enum ctl_exit command_maintenance(const struct ctl *c);
enum ctl_exit command_drain(const struct ctl *c);
enum ctl_exit command_shutdown(const struct ctl *c);
enum ctl_exit command_saves(const struct ctl *c);
enum ctl_exit command_restore(const struct ctl *c);
enum ctl_exit command_pin(const struct ctl *c);
enum ctl_exit command_unpin(const struct ctl *c);
/* export.c */
enum ctl_exit command_export(const struct ctl *c);
/* timetable.c */
enum ctl_exit command_timetable(const struct ctl *c);
/* plan.c */
enum ctl_exit command_plan(const struct ctl *c);
/* letters.c */
enum ctl_exit command_dead_letters(const struct ctl *c);
/* kept.c */
enum ctl_exit command_kept(const struct ctl *c);
/* nginx.c */
enum ctl_exit command_nginx_config(const struct ctl *c);
