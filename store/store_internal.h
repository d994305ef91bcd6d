/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the LMDB backend share.
 *
 * Tables (none uses DUPSORT; all numbers in keys are big-endian, so that byte order is their order):
 *
 *     meta      "format", "state" (revision, compacted)
 *     current   key               -> record: the newest version
 *     log       revision, index   -> record: one change, with the version that it REPLACED (an undo record)
 *     history   key, revision     -> index, kind: where the key's changes are in the log
 *
 * Every value is stored once: as current, or as what the next change replaced. The version of a key at revision X is
 * the undo record of the first change after X, or the current one when there is none; the new value of a change is the
 * undo record of the key's next change, or the current one. So nothing above X needs anything at or below X, and
 * compaction only cuts the front off the log.
 *
 * Keys hold no NUL byte, and revisions stay below 2^48: the first byte behind a key in `history` is therefore 0, which
 * sorts below every byte a longer key could have there. That keeps each key's entries together and in key order.
 *
 * The seam for another backend (etcd): nothing outside this folder knows what lies below store.h. A second backend
 * implements the same functions; store_open then picks by its options, and the functions of store.h call through a
 * struct of pointers in `struct store`. No LMDB type appears in store.h.
 *
 * Files: store.c opens and closes; store_reader.c lends read transactions; store_list.c reads; store_log.c reads the
 * past, store_compact.c forgets it; store_writer.c owns the queue and the batches; store_apply.c carries out one
 * transaction; store_watch.c tells about it; store_record.c is the format.
 */
#ifndef KNARR_STORE_INTERNAL_H
#define KNARR_STORE_INTERNAL_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lib/list.h"
#include "store/store.h"
#include "store/store_record.h"

#define STORE_FORMAT         1
#define STORE_FIRST_REVISION 1 /* of an empty store; 0 never is a revision (as in etcd) */

#define STORE_READERS       256                 /* read transactions at one time */
#define STORE_QUEUE_MAX     16384               /* transactions that may wait */
#define STORE_QUEUE_BYTES   ((size_t)256 << 20) /* bytes of them */
#define STORE_BATCH_MAX     1024                /* transactions made durable together */
#define STORE_BATCH_BYTES   ((size_t)16 << 20)
#define STORE_TRIM_STEP     500 /* log records forgotten in one write transaction */
#define STORE_QUOTA_DEFAULT ((uint64_t)8 << 30)
#define STORE_PLACE_MAX     (STORE_KEY_MAX + 8)

struct store_state {
    uint64_t revision;
    uint64_t compacted;
};

struct store_db {
    MDB_env *env; /* NULL after a failed reopen */
    MDB_dbi meta;
    MDB_dbi current;
    MDB_dbi log;
    MDB_dbi history;
};

/* Read transactions between two uses. `db.env` changes only while `active` is 0 and `draining` keeps new ones out. */
struct store_readers {
    pthread_mutex_t lock;
    pthread_cond_t idle;
    MDB_txn *free[STORE_READERS];
    size_t free_count;
    size_t active;
    bool draining;
};

/* A transaction waiting for, or on, its way to disk. One block of memory with all it refers to. */
struct store_request {
    struct list link;
    const struct store_condition *conditions;
    size_t condition_count;
    const struct store_operation *operations;
    size_t operation_count;
    store_done *done;
    void *arg;
    size_t bytes;

    /* Outcome */
    uint64_t revision;
    size_t failed_condition;
    bool refused; /* before it was queued: err is final */
    struct error err;
    struct store_event **events; /* operation_count of them, or NULL */
};

struct store_compaction {
    struct list link;
    uint64_t revision;
    void (*done)(void *arg, const struct error *err);
    void *arg;
};

struct store {
    char *path;
    struct clock *clock;
    uint64_t quota;
    bool manual;
    int lock_fd;
    struct store_db db;
    struct store_readers readers;

    /* Watchers; `publishing` is held while their callbacks run, so that closing one waits for them. */
    pthread_mutex_t publishing;
    struct list watches;

    /* Everything below is under `lock`. */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool thread_runs;
    bool closing;
    struct list queue;
    size_t queue_count;
    size_t queue_bytes;
    struct list compactions;
    struct store_stats stats;

    /* The writer's own. */
    bool trimming; /* the log may hold records at or below `compacted` */

    _Atomic uint64_t revision; /* newest one whose events were handed over */
    _Atomic uint64_t compacted;
};

