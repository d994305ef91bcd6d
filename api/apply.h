/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apply: one configuration of an object goes into what is stored. Structs and maps are merged member by member, lists
 * whose items can be told apart item by item, all else is replaced; what the same manager applied before and leaves out
 * now goes, unless somebody else owns it too.
 */
#ifndef KNARR_API_APPLY_H
#define KNARR_API_APPLY_H

#include "api/fieldset.h"

/* Takes the nulls out of a configuration that say nothing: all but those that a custom resource's schema allows
 * (`nullable`), and those where nothing is described. */
void apply_drop_nulls(const struct schema_type *type, struct value *config);
/* `live` with what `config` (which fieldset_of has judged) sets. The caller's. Order of lists: as both say, where they
 * differ as the configuration says. */
struct value *apply_merge(const struct schema_type *type, const struct value *live, const struct value *config);
/* Takes from `object` what is in `last` and not in `owned`, with all below it. apiVersion, kind and metadata itself
 * stay. */
void apply_prune(const struct schema_type *type, struct value *object, const struct fieldset *last,
                 const struct fieldset *owned);

#endif
