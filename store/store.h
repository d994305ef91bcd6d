/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Store: a durable, ordered, versioned key-value store with watch.
 *
 * One global, dense, monotonic revision, as in etcd: every successful transaction takes the next one, and everything it
 * changed carries it. No write is acknowledged, and no event shown, before it is durable. Values are opaque bytes
 * beside opaque `meta` bytes (what the API server needs without looking into the value).
 *
 * Threads: reads (store_get, store_list, store_read_log) run on the caller's thread and are short; their visitors get
 * bytes that are valid only during the call. Writes are queued to the one writer thread; callbacks (transaction done,
 * watch events) run on that thread and must only hand over (loop_post). In single-threaded mode (`manual`), nothing
 * runs until store_step is called: tests and simulations drive it by hand. Visitors and callbacks do not call the
 * store's reading functions, nor anything that waits for the store.
 *
 * A commit becomes visible in this order: readers see it; watchers are handed its events; store_revision shows it; its
 * `done` runs. So whoever was told of revision R finds every event up to R already handed over.
 *
 * Keys have 1 to STORE_KEY_MAX bytes, none of them NUL.
 */
#ifndef KNARR_STORE_STORE_H
#define KNARR_STORE_STORE_H

#include "lib/bytes.h"
#include "lib/clock.h"
#include "lib/error.h"

#define STORE_KEY_MAX   480        /* bytes of a key: LMDB's 511 less what the store appends */
#define STORE_VALUE_MAX (4u << 20) /* bytes of value and meta together */
#define STORE_OPS_MAX   128        /* operations, and conditions, in one transaction */
/* bytes of all meta and values in one transaction */
#define STORE_TRANSACTION_MAX (16u << 20)

struct store;

struct store_options {
    const char *path;    /* folder; made (0700) when missing */
    struct clock *clock; /* NULL = the system's */
    uint64_t quota;      /* bytes of what lives; 0 = 8 GiB */
    uint64_t history;    /* bytes of the log, beyond which its oldest part is forgotten; 0 = 1 GiB */
    bool manual;         /* no thread: the caller steps */
    /* For tests, which want to see with little what happens with much; 0 = as they should be. */
    size_t segment_bytes;    /* of one file of the log */
    size_t checkpoint_count; /* changes after which memory is written to LMDB */
    size_t table_max;        /* changes after which a write waits until that has begun */
    int64_t window_ns;       /* how long the past of classes window and none is kept at least: ten minutes */
};

/* Errors: ERROR_IO, ERROR_CORRUPT (damaged, or written by a newer version: the message says which), ERROR_UNAVAILABLE
 * (another process has it open), ERROR_NO_SPACE. */
int store_open(const struct store_options *options, struct store **ret_store, struct error *err);
/* Ends manual mode: from now on a thread of the store's own carries out what is queued. Nothing to do when there is
 * one. ERROR_INTERNAL. */
int store_start_writer(struct store *store, struct error *err);
/* Finishes queued transactions, cancels compactions (ERROR_CANCELLED), then closes. No watch may be open, and nobody
 * may be reading. NULL is allowed. */
void store_close(struct store *store);

/* One key as of one revision. */
struct store_item {
    struct slice key;
    struct slice meta;
    struct slice value;
    uint64_t create_revision;
    uint64_t mod_revision; /* of its last change: the object's resourceVersion */
};

/* The newest durable revision; 1 in an empty store. */
uint64_t store_revision(struct store *store);
/* How long what a key was is kept. The class is given with each change of a key, and should be the same for all. */
enum store_class {
    STORE_HISTORY_FULL,   /* as long as the history is */
    STORE_HISTORY_WINDOW, /* ten minutes at least, for watches and pages that are under way */
    STORE_HISTORY_NONE,   /* likewise; may be held back a little to share a sync (Leases) */
    STORE_CLASSES
};

/* The oldest revision that list and log can still show of keys of that class; below it they answer ERROR_EXPIRED.
 * Whoever reads the past says of which class it is: a key that is gone does not tell any more. Reading as FULL what
 * holds keys of the other classes too is allowed: at or behind store_compacted_of(their class) they are there like all,
 * before it they are left out. */
uint64_t store_compacted_of(struct store *store, enum store_class class);
uint64_t store_compacted(struct store *store); /* of STORE_HISTORY_FULL */

/* Visitors return 0 to go on, anything else to stop (that value is then returned). */
typedef int store_visit_item(void *arg, const struct store_item *item);

