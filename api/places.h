/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places: lists of fields, as a subresource says which ones it writes (struct schema_subresource):
 * "spec.containers.resources,spec.containers.resizePolicy". Where a step leads to a list, each of its items is meant;
 * items are told apart by their `name`. Pure.
 */
#ifndef KNARR_API_PLACES_H
#define KNARR_API_PLACES_H

#include "api/fieldset.h"

/* Gives `to` what `from` has at the places, absence too. A list on the way that has other items, or has them in another
 * order, is taken over as a whole: whoever judges the outcome sees what was asked for. */
void places_take(struct value *to, const struct value *from, const char *places);
/* Removes from the object all but the places and the names of items on the way. */
void places_keep(struct value *object, const char *places);
/* What of the set is at the places or below them; what only leads there (the item of a list, its name) is not. */
const struct fieldset *places_own(struct pool *pool, const struct fieldset *set, const char *places);

#endif
