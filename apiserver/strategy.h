/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strategies: what a kind does that data cannot say. One row a kind (strategy.c); a kind without a row has none of it.
 */
#ifndef KNARR_APISERVER_STRATEGY_H
#define KNARR_APISERVER_STRATEGY_H

#include "apiserver/write.h"

enum strategy_flag {
    STRATEGY_KEEPS_STATUS = 1 << 0,      /* a create may bring a status */
    STRATEGY_GRACEFUL = 1 << 1,          /* deletion takes its grace period (pods) */
    STRATEGY_ANNOTATIONS_COUNT = 1 << 2, /* a change of annotations is a new generation */
    STRATEGY_SPEC_FINALIZERS = 1 << 3,   /* spec.finalizers hold it too (namespaces) */
    STRATEGY_MADE_BY_PUT = 1 << 4,       /* a PUT to a free name makes it */
    STRATEGY_ORPHANS = 1 << 5,           /* a deletion that says nothing of dependents lets them be */
    STRATEGY_ONLY_MARKED = 1 << 6,       /* the first deletion writes when it was, and nothing else beside it */
};

struct strategy {
    const char *group;
    const char *plural;
    unsigned flags;
    /* After decoding and metadata, before defaulting. */
    void (*prepare_create)(struct request *req, struct value *object);
    /* sub: "" or the subresource through which it is written. */
    int (*prepare_update)(struct request *req, struct value *object, const struct value *old, const char *sub,
                          struct error *err);
    /* After validation: takes from what the cluster shares (addresses, ports) and gives back, with conditions and
     * operations of the same transaction. old NULL = create, object NULL = delete. May be WRITE_WAIT, but for a
     * deletion. */
    int (*allocate)(struct write *w, struct value *object, const struct value *old, struct error *err);
    /* The first deletion of it. May be NULL, as all of these. */
    void (*prepare_delete)(struct request *req, struct value *object);
};

/* Never NULL. */
const struct strategy *strategy_of(const struct schema_kind *kind);

/* strategy_service.c */
void service_prepare_create(struct request *req, struct value *object);
int service_prepare_update(struct request *req, struct value *object, const struct value *old, const char *sub,
                           struct error *err);
int service_allocate(struct write *w, struct value *object, const struct value *old, struct error *err);

/* strategy_kinds.c */
void job_prepare_create(struct request *req, struct value *object);
void daemon_prepare_create(struct request *req, struct value *object);
int daemon_prepare_update(struct request *req, struct value *object, const struct value *old, const char *sub,
                          struct error *err);
void volume_prepare_create(struct request *req, struct value *object);
int volume_prepare_update(struct request *req, struct value *object, const struct value *old, const char *sub,
                          struct error *err);
void claim_prepare_create(struct request *req, struct value *object);

/* strategy_csr.c */
void csr_prepare_create(struct request *req, struct value *object);
int csr_prepare_update(struct request *req, struct value *object, const struct value *old, const char *sub,
                       struct error *err);
int csr_allocate(struct write *w, struct value *object, const struct value *old, struct error *err);

/* strategy_custom.c */
void custom_prepare_create(struct request *req, struct value *object);
int custom_prepare_update(struct request *req, struct value *object, const struct value *old, const char *sub,
                          struct error *err);
int custom_allocate(struct write *w, struct value *object, const struct value *old, struct error *err);
void custom_prepare_delete(struct request *req, struct value *object);

/* Has a Service this address? */
bool service_address_taken(const struct apiserver *server, const char *address);

#endif
