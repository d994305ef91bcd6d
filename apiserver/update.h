/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way an existing object changes: PUT, PATCH and every writing subresource say how the new object comes from
 * the stored one, and this does the rest (metadata, defaults, admission, validation, no-op, deletion at the end of the
 * finalizers, compare and swap with retries).
 */
#ifndef KNARR_APISERVER_UPDATE_H
#define KNARR_APISERVER_UPDATE_H

#include "apiserver/write.h"

struct update {
    const char *subresource;  /* "" = the object itself */
    const char *name;         /* in the object's namespace of the request's URL */
    const struct value *body; /* decoded; for `make`; of an apply its configuration */
    struct value *put;        /* of a PUT: `body`, for an attempt to take; NULL = it is to be decoded again */
    struct slice patch;       /* raw; for `make` */
    const char *patch_type;
    struct slice managers; /* during the plan: the list of the stored object as text, which its tree is without */
    struct buf *list;      /* during the plan: where the new list goes */
    bool created;          /* set by the plan: nothing was there, and the write makes it */
    bool reads_anew;       /* likewise: what is stored is not what is read (version_read) */
    bool applies;          /* an apply: `make` writes the list of managers, and what is not there is made */
    bool unmanaged;        /* not somebody's wish: the list of managers stays as it is (binding) */
    bool keeps_parts;      /* the whole new object counts: main and status are not split (binding, finalize, ...) */
    /* The new object (owned by the caller) from the stored one, which is complete with its resourceVersion, but without
     * its list of managers; the new one has a list only where somebody says one. */
    int (*make)(struct request *req, struct update *u, const struct value *current, struct value **ret_object,
                struct error *err);
    /* Answers; NULL = the object, 200. */
    void (*answer)(struct request *req, struct update *u, struct slice stored, uint64_t revision);
};

/* The fields that this write may change (struct schema_subresource); NULL = it is not for single fields. */
const char *update_writes(const struct request *req, const struct update *u);
/* `u` in the request's pool. */
void update_start(struct request *req, struct update *u);
/* make: the body as it is, which is u->put. */
int update_make_put(struct request *req, struct update *u, const struct value *current, struct value **ret_object,
                    struct error *err);
/* Checks Content-Type and options of a PATCH of `kind` and takes type and body over. */
int update_take_patch(struct request *req, struct update *u, const struct schema_kind *kind, struct error *err);
/* Applies u->patch to `current` of `kind`, and normalises the outcome. `managers`: the list that stands beside
 * `current`; a patch that is about it finds it in the object. */
int update_patch(struct request *req, const struct update *u, const struct schema_kind *kind,
                 const struct value *current, struct slice managers, struct value **ret_object, struct error *err);

#endif
