/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration file: one YAML mapping of a key to a scalar or to a list of scalars, and nothing deeper. Scalars are
 * handed on as they are written, so that an option reads a file as it reads its flag.
 */
#ifndef KNARR_LIB_CONFIG_FILE_H
#define KNARR_LIB_CONFIG_FILE_H

#include "lib/bytes.h"
#include "lib/error.h"

#define CONFIG_FILE_BYTES_MAX  (1u << 20)
#define CONFIG_FILE_VALUES_MAX 64 /* of one key */

struct config_entry {
    size_t line; /* from 1, of the key */
    const char *key;
    const char *const *values; /* of a scalar: one; the texts live during the call */
    size_t count;
    bool list;
};

/* Calls fn for each key, in order; an empty file has none. Stops when fn fails. ERROR_BAD_REQUEST begins with "line N:
 * " when it is the file's fault (YAML, nesting, a key twice, too many values). */
int config_file_each(struct slice text, int (*fn)(void *arg, const struct config_entry *entry, struct error *err),
                     void *arg, struct error *err);

#endif
