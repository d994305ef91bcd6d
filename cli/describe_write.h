/* SPDX-License-Identifier: Apache-2.0 */
/* An object as text for people: all kinds by the same rules, from the object and its schema. */
#ifndef KNARR_CLI_DESCRIBE_WRITE_H
#define KNARR_CLI_DESCRIBE_WRITE_H

#include "api/schema.h"
#include "api/value.h"

/* now_ns: for ages (wall clock). The values of Secrets are shown by their sizes only. Pure. */
void describe_write(const struct schema_kind *kind, const struct value *object, int64_t now_ns, struct buf *out);
/* "podIP" as a heading: "Pod IP". */
void describe_title(struct slice name, struct buf *out);

#endif
