/* SPDX-License-Identifier: Apache-2.0 */
/* The one file that sees every folder and wires them together. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

int main(int argc, char **argv)
{
    const struct cli_command *c = cli_commands;

    if (argc < 2) {
        (void)fprintf(stderr, "usage: knarr COMMAND\n");
        return 2;
    }
    while (c->name && strcmp(c->name, argv[1]) != 0)
        c++;
    if (!c->name) {
        (void)fprintf(stderr, "knarr: no command '%s'; try 'knarr help'\n", argv[1]);
        return 2;
    }
    return c->run(argc - 1, argv + 1);
}
