/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A write: plan, commit, answer, and again when somebody else was faster. Every change of the store goes through here.
 *
 *              plan failed                       conflict, attempts left
 *        .--------------------- PLANNING <-----------------------------.
 *        v                      |  |  ^ \ nothing to change             |
 *     ANSWERED <----------------|--|--+--'   WAITING (for its turn)     |
 *        ^                      |  '--+-----> |                         |
 *        |                      |     '-------'                         |
 *        |                      v commit                                |
 *        '------ durable --- COMMITTING (writer thread, then posted) ---'
 *
 * Writes that would only spoil each other's conditions (all that a namespace's quotas count) wait for each other: the
 * turn is kept until the write is over.
 *
 * The plan reads, decides, and leaves conditions and operations; it holds nothing between attempts. The request may die
 * while the commit is under way: the write then finishes unseen.
 */
#ifndef KNARR_APISERVER_WRITE_H
#define KNARR_APISERVER_WRITE_H

#include "apiserver/request.h"
#include "apiserver/turns.h"
#include "store/store.h"

#define WRITE_CONDITIONS_MAX 96
#define WRITE_ATTEMPTS_MAX   32

struct write;

enum write_verdict { WRITE_COMMIT = 0, WRITE_NOTHING = 1, WRITE_WAIT = 2 };

struct write_ops {
    /* Negative: failed with err. WRITE_COMMIT: carry out the plan. WRITE_NOTHING: w->value at w->revision is the
     * answer as it is. WRITE_WAIT: write_take_turn said so; plan again then. */
    int (*plan)(struct write *w, struct error *err);
    /* Durable (or nothing to do). The request is alive. */
    void (*done)(struct write *w);
    /* NULL = reply_error. The request is alive. */
    void (*failed)(struct write *w, const struct error *err);
};

struct write {
    struct request *req; /* weak: NULL once the request is gone */
    struct front *front;
    const struct write_ops *ops;
    void *arg;
    unsigned attempts;
    struct pool *pool; /* of one attempt */
    size_t condition_count;
    size_t operation_count;
    struct buf value;   /* the object to answer with, as stored */
    uint64_t revision;  /* of it */
    bool deleted;       /* the object is gone with this write */
    bool ends;          /* it is on its way there: goes on when the disk is full */
    struct error error; /* of the commit; from the writer thread to the loop */
    struct write_link *link;
    struct turn turn;
    /* Last, because they are not cleared. */
    struct store_condition conditions[WRITE_CONDITIONS_MAX];
    struct store_operation operations[WRITE_CONDITIONS_MAX];
};

void write_start(struct request *req, const struct write_ops *ops, void *arg);
/* For the plan. Keys and values must live in w->pool or in w->value. False when there is no more room. */
bool write_require(struct write *w, struct slice key, uint64_t revision);
bool write_put(struct write *w, struct slice key, struct slice meta, struct slice value);
bool write_delete(struct write *w, struct slice key);
/* Puts a complete object of the kind (without its resourceVersion) at its place. ERROR_INTERNAL: no more room. */
int write_put_object(struct write *w, const struct schema_kind *kind, struct value *object, struct error *err);
/* Whether this write has the turn of that name. False: it is in line, and the plan ends with WRITE_WAIT. */
bool write_take_turn(struct write *w, const char *name);

#endif
