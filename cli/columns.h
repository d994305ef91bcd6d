/* SPDX-License-Identifier: Apache-2.0 */
/* Text in columns: cells are gathered, then printed as wide as the widest of each column. */
#ifndef KNARR_CLI_COLUMNS_H
#define KNARR_CLI_COLUMNS_H

#include "lib/bytes.h"

struct columns {
    size_t per_row;
    char **cells;
    size_t count;
    size_t cap;
};

#define COLUMNS_LOCAL(name, n) struct columns name CLEANUP(columns_clear) = {.per_row = (n)}

/* The next cell, row by row. Control characters become '?': text of others does not steer the terminal. NULL = "". */
void columns_add(struct columns *c, const char *text);
void columns_add_slice(struct columns *c, struct slice text);
void columns_addf(struct columns *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Adds several; the last argument is NULL. */
void columns_add_row(struct columns *c, ...) __attribute__((sentinel));
/* Every line begins with `indent` spaces. */
void columns_write(const struct columns *c, size_t indent, struct buf *out);
void columns_print(const struct columns *c);
void columns_clear(struct columns *c);

#endif
