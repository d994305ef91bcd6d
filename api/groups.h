/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups: the kinds of a server ordered as documents about them want it: which groups there are, which versions a group
 * has (the preferred one first), which kinds of a version are resources. Private to api/.
 */
#ifndef KNARR_API_GROUPS_H
#define KNARR_API_GROUPS_H

#include "api/schema.h"

/* A list of kinds, borrowed. */
struct kind_list {
    const struct schema_kind *const *kinds;
    size_t count;
};

/* A group version that has resources; both strings belong to the kinds. */
struct group_version {
    const char *group;
    const char *version;
};

/* All group versions: groups in the order of the kinds, versions of a group by preference (v2, v1, v1beta1). The caller
 * frees the array; *ret_count may be 0. */
struct group_version *groups_list(struct kind_list list, size_t *ret_count);

/* Served under a path of its own: stored kinds, and those that are only ever posted (reviews, bindings). */
bool groups_is_resource(const struct schema_kind *kind);
bool groups_has(const struct schema_kind *kind, struct slice group, struct slice version);
/* "v1" or "apps/v1", to be freed. */
char *groups_api_version(const char *group, const char *version);

/* The verbs of a mask in upstream's order, as a NULL-terminated list. Kinds that users define have an order of their
 * own. */
#define GROUPS_VERBS_MAX 9
void groups_verbs(uint8_t verbs, bool custom, const char *ret_names[GROUPS_VERBS_MAX]);

#endif
