/* SPDX-License-Identifier: Apache-2.0 */
/* Command line: `knarr COMMAND ...`. A command is a row; main adds the rows of the folders above (server, agent). */
#ifndef KNARR_CLI_CLI_H
#define KNARR_CLI_CLI_H

#include <stddef.h>
#include <stdio.h>

struct cli_command {
    const char *name;
    const char *arguments; /* "[flags] NAME", for usage */
    const char *summary;   /* one line */
    /* argv[0] is the command's name. Returns the exit code: 0 done, 1 failed, 2 wrong usage. */
    int (*run)(int argc, char **argv);
    void (*help)(FILE *to); /* all its options, for `knarr help NAME`; NULL = the usage says it all */
};

/* get, apply, delete, logs, wait, token, version. Ends with a row of NULLs. */
extern const struct cli_command cli_commands[];

/* Finds argv[1] in the tables (each ends with a row of NULLs) and runs it; prints usage for nothing, "help", "help
 * NAME" and "NAME --help". */
int cli_main(const struct cli_command *const *tables, size_t table_count, int argc, char **argv);

#endif
