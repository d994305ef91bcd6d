/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the embedded backend share.
 *
 * A change goes to the log (append, one fdatasync for all that waited) and into a table in memory, and is acknowledged.
 * Later the table is written to LMDB, and later still the oldest segments of the log are dissolved into it:
 *
 *      log      every change after revision `trimmed`, in order, whole               segments: store_segment.h
 *      tables   key -> where its versions after `state.revision` are in the log      memory:   store_table.h
 *      index    key -> where its newest version is in the log, when that is after `trimmed`       LMDB
 *      base     key -> its record as of `trimmed`, when it was there                              LMDB
 *      meta     "format", "state" (struct store_state)                                            LMDB
 *
 * The newest version of a key is what the first of tables, index, base says that knows it. Every record says which
 * revision came before, so the version at revision X is found by going back from the newest one; the oldest that can be
 * asked for is `compacted` >= `trimmed`. Nothing is lost in between: what is dissolved goes to `base` before its
 * segment goes away, and a deletion stays in tables and index until its segment is dissolved.
 *
 * Records of the classes window and none are dissolved earlier, when all of their segment is older than the window: the
 * segment's file is then replaced by one without them. For their keys `window` is what `compacted` and `trimmed` are
 * for the others.
 *
 * Reading takes, in this order: the visible revision, a reference on the root (tables and segments), an LMDB read
 * transaction. Whatever was visible is then in one of them, because a table leaves the root only after LMDB has it, and
 * a segment only after `base` has it; what is newer is skipped by its revision, over its own record, so the root must
 * know every segment that the index leads to: if one was added meanwhile, all three are taken again.
 *
 * Threads: the writer (store_writer.c) appends and adds to the active table; the keeper (store_keeper.c) freezes
 * tables, writes them to LMDB, dissolves segments and sets space aside (store_space.c): it alone writes to LMDB. In
 * manual mode store_step is both.
 *
 * The seam for another backend (etcd): nothing outside this folder knows what lies below store.h. A second backend
 * implements the same functions; store_open then picks by its options. No LMDB type appears in store.h.
 */
#ifndef KNARR_STORE_INTERNAL_H
#define KNARR_STORE_INTERNAL_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lib/list.h"
#include "store/store.h"
#include "store/store_record.h"
#include "store/store_segment.h"
#include "store/store_table.h"

#define STORE_FORMAT         2
#define STORE_FIRST_REVISION 1 /* of an empty store; 0 never is a revision (as in etcd) */

#define STORE_TABLES        8                   /* of LMDB, at most */
#define STORE_READERS       256                 /* read transactions at one time */
#define STORE_QUEUE_MAX     16384               /* transactions that may wait */
#define STORE_QUEUE_BYTES   ((size_t)256 << 20) /* bytes of them */
#define STORE_BATCH_MAX     1024                /* transactions made durable together */
#define STORE_BATCH_BYTES   ((size_t)16 << 20)
#define STORE_HOLD_NS       (500 * NS_PER_MS) /* that a renewal may wait for others to share a sync with */
#define STORE_HOLD_MAX      256               /* of them, after which they wait no longer */
#define STORE_SEGMENT_BYTES ((size_t)16 << 20)
#define STORE_QUOTA_DEFAULT ((uint64_t)8 << 30)
#define STORE_QUOTA_RESERVE ((uint64_t)16 << 20) /* beyond the quota, for requests that may use the reserve */
#define STORE_HISTORY_BYTES ((uint64_t)1 << 30)
#define STORE_TABLE_COUNT   65536  /* versions after which a table is frozen: it costs the index every page once */
#define STORE_TABLE_MAX     262144 /* after which writes wait for the keeper */
#define STORE_TABLE_WASTE   65536  /* versions of failed writes, with which a table is made anew */
#define STORE_TABLE_AGE_NS  (30 * NS_PER_S)
#define STORE_INDEX_STEP    2000              /* keys written to LMDB in one transaction */
#define STORE_BASE_STEP     500               /* records */
#define STORE_BASE_BYTES    ((size_t)1 << 20) /* of them */
#define STORE_READ_BYTES    ((size_t)4 << 20) /* of the log, looked at in one call: about a millisecond */
#define STORE_WINDOW_NS     (600 * NS_PER_S)
#define STORE_FOLDERS       4096 /* places for notes of what changed in them */

