/* The subcommands of wsagent, one file each. Exit codes are the program's. */
#pragma once

int init_main(int argc, char **argv);        /* init.c: the roles of a workspace */
int run_main(int argc, char **argv);         /* run.c: one command */
int healthcheck_main(int argc, char **argv); /* healthcheck.c */
