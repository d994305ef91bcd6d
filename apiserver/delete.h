/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting one object: by name, as part of a collection, by eviction. */
#ifndef KNARR_APISERVER_DELETE_H
#define KNARR_APISERVER_DELETE_H

#include "apiserver/write.h"

enum delete_propagation { DELETE_DEFAULT, DELETE_BACKGROUND, DELETE_FOREGROUND, DELETE_ORPHAN };

struct delete_options {
    bool has_grace;
    int64_t grace_seconds;
    enum delete_propagation propagation;
    const char *uid;      /* precondition; NULL = none */
    const char *revision; /* precondition; NULL = none */
    /* After all checks: may refuse, change what is stored of the object when it does not go at once, or add to the
     * transaction. NULL = none. */
    int (*last_word)(struct write *w, struct value *object, struct error *err);
};

/* From body and query; sets req->dry_run. */
int delete_read_options(struct request *req, struct delete_options *ret_options, struct error *err);
/* The same from a DeleteOptions tree. */
int delete_take_options(struct request *req, const struct value *v, struct delete_options *o, struct error *err);
/* Plans the deletion of one object: w->value is what it looked like at the end, w->deleted whether it is gone. */
int delete_plan_one(struct write *w, const struct delete_options *options, const char *namespace_, const char *name,
                    struct error *err);

#endif
