/* SPDX-License-Identifier: Apache-2.0 */
/* What Update and Apply share. Private to api/. */
#ifndef KNARR_API_MANAGED_INTERNAL_H
#define KNARR_API_MANAGED_INTERNAL_H

#include "api/managed.h"

/* The entry of that identity (all but time and fields of `identity` count), or NULL. */
struct managed_entry *managed_find(const struct managed *m, const struct managed_entry *identity);
/* ... made, without fields, when there is none. */
struct managed_entry *managed_need(struct pool *pool, struct managed *m, const struct managed_entry *identity);
void managed_drop_empty(struct managed *m);
/* Without what nobody owns. */
const struct fieldset *managed_ownable(struct pool *pool, const struct fieldset *fields);
/* All but one lose what changed. */
void managed_take_from(struct pool *pool, struct managed *m, const struct managed_entry *except,
                       const struct fieldset_change *change);

#endif
