/* SPDX-License-Identifier: Apache-2.0 */
/*
 * managedFields at the writes of the API: an Update for each create, PUT and patch, and Apply. What the cluster's own
 * parts create is not followed until somebody applies to it; then all that is there counts as set before
 * (MANAGED_BEFORE). That is upstream's rule for objects that were made without managedFields, and keeps the list from
 * pods, leases and events that nobody applies to.
 */
#ifndef KNARR_APISERVER_MANAGE_H
#define KNARR_APISERVER_MANAGE_H

#include "apiserver/update.h"

/* A new object, complete but for admission. `said`: the list that the body brought, or NULL. The list goes to `list` as
 * text, which stays empty when there is none. */
void manage_create(struct request *req, const struct value *object, const struct value *said, struct buf *list);
/* The same for a change, from u->managers to u->list; `old` and `object` are without theirs. */
void manage_update(struct request *req, const struct update *u, const struct value *object, const struct value *old,
                   const struct value *said);

/* Takes the body of an apply as u->body, a configuration of `kind`; with the options that it needs. */
int manage_take_config(struct request *req, struct update *u, const struct schema_kind *kind, struct error *err);
/* u->body, or in its place `config`, applied to `current` (NULL: there is nothing yet). The list goes to u->list. */
int manage_apply(struct request *req, const struct update *u, const struct value *config, const struct value *current,
                 struct value **ret_object, struct error *err);
/* Before an apply makes the object: what the configuration may not say then. */
int manage_check_new(struct request *req, const struct value *config, struct error *err);

#endif
