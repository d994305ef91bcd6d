/* SPDX-License-Identifier: Apache-2.0 */
/* `knarr backup` and `knarr restore`: they need the store's formats, and a client. */
#ifndef KNARR_MAIN_BACKUP_H
#define KNARR_MAIN_BACKUP_H

#include "cli/cli.h"

extern const struct cli_command backup_commands[];

#endif
