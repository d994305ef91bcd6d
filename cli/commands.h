/* SPDX-License-Identifier: Apache-2.0 */
/* The commands; each is one file. */
#ifndef KNARR_CLI_COMMANDS_H
#define KNARR_CLI_COMMANDS_H

#include <stdio.h>

int cli_get(int argc, char **argv);
int cli_apply(int argc, char **argv);
int cli_delete(int argc, char **argv);
int cli_describe(int argc, char **argv);
int cli_events(int argc, char **argv);
int cli_scale(int argc, char **argv);
int cli_top(int argc, char **argv);
int cli_exec(int argc, char **argv);
int cli_history(int argc, char **argv);
int cli_rewind(int argc, char **argv);
void cli_rewind_help(FILE *to);
int cli_logs(int argc, char **argv);
int cli_wait(int argc, char **argv);
int cli_token(int argc, char **argv);
int cli_version(int argc, char **argv);

#endif
