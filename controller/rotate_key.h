/* `wscontroller rotate-key`: a new master key, in place of the present one after a while. */
#pragma once

/* The program's exit status. */
int rotate_key_main(int argc, char **argv);
