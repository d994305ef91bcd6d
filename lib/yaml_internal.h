/* SPDX-License-Identifier: Apache-2.0 */
/* What yaml's two directions share. Private to lib/yaml*.c. */
#ifndef KNARR_LIB_YAML_INTERNAL_H
#define KNARR_LIB_YAML_INTERNAL_H

#include "lib/bytes.h"

/* Appends the JSON of a plain scalar that is null, a boolean or a number; false (and nothing appended) when it is text.
 */
bool yaml_write_plain(struct buf *out, struct slice text);

#endif
