/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files, for a command line that may block. */
#ifndef KNARR_CLI_FILES_H
#define KNARR_CLI_FILES_H

#include "lib/bytes.h"
#include "lib/error.h"

#define FILE_MAX (64u << 20)

/* "-" is standard input. */
int file_read(const char *path, struct buf *out, struct error *err);
/* Calls fn with the JSON of each document of a file, or of each *.yaml, *.yml and *.json file of a folder (sorted). */
int file_each_document(const char *path, int (*fn)(void *arg, struct slice json, struct error *err), void *arg,
                       struct error *err);

#endif
