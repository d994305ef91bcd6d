/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Role-based access control of a server: the index that is current, the authorizer over it, the guard against giving
 * away what one does not hold, and the default roles.
 */
#ifndef KNARR_APISERVER_RBAC_H
#define KNARR_APISERVER_RBAC_H

#include "apiserver/admission.h"
#include "apiserver/authz.h"
#include "apiserver/rbac_index.h"

struct rbac;

struct rbac *rbac_new(struct store *store);
void rbac_free(struct rbac *rbac); /* NULL is allowed */

/* As of every write that anybody was told of. Valid until the front asks again (other than on its loop: never). NULL
 * when the store cannot be read. */
const struct rbac_index *rbac_current(struct front *front);

/* Allow or no opinion; *ret_reason tells by which binding, or what is wrong with one that was in question. */
enum authz_answer rbac_authorize(struct request *req, const struct authz_question *q, const char **ret_reason);

/* Admission of roles and bindings: nobody gives away what he does not hold. */
int rbac_guard(const struct admission *a, struct error *err);

#endif