/* -- store.c -- */
int store_lmdb_error(struct error *err, int rc, const char *what);
/* After LMDB said that it cannot go on: closes the environment and opens it anew, with all readers out. */
int store_reopen(struct store *store, struct error *err);
int store_state_read(struct store *store, MDB_txn *txn, struct store_state *ret_state, struct error *err);
/* Returns an LMDB code. */
int store_state_write(struct store *store, MDB_txn *txn, const struct store_state *state);
/* Bytes of all pages that hold something. */
uint64_t store_used(struct store *store, MDB_txn *txn);

/* -- store_reader.c -- */
struct store_reading {
    struct store *store; /* NULL = not begun */
    MDB_txn *txn;
    struct store_state state;
};
/* Declares one that ends by itself. */
#define STORE_READING_LOCAL(name) struct store_reading name CLEANUP(store_reading_end) = {0}
int store_reading_begin(struct store *store, struct store_reading *ret_reading, struct error *err);
void store_reading_end(struct store_reading *reading);
void store_readers_init(struct store_readers *readers);
/* Waits until nobody reads, keeps newcomers out, and ends the idle transactions. */
void store_readers_drain(struct store_readers *readers);
void store_readers_resume(struct store_readers *readers);
void store_readers_free(struct store_readers *readers);

#define CURSOR_LOCAL(name) MDB_cursor *name CLEANUP(store_cursor_cleanup) = NULL
static inline void store_cursor_cleanup(MDB_cursor **cursor)
{
    if (*cursor)
        mdb_cursor_close(*cursor);
}

/* -- places: keys of the tables -- */
#define STORE_LOG_PLACE 12
struct store_place {
    char bytes[STORE_PLACE_MAX];
    size_t len;
};
struct store_place store_log_place(uint64_t revision, uint32_t index);
bool store_log_place_read(struct slice place, uint64_t *ret_revision, uint32_t *ret_index);
/* key must not be longer than STORE_KEY_MAX. */
struct store_place store_history_place(struct slice key, uint64_t revision);
bool store_history_place_read(struct slice place, struct slice *ret_key, uint64_t *ret_revision);
/* What history says about one change. */
#define STORE_HISTORY_VALUE 5
void store_history_value_write(char to[STORE_HISTORY_VALUE], uint32_t index, enum store_event_kind kind);
bool store_history_value_read(struct slice value, uint32_t *ret_index, enum store_event_kind *ret_kind);

static inline MDB_val store_val(struct slice s)
{
    return (MDB_val){s.len, (void *)(uintptr_t)s.data};
}
static inline MDB_val store_place_val(const struct store_place *place)
{
    return (MDB_val){place->len, (void *)(uintptr_t)place->bytes};
}
static inline struct slice store_slice(MDB_val v)
{
    return slice_make(v.mv_data, v.mv_size);
}

/* -- store_log.c -- */
/* The undo record of the change of `key` at revision, index. */
int store_log_get(const struct store_reading *reading, uint64_t revision, uint32_t index,
                  struct store_record *ret_record, struct error *err);

/* -- store_compact.c -- */
/* One step of compaction; true when there was something to do. */
bool store_compact_step(struct store *store);
/* Ends what waits with ERROR_CANCELLED. */
void store_compact_cancel(struct store *store);
/* Whether the log still holds what an earlier compaction was to remove. */
int store_trim_left(struct store *store, MDB_txn *txn, const struct store_state *state);

/* -- store_apply.c -- */
/* Checks the request against the transaction and carries it out at state->revision + 1. Returns 0 when it applied
 * (state->revision moved), a positive number when it was turned down and changed nothing (request->err says why), or a
 * negative error when the LMDB transaction is lost. */
int store_apply(struct store *store, MDB_txn *txn, struct store_state *state, struct store_request *request,
                struct error *err);
/* The rules that need no look at the data; sets request->err. */
bool store_transaction_valid(const struct store_transaction *transaction, struct error *err);

/* -- store_writer.c -- */
/* A batch and a step of compaction; true when there was something. */
bool store_turn(struct store *store);
/* Begins an LMDB write transaction; reopens the environment first when an error made that necessary. */
int store_write_begin(struct store *store, MDB_txn **ret_txn, struct error *err);
void store_writer_close(struct store *store);
int store_writer_start(struct store *store, struct error *err);

/* -- store_watch.c -- */
struct store_event *store_event_new(const struct store_event *from);
/* Hands the batch's events to the watchers and moves store->revision. */
void store_publish(struct store *store, struct store_event **events, size_t count, uint64_t revision);

#endif
