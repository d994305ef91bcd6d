/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a server's home a backup needs beside the store (the keys that nodes and tokens stand on), and a home out of
 * a backup. The rest of a home is made anew at every start.
 */
#ifndef KNARR_MAIN_HOME_H
#define KNARR_MAIN_HOME_H

#include "store/store_backup.h"

#define HOME_KEYS 3

struct home_keys {
    struct store_backup_file files[HOME_KEYS]; /* pki/ca.crt, ca.key and sa.key */
    struct buf bytes[HOME_KEYS];
    size_t count; /* all or none */
};

/* ERROR_NOT_FOUND when one of them is not there, ERROR_IO when it cannot be read. */
int home_keys_read(const char *home, struct home_keys *ret_keys, struct error *err);
void home_keys_clear(struct home_keys *keys);
#define CLEANUP_HOME_KEYS CLEANUP(home_keys_clear)

/* Brings the store, and the keys that the backup holds, into `home`, made (0700) when missing. ERROR_ALREADY_EXISTS
 * when a store or other keys are there, ERROR_UNAVAILABLE when a server runs on it, and the errors of store_restore.
 * After a failure, or a kill at any moment, the home is as it was but for home/restore.tmp, which the next one removes,
 * and keys that are those of the backup. What is restored belongs to whom the home belongs. */
int home_restore(const char *file, const char *home, struct store_backup_info *ret_info, struct error *err);

#endif