/* Calls visit once with the newest version of the key; ERROR_NOT_FOUND when there is none. *ret_revision (may be NULL)
 * is the store's revision of the snapshot that was read, also when the key is not there. */
int store_get(struct store *store, struct slice key, store_visit_item *visit, void *arg, uint64_t *ret_revision,
              struct error *err);

struct store_range {
    struct slice prefix; /* keys that start with it, in byte order */
    struct slice after;  /* only keys behind this one (the last of the page before); empty = from the start */
    /* exact snapshot; 0 = newest. ERROR_EXPIRED when compacted, ERROR_TIMEOUT when in the future */
    uint64_t at_revision;
    size_t limit; /* 0 = all */
    /* Do not count what remains: that costs a look at every key behind the page (0.2 us each). */
    bool skip_count;
    enum store_class class; /* of the keys that are asked for */
};
struct store_range_result {
    uint64_t revision;  /* of the snapshot */
    bool more;          /* keys remain behind the last one visited */
    uint64_t remaining; /* how many, when `more` (exact); 0 with skip_count */
};
int store_list(struct store *store, const struct store_range *range, store_visit_item *visit, void *arg,
               struct store_range_result *ret_result, struct error *err);

/* The folder of a key are all keys that share what it has up to its last '/'. This is the newest revision at which the
 * folder of `key` (which may be the folder alone, "/a/b/") was changed, or is about to be: never one too early, now and
 * then one of another folder, 0 when nothing has changed since the store was opened.
 *
 * For who keeps what he read: ask first, then read; what was read at a snapshot not before that revision is what a new
 * reading would give, as long as the answer stays the same. */
uint64_t store_folder_revision(struct store *store, struct slice key);

enum store_operation_kind { STORE_PUT, STORE_DELETE };
struct store_condition {
    struct slice key;
    uint64_t mod_revision; /* what it must be now; 0 = the key must not exist; STORE_ANY_REVISION = it must exist */
};
#define STORE_ANY_REVISION UINT64_MAX
struct store_operation {
    enum store_operation_kind kind;
    struct slice key;
    struct slice meta;  /* STORE_PUT */
    struct slice value; /* STORE_PUT */
    enum store_class class;
};
/* Who wrote; all zero = nobody that is known. */
#define STORE_AUDIT_SIZE 16
#define STORE_USER_MAX   255
struct store_origin {
    struct slice user; /* what is longer is cut */
    unsigned verb;     /* the caller's number, 255 at most; 0 = none */
    unsigned char audit[STORE_AUDIT_SIZE];
};
struct store_transaction {
    const struct store_condition *conditions;
    size_t condition_count;
    const struct store_operation *operations; /* applied in order, all at one revision; a key at most once */
    size_t operation_count;
    struct store_origin origin;
    /* May use what is set aside for a full disk or behind the quota, because it helps to make room (an object that is
     * on its way to be deleted). Deletions and STORE_HISTORY_NONE may in any case. */
    bool reserve;
};
/* err NULL: durable at `revision`. Else: ERROR_CONFLICT (a condition did not hold; failed_condition tells which),
 * ERROR_NOT_FOUND (delete of a missing key), ERROR_NO_SPACE (the disk is full or the quota reached; with `reserve` and
 * the like only when what is set aside is used up too), ERROR_IO, ERROR_CORRUPT (a record that it touches is damaged),
 * ERROR_TOO_MANY_REQUESTS (queue full), ERROR_INVALID and ERROR_TOO_LARGE (the bounds above; no operation; a key
 * twice). */
typedef void store_done(void *arg, uint64_t revision, size_t failed_condition, const struct error *err);
/* Copies everything and returns; `done` always runs once, on the writer thread (from store_step in manual mode). */
void store_commit(struct store *store, const struct store_transaction *transaction, store_done *done, void *arg);

/* One change of one key; reference-counted, immutable, shared by all who watch. */
enum store_event_kind { STORE_EVENT_CREATE, STORE_EVENT_MODIFY, STORE_EVENT_DELETE };
struct store_event {
    enum store_event_kind kind;
    uint64_t revision;
    uint64_t create_revision;
    uint64_t prev_revision; /* of the version before; 0 for CREATE */
    struct slice key;
    struct slice meta;       /* now; of a deletion: the last */
    struct slice value;      /* now; of a deletion: the last */
    struct slice prev_meta;  /* before; none for CREATE */
    struct slice prev_value; /* before; none for CREATE */
};
struct store_event *store_event_ref(struct store_event *event);
void store_event_unref(struct store_event *event);