struct store_state {
    uint64_t revision;  /* everything up to it is in index and base */
    uint64_t compacted; /* oldest revision that may be asked for */
    uint64_t trimmed;   /* the log begins behind it */
    uint64_t keys;      /* live ones at `revision` */
    uint64_t bytes;     /* of their records */
    uint64_t window;    /* as `compacted`, for classes window and none, when it is greater */
};

/* The oldest revision that may be asked for, and the one up to which older versions may be missing. */
static inline uint64_t store_state_oldest(const struct store_state *state, enum store_class class)
{
    return class == STORE_HISTORY_FULL || state->window < state->compacted ? state->compacted : state->window;
}
static inline uint64_t store_state_dissolved(const struct store_state *state, enum store_class class)
{
    return class == STORE_HISTORY_FULL || state->window < state->trimmed ? state->trimmed : state->window;
}

struct store_db {
    MDB_env *env; /* NULL after a failed reopen */
    MDB_dbi meta;
    MDB_dbi index;
    MDB_dbi base;
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

/* A table on its way: active, then frozen, then gone. Counted by the roots that hold it. */
struct store_level {
    int refs; /* atomic */
    struct store_table *table;
    int64_t since_ns; /* of its first change; 0 = it is empty. Under `applying`. */
    /* When frozen: */
    uint64_t last_revision;
    uint64_t keys;
    uint64_t bytes;
};

/* What can be read beside LMDB. Immutable but for what its parts allow; replaced whole. */
#define STORE_LEVELS 2
struct store_root {
    int refs;                                 /* atomic */
    struct store_level *levels[STORE_LEVELS]; /* active, then the frozen one (or NULL) */
    size_t segment_count;
    struct store_segment *segments[]; /* oldest first; at least one */
};

/* A transaction waiting for, or on, its way to disk. One block of memory with all it refers to. */
struct store_request {
    struct list link;
    const struct store_condition *conditions;
    size_t condition_count;
    const struct store_operation *operations;
    size_t operation_count;
    struct store_origin origin;
    store_done *done;
    void *arg;
    size_t bytes;

    /* Outcome */
    uint64_t revision;
    size_t failed_condition;
    bool refused;     /* before it was queued or applied: err is final */
    bool may_reserve; /* goes on when the disk is full or the quota reached */
    bool patient;     /* a renewal: may be held */
    int64_t since_ns; /* when it was queued */
    struct error err;
    struct store_event **events; /* operation_count of them, or NULL */
};

struct store_compaction {
    struct list link;
    uint64_t revision;
    void (*done)(void *arg, const struct error *err);
    void *arg;
};

struct store_trim; /* store_trim.c */

/* Somebody reads at this revision over many calls: no compaction passes it. */
struct store_hold {
    struct list link; /* of store->holds, under `lock` */
    uint64_t revision;
};

/* The frame under way: what the batch has applied so far. */
struct store_pending {
    struct buf bytes;
    struct store_place place; /* of the frame, once it is appended */
};

struct store {
    char *path;
    char *log_path;
    struct clock *clock;
    uint64_t quota;
    uint64_t history;
    size_t segment_bytes;
    size_t table_count; /* versions after which a table is due */
    size_t table_max;   /* ... and after which writes wait for the keeper */
    int64_t window_ns;
    bool manual;
    int lock_fd;
    struct store_db db;
    struct store_readers readers;

    pthread_mutex_t root_lock; /* held for a moment */
    struct store_root *root;

    /* Watchers; `publishing` is held while their callbacks run, so that closing one waits for them. */
    pthread_mutex_t publishing;
    struct list watches;

    /* Held by the writer while it applies a batch and makes it durable, and by the keeper while it freezes a table. */
    pthread_mutex_t applying;
    uint64_t keys; /* live ones, those of the batch under way included */
    uint64_t bytes;
    struct store_pending pending;
    uint64_t bytes_at_roll; /* what lived when the last segment was begun */

    pthread_mutex_t spare_lock;
    struct store_segment *spare; /* prepared; NULL = none */
    uint32_t next_id;            /* of the spare, or of the next one that is made */

    /* Everything below is under `lock`. */
    pthread_mutex_t lock;
    pthread_cond_t wake;      /* the writer */
    pthread_cond_t keep_wake; /* the keeper */
    pthread_cond_t keep_done; /* a writer that waits for it */
    pthread_t threads[2];
    bool threads_run;
    bool closing;
    struct list queue;
    size_t queue_count;
    size_t queue_bytes;
    size_t queue_eager; /* how many of those in the queue are not patient */
    struct list compactions;
    struct list holds;
    bool table_due;   /* the active table is full */
    bool table_young; /* it holds something: to be written when old enough */
    bool space_due;   /* the spare was taken */
    struct store_stats stats;

