/* SPDX-License-Identifier: Apache-2.0 */
/* The one file that sees every folder: it puts their commands into one table. */
#include "cli/cli.h"
#include "main/agent.h"
#include "main/backup.h"
#include "main/server.h"

int main(int argc, char **argv)
{
    const struct cli_command *const tables[] = {server_commands, agent_commands, backup_commands, cli_commands};

    return cli_main(tables, sizeof(tables) / sizeof(tables[0]), argc, argv);
}
