/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of a command that runs on (server, agent): one table of flags, each of which can also be given in the
 * environment and in a file:
 *
 *     --node-grace 40        KNARR_NODE_GRACE=40        node-grace: 40
 *
 * A flag wins over the environment, the environment over the file, the file over the default. A list is taken from one
 * of them whole; in the environment its items are separated by commas.
 *
 * The file is what --config names (then it must be there), else HOME/COMMAND.yaml, else /etc/knarr/COMMAND.yaml; a
 * table has the rows "config" and "home" (FLAG_TEXT).
 */
#ifndef KNARR_CLI_OPTIONS_H
#define KNARR_CLI_OPTIONS_H

#include <stdio.h>

#include "cli/flags.h"
#include "lib/pool.h"

#define OPTIONS_MAX     64
#define OPTIONS_SYSTEM  "/etc/knarr"
#define OPTIONS_ENV_MAX 64

/* The targets hold the defaults and get the values; texts live in `pool` or in argv and the environment. argv[0] is the
 * command's name. False after one line on standard error. */
bool options_read(const struct flag *flags, struct pool *pool, int argc, char **argv);
/* Reads what options_read would, from a file's text; `given` marks rows that are not to be touched. ERROR_BAD_REQUEST
 * with the line. */
int options_read_file(const struct flag *flags, struct pool *pool, struct slice text, const bool *given,
                      struct error *err);
/* The name of the option's environment variable. */
void options_environment_name(const struct flag *flag, char ret_name[OPTIONS_ENV_MAX]);
/* The table, with the defaults that its targets hold. */
void options_help(FILE *to, const char *command, const struct flag *flags);

#endif
