/* SPDX-License-Identifier: Apache-2.0 */
/* Folders as far as power losses concern them. It blocks. */
#ifndef KNARR_LIB_FOLDER_H
#define KNARR_LIB_FOLDER_H

#include "lib/error.h"

/* Makes the names in the folder durable: a file that was made or renamed there is found again after a power loss,
 * however durable what is in it, only when its folder was synced since. ERROR_NO_SPACE, ERROR_IO. */
int folder_sync(const char *path, struct error *err);

#endif
