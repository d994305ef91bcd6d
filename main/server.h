/* SPDX-License-Identifier: Apache-2.0 */
/* `knarr server`: store, API server, scheduler and controllers in one process. */
#ifndef KNARR_MAIN_SERVER_H
#define KNARR_MAIN_SERVER_H

#include "cli/cli.h"

/* Ends with a row of NULLs. */
extern const struct cli_command server_commands[];

#endif
