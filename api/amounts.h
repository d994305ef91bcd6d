/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Amounts of resources by name, as pods ask for them and quotas and limit ranges speak of them. Sorted by name, each
 * name once. All memory is the pool's; names are borrowed from what was read, which must live as long.
 */
#ifndef KNARR_API_AMOUNTS_H
#define KNARR_API_AMOUNTS_H

#include "api/quantity.h"
#include "lib/pool.h"

struct amount {
    struct slice name;
    struct quantity value;
};

/* All zero is a valid empty list. */
struct amounts {
    struct pool *pool; /* set before the first addition */
    struct amount *items;
    size_t count;
    size_t cap;
};

/* NULL when absent. */
const struct quantity *amounts_get(const struct amounts *a, struct slice name);
/* The amount of that name, zero when it was absent. Good until the next addition. */
struct quantity *amounts_need(struct amounts *a, struct slice name);
/* Adds the members of a JSON object of quantities; what is none is left out. */
void amounts_read(struct amounts *to, struct slice json);
void amounts_add(struct amounts *to, const struct amounts *more);
void amounts_subtract(struct amounts *from, const struct amounts *less);
/* Each to the larger of both. */
void amounts_raise(struct amounts *to, const struct amounts *other);
/* {"cpu":"1"} */
void amounts_write(const struct amounts *a, struct buf *out);

/* What a pod (JSON) asks for: `list` is "requests" or "limits". Containers and restartable init containers together, or
 * the largest moment of initialisation if that is more; what the pod says for itself as a whole counts instead
 * (component-helpers/resource). */
#define AMOUNTS_OVERHEAD 1u /* with what the runtime takes */
/* While it is resized, what its containers have by the node's word, when that is more. */
#define AMOUNTS_ACTUAL 2u
void amounts_of_pod(struct amounts *to, struct slice pod, const char *list, unsigned flags);

#endif
