/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a creation, for the writes that may become one. */
#ifndef KNARR_APISERVER_CREATE_H
#define KNARR_APISERVER_CREATE_H

#include "apiserver/write.h"

/* Plans to make `object` (completed here) the object of its name; the request's verb may be another. `managers`: its
 * list as text, where the write has made it; else NULL. As write_ops.plan. */
int create_plan_object(struct write *w, struct value *object, const struct buf *managers, struct error *err);

#endif
