/* SPDX-License-Identifier: Apache-2.0 */
/* `knarr agent`: one node. */
#ifndef KNARR_MAIN_AGENT_H
#define KNARR_MAIN_AGENT_H

#include "cli/cli.h"

/* Ends with a row of NULLs. */
extern const struct cli_command agent_commands[];

#endif