/* Live events of all keys under prefix, in order, each transaction's together, from the revision after the one returned
 * in *ret_revision. `events` runs on the writer thread, once per batch that has some for this watch; they are complete
 * up to `revision`. It takes references for what it keeps. */
typedef void store_watch_events(void *arg, struct store_event *const *events, size_t count, uint64_t revision);
struct store_watch;
struct store_watch *store_watch_open(struct store *store, struct slice prefix, store_watch_events *events, void *arg,
                                     uint64_t *ret_revision);
/* The same, and after each `events`, on the same thread, once those who wrote know of it: `told`. What may come later
 * than their answer, as waking a thread, is done there. */
struct store_watch *store_watch_open_told(struct store *store, struct slice prefix, store_watch_events *events,
                                          void (*told)(void *arg), void *arg, uint64_t *ret_revision);
/* After it returns no callback runs or will run. Not from inside a callback. NULL is allowed. */
void store_watch_close(struct store_watch *watch);

/* The past: events of keys under prefix with after < revision <= until (0, or in the future = newest), in order. Stops
 * behind the transaction with which `limit` events are reached, or a few MiB of the log were looked at, however few
 * events were in them (0 = neither): a transaction is not cut. *ret_until = the revision up to which nothing is
 * missing; it is behind `after` unless that is the end. ERROR_EXPIRED when `after` is below store_compacted_of(class),
 * ERROR_TIMEOUT when it is in the future. */
typedef int store_visit_event(void *arg, const struct store_event *event);
int store_read_log(struct store *store, struct slice prefix, enum store_class class, uint64_t after, uint64_t until,
                   size_t limit, store_visit_event *visit, void *arg, uint64_t *ret_until, struct error *err);

/* What a key was, newest first, as far back as is kept, or to the change at `from` and no further back than revision
 * `not_before`: deletions too. The visitor may stop. *ret_compacted (may be NULL) is the oldest revision that can be
 * asked for. ERROR_TIMEOUT when `from` (0 = newest) is in the future, ERROR_EXPIRED when it is no longer kept. */
struct store_change {
    enum store_event_kind kind;
    uint64_t revision;
    int64_t time_ns;
    struct slice user; /* empty = not known */
    unsigned verb;
    struct slice meta;  /* none of a deletion */
    struct slice value; /* none of a deletion */
};
typedef int store_visit_change(void *arg, const struct store_change *change);
int store_read_changes(struct store *store, struct slice key, enum store_class class, uint64_t from,
                       uint64_t not_before, store_visit_change *visit, void *arg, uint64_t *ret_compacted,
                       struct error *err);

/* When the revision was made, by the clock of then; of one whose record went with its class, when the next one that is
 * kept was made. ERROR_EXPIRED when the log does not reach back so far,
 * ERROR_TIMEOUT when it is in the future. */
int store_revision_time(struct store *store, uint64_t revision, int64_t *ret_time_ns, struct error *err);
/* The newest revision that was made no later than that; at least store_compacted. */
uint64_t store_revision_at(struct store *store, int64_t time_ns);

/* Forgets what only revisions before `revision` need, in small steps on the writer thread, where `done` (may be NULL)
 * runs once. ERROR_INVALID when the revision is in the future; one that is already forgotten is no error. */
void store_compact(struct store *store, uint64_t revision, void (*done)(void *arg, const struct error *err), void *arg);

/* Manual mode: carries out what is queued as one batch, or else what is due by the options' clock; true when there was
 * something. */
bool store_step(struct store *store);
/* Manual mode: when (monotonic, by the options' clock) there will be something that now only waits for its time: a held
 * renewal, memory to be written, another try after a failure. INT64_MAX = nothing, but what is not due yet can be
 * earlier: segments that are to be cleaned are not looked at. */
int64_t store_next_ns(struct store *store);

struct store_stats {
    uint64_t revision;
    uint64_t compacted;
    uint64_t keys;
    uint64_t bytes_used; /* of the quota: by what lives */
    uint64_t quota;
    uint64_t log_bytes;    /* of the files of the log, the history among them */
    bool full;             /* the disk: only what may use the reserve goes on */
    uint64_t commits;      /* batches made durable */
    uint64_t transactions; /* in them */
    uint64_t cleaned;      /* segments of the log that were written again without classes window and none */
};
void store_get_stats(struct store *store, struct store_stats *ret_stats);

#endif
