/* SPDX-License-Identifier: Apache-2.0 */
/* Command line: `knarr COMMAND ...`. A command is a row; folders above add rows of their own through main. */
#ifndef KNARR_CLI_CLI_H
#define KNARR_CLI_CLI_H

struct cli_command {
    const char *name;
    const char *arguments; /* "[flags] NAME", for usage */
    const char *summary;   /* one line */
    /* argv[0] is the command's name. Returns the exit code: 0 done, 1 failed, 2 wrong usage. */
    int (*run)(int argc, char **argv);
};

/* get, apply, delete, logs, token, version. Ends with a row of NULLs. */
extern const struct cli_command cli_commands[];

#endif
