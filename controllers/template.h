/* SPDX-License-Identifier: Apache-2.0 */
/* Pod templates: whether two are the same, and a name for one. */
#ifndef KNARR_CONTROLLERS_TEMPLATE_H
#define KNARR_CONTROLLERS_TEMPLATE_H

#include "api/scan.h"

#define TEMPLATE_HASH_LABEL "pod-template-hash"
#define TEMPLATE_HASH_MAX   11

/* Appends the template in a canonical form: members sorted, empty ones dropped, the hash label left out. Two templates
 * mean the same exactly when these bytes are equal. */
void template_canonical(struct slice template, struct buf *out);
/* Ten characters of upstream's safe alphabet, a function of the canonical bytes and the number of collisions so far. */
void template_hash(struct slice canonical, int64_t collisions, char ret_text[TEMPLATE_HASH_MAX]);

#endif