    unsigned crowded; /* the writer's own: batches for which several are thought to write */

    /* The keeper's own. */
    struct store_state state;
    struct store_trim *trim; /* under way; NULL = none */
    int64_t keep_after_ns;   /* after a failure: not before */
    bool keep_failed;        /* LMDB is to be looked at */
    size_t compact_steps;    /* that compactions and cleaning may take before the next table */
    int64_t space_after_ns;  /* likewise, of setting space aside */
    uint64_t data_end;       /* bytes of data.mdb that are allocated */

    _Atomic uint64_t visible;  /* newest durable revision: what readers see */
    _Atomic uint64_t revision; /* newest one whose events were handed over */
    _Atomic uint64_t compacted;
    _Atomic uint64_t window;
    _Atomic uint64_t folders[STORE_FOLDERS]; /* newest revision of a change in each; 0 = none since it was opened */
};

/* -- store.c -- */
int store_lmdb_error(struct error *err, int rc, const char *what);
/* After LMDB said that it cannot go on: closes the environment and opens it anew, with all readers out. */
int store_reopen(struct store *store, struct error *err);

/* -- store_make.c: the LMDB file of a store that has none yet -- */
int store_make(struct store *store, struct error *err);
/* Gives LMDB's lock file, which is at `path` or will be, its blocks. Returns an error number. */
int store_fill_lock(const char *path);

/* -- store_root.c -- */
struct store_root *store_root_take(struct store *store); /* a reference */
void store_root_unref(struct store_root *root);
/* The first root: an empty active table over these segments (references are taken over). */
struct store_root *store_root_new(struct store_segment *const *segments, size_t count);
struct store_segment *store_root_last(const struct store_root *root);
uint64_t store_root_log_bytes(const struct store_root *root);
/* Each puts another root in the place of the present one. */
void store_root_add_segment(struct store *store, struct store_segment *segment); /* takes the reference */
void store_root_freeze(struct store *store, uint64_t last_revision);
void store_root_drop_frozen(struct store *store);
/* With a copy of the active table, without what was taken back. Under `applying`. */
void store_root_renew_active(struct store *store);
/* The oldest one leaves; its file goes with the last reader. */
void store_root_drop_segment(struct store *store);
/* In the place of the one with the same id, which the root still has; takes the reference. */
void store_root_swap_segment(struct store *store, struct store_segment *segment);
/* The segment that holds the revision, which is not before the first one's. */
struct store_segment *store_root_segment(const struct store_root *root, uint64_t revision);
/* The record of that revision and index, wherever the log has it; `hint` is tried first. Returns 1, 0 when the log does
 * not reach back so far or the record went with its class, or a negative error. */
int store_root_record(const struct store_root *root, uint64_t revision, unsigned index, struct store_place hint,
                      struct store_record *ret_record, struct error *err);

/* -- store_index.c: what lies in LMDB -- */
int store_index_open(struct store *store, MDB_txn *txn, struct error *err);
int store_state_read(struct store *store, MDB_txn *txn, struct store_state *ret_state, struct error *err);
/* Returns an LMDB code, as do the next three. */
int store_state_write(struct store *store, MDB_txn *txn, const struct store_state *state);
int store_index_put(struct store *store, MDB_txn *txn, struct slice key, const struct store_entry *entry);
int store_index_delete(struct store *store, MDB_txn *txn, struct slice key);
int store_base_put(struct store *store, MDB_txn *txn, const struct store_record *record);
int store_base_delete(struct store *store, MDB_txn *txn, struct slice key);
/* 1, 0 when the key is not there, or a negative error. */
int store_index_get(struct store *store, MDB_txn *txn, struct slice key, struct store_entry *ret_entry,
                    struct error *err);
int store_base_get(struct store *store, MDB_txn *txn, struct slice key, struct store_record *ret_record,
                   struct error *err);
int store_index_decode(struct slice key, struct slice value, struct store_entry *ret_entry, struct error *err);
int store_base_decode(struct slice key, struct slice value, struct store_record *ret_record, struct error *err);

static inline MDB_val store_val(struct slice s)
{
    return (MDB_val){s.len, (void *)(uintptr_t)s.data};
}
static inline struct slice store_slice(MDB_val v)
{
    return slice_make(v.mv_data, v.mv_size);
}
#define CURSOR_LOCAL(name) MDB_cursor *name CLEANUP(store_cursor_cleanup) = NULL
static inline void store_cursor_cleanup(MDB_cursor **cursor)
{
    if (*cursor)
        mdb_cursor_close(*cursor);
}

/* -- store_reader.c -- */
int store_readers_begin(struct store *store, MDB_txn **ret_txn, struct error *err);
void store_readers_end(struct store *store, MDB_txn *txn);
void store_readers_init(struct store_readers *readers);
/* Waits until nobody reads, keeps newcomers out, and ends the idle transactions. */
void store_readers_drain(struct store_readers *readers);
void store_readers_resume(struct store_readers *readers);
void store_readers_free(struct store_readers *readers);

/* -- store_view.c: a consistent look -- */
struct store_view {
    struct store *store; /* NULL = not begun */
    struct store_root *root;
    MDB_txn *txn;
    uint64_t revision; /* nothing newer is seen */
    struct store_state state;
    struct store_pending *pending; /* of the writer's view; NULL elsewhere */
};
#define STORE_VIEW_LOCAL(name) struct store_view name CLEANUP(store_view_end) = {0}
int store_view_begin(struct store *store, struct store_view *ret_view, struct error *err);
/* ERROR_TIMEOUT, in upstream's words, when the revision is newer than what the view sees. */
int store_view_check_future(const struct store_view *view, uint64_t revision, struct error *err);
void store_view_end(struct store_view *view);
/* Where a version is: an entry that leads to a record in the log, or the record itself (of `base`). */
struct store_found {
    bool in_base;
    struct store_entry entry;
    struct store_record base; /* when in_base */
};
/* The key's version at `at` (at most view->revision). 1; 0 when it is not there (ret_found then has its deletion, where
 * that is known, else revision 0); or a negative error. */
int store_view_find(const struct store_view *view, struct slice key, uint64_t at, struct store_found *ret_found,
                    struct error *err);
/* Its record; the slices live as long as the view. */
int store_view_record(const struct store_view *view, struct slice key, const struct store_found *found,
                      struct store_record *ret_record, struct error *err);
/* Goes back from a record of the key that is newer than `at`. As store_view_find, with the record itself. */
int store_view_back(const struct store_view *view, struct store_record *record, uint64_t at, struct error *err);
/* The version before this one, which may be a deletion. 1, 0 when there is none, or a negative error. */
int store_view_before(const struct store_view *view, const struct store_record *record, struct store_record *ret_before,
                      struct error *err);

/* -- store_list.c -- */
/* As store_list, with the whole record of each key. Its slices live during the call. */
typedef int store_visit_record(void *arg, const struct store_record *record);
int store_list_records(struct store *store, const struct store_range *range, store_visit_record *visit, void *arg,
                       struct store_range_result *ret_result, struct error *err);

/* -- store_apply.c -- */
/* Checks the request and adds it to the table and to view->pending at revision `revision`. Returns 0 when it applied,
 * or a positive number when it was turned down and changed nothing (request->err says why). */
int store_apply(const struct store_view *view, struct store_request *request, uint64_t revision, int64_t now_ns);
/* The rules that need no look at the data; sets request->err. */
bool store_transaction_valid(const struct store_transaction *transaction, struct error *err);

/* -- store_request.c -- */
struct store_request *store_request_new(const struct store_transaction *from);
/* One that only carries the news that it was refused; takes the error over. */
struct store_request *store_request_new_refused(struct error *err);
void store_request_drop_events(struct store_request *request);
/* Tells the caller, and frees it. */
void store_request_finish(struct store_request *request);
/* The most that it takes of the log: no record is longer than what the request brought for it, and its header. */
size_t store_request_log_bytes(const struct store_request *request);
/* The disk is full: unless it may use the reserve. Before anything else, so that those behind it find room. */
void store_request_refuse_full(struct store_request *request);

/* -- store_writer.c -- */
/* A batch; true when there was one. */
bool store_write_batch(struct store *store);
/* When what is held in the queue is to be written: 0 = at once, INT64_MAX = there is nothing. Under `lock`. */
int64_t store_queue_due_ns(const struct store *store);
int store_writer_begin(struct store *store, struct error *err);
void store_writer_close(struct store *store);

/* -- store_space.c -- */
/* At opening: the prepared segment that was found (or NULL), and the id that it has or would have. */
void store_space_adopt(struct store *store, struct store_segment *spare, uint32_t next_id);
/* The next segment, with room for a frame of that size, begun. The caller's, who puts it into the root. */
int store_space_begin_segment(struct store *store, size_t bytes, uint64_t first_revision,
                              struct store_segment **ret_segment, struct error *err);
/* The same as the root's last one. Under `applying`. */
int store_space_roll(struct store *store, size_t bytes, uint64_t first_revision, struct error *err);
/* Before any segment but the last is dissolved or cleaned: the disk says where the last one begins. */
int store_space_settle(struct store *store, struct error *err);
bool store_space_is_full(struct store *store);
void store_space_note_failure(struct store *store, const struct error *err);
/* The writer's, before a batch: nobody fills the last segment up while the next one is not there. */
void store_space_watch(struct store *store);
/* Sets aside what is missing, and judges whether the disk is full. At opening, and the keeper's. */
int store_space_refill(struct store *store);
/* The keeper's: the same when due; true when there was something. */
bool store_space_keep(struct store *store);
/* The keeper's: bytes that the log may have: less than it has when the oldest segment is to go to make room. */
uint64_t store_space_history(struct store *store);
/* The keeper's: begins a new segment so that the only one can be dissolved, when that makes room. */
bool store_space_turn(struct store *store);

/* -- store_keeper.c -- */
/* What is due: a table to LMDB, a step of compaction; true when there was something. */
bool store_keep(struct store *store);
/* As store_next_ns, of the keeper. */
int64_t store_keep_due_ns(struct store *store);
void *store_keeper_main(void *store);
/* Begins an LMDB write transaction; reopens the environment first when an error made that necessary. */
int store_write_begin(struct store *store, MDB_txn **ret_txn, struct error *err);
/* `state` says how far back may be asked for: so do the others. */
void store_note_compacted(struct store *store);
/* Ends what waits with ERROR_CANCELLED. */
void store_compact_cancel(struct store *store);
/* From now on nothing is forgotten that the newest revision needs (hold->revision), unless the log grows to twice its
 * bound meanwhile, or the disk becomes full. */
void store_hold_begin(struct store *store, struct store_hold *hold);
void store_hold_end(struct store *store, struct store_hold *hold);
/* How far anything may be forgotten: no hold may make the log grow without bound. */
uint64_t store_hold_bound(struct store *store);

/* -- store_replay.c -- */
/* Finds the segments, reads those that LMDB has not caught up with into the active table, and makes the first root. */
int store_replay(struct store *store, struct error *err);

/* Nobody may ask any more, of keys of that class, for what was before `revision`. */
int store_forget(struct store *store, enum store_class class, uint64_t revision, struct error *err);

/* -- store_trim.c -- */
/* One step of dissolving what nobody may ask for any more: 1 = more to do, 0 = nothing, or a negative error. With
 * `clean`, a segment that is only to be cleaned is begun with as well. */
int store_trim_step(struct store *store, bool clean, struct error *err);
void store_trim_free(struct store_trim *trim); /* NULL is allowed */

/* -- store_clean.c -- */
/* The oldest segment whose records of classes window and none are due to go, a reference; NULL when there is none. */
struct store_segment *store_clean_next(struct store *store);
/* Whether the record leaves the log when its segment is cleaned. */
bool store_clean_takes(const struct store_record *record);
/* Whether so many bytes of them are worth writing the rest again. */
bool store_clean_pays(const struct store_segment *segment, size_t bytes);
/* Puts a segment without them in the place of this one. */
int store_clean_segment(struct store *store, struct store_segment *segment, struct error *err);

/* -- store_changes.c -- */
/* When the first record at or behind that revision, which the segment holds, was made. */
int store_segment_time(struct store_segment *segment, uint64_t revision, int64_t *ret_time_ns, struct error *err);

/* -- store_folder.c -- */
/* The key changes at that revision: before it is visible. */
void store_folder_note(struct store *store, struct slice key, uint64_t revision);

/* -- store_watch.c -- */
struct store_event *store_event_new(const struct store_event *from);
/* Hands the batch's events to the watchers and moves store->revision. */
void store_publish(struct store *store, struct store_event **events, size_t count, uint64_t revision);
/* Those who wrote them have been told. */
void store_publish_told(struct store *store);

#endif
