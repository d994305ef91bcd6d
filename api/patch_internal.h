/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files of the strategic merge share: objects (patch_strategic.c) and lists (patch_order.c). */
#ifndef KNARR_API_PATCH_INTERNAL_H
#define KNARR_API_PATCH_INTERNAL_H

#include "api/patch.h"
#include "lib/map.h"

#define PATCH_DIRECTIVE   "$patch"
#define PATCH_RETAIN_KEYS "$retainKeys"
#define PATCH_SET_ORDER   "$setElementOrder/"
#define PATCH_DELETE_FROM "$deleteFromPrimitiveList/"

/* Where in the schema an object of the patch stands: a struct, a map with values of one field's kind, or nowhere. */
struct patch_scope {
    const struct schema_type *type;
    const struct schema_field *values;
};

struct patch_scope patch_scope_of(const struct schema_field *field);
bool patch_is_directive(struct slice name);
/* Removes nulls and directives. */
void patch_strip(struct value *patch);
/* ERROR_BAD_REQUEST with the piece shown between two texts. */
int patch_bad(struct error *err, const char *before, const struct value *piece, const char *after);

/* Both take the patch apart. */
int patch_merge_object(const struct patch_scope *scope, struct value *target, struct value *patch, struct error *err);
int patch_merge_list(const struct schema_field *field, struct value *list, struct value *patch, bool deletion,
                     struct error *err);

bool patch_list_has_text(const struct value *list, struct slice text);
/* The items of a list's patch must come in the order that $setElementOrder gives. */
int patch_check_order(const struct schema_field *field, const struct value *items, const struct value *order,
                      struct error *err);
/* Where the items of a list stand, by what makes them the same, so that long lists do not cost their square. It keeps
 * nothing of the list. */
struct patch_index {
    struct map map; /* identity as JSON -> place + 1 */
    struct buf scratch;
};
void patch_index_build(const struct schema_field *field, struct patch_index *x, const struct value *list);
void patch_index_free(struct patch_index *x);
/* Items named in `order` come in that order; others keep the places they had relative to them in `had`. */
void patch_sort_list(const struct schema_field *field, struct value *list, struct patch_index *order,
                     struct patch_index *had);

#endif
