/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Space: what is set aside on the disk, so that a full one turns down who would fill it further and nobody else.
 *
 *   - the next segment of the log, made ahead (`spare`);
 *   - room for LMDB behind its last page: what it writes while a table goes to it and a segment is dissolved, and what
 *     the present log may still make it grow by (more than lives in it, because pages are not full). Pages that it
 *     has free count when the disk gives no more.
 *
 *     roomy --one of both cannot be had--> full --both are there again--> roomy
 *
 * While it is full, only requests that may use the reserve go on: in the rest of the last segment, then in the spare.
 * History gives way, oldest first: it is dissolved although it might still be asked for, and the last segment too, once
 * deletions in it make that worth while.
 *
 * Invariants: `spare_lock` guards the spare and `next_id`, and is never taken under `lock`; a segment's id is given
 * once.
 */
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"

#define RETRY_NS NS_PER_S

/* ---- the next segment ---- */

/* Under spare_lock. */
static int spare_make(struct store *store, struct error *err)
{
    if (store->spare)
        return 0;
    return store_segment_prepare(store->log_path, store->next_id, store->segment_bytes, &store->spare, err);
}

static bool spare_is_there(struct store *store)
{
    bool there;

    (void)pthread_mutex_lock(&store->spare_lock);
    there = store->spare != NULL;
    (void)pthread_mutex_unlock(&store->spare_lock);
    return there;
}

static int spare_refill(struct store *store, struct error *err)
{
    int rc;

    (void)pthread_mutex_lock(&store->spare_lock);
    rc = spare_make(store, err);
    (void)pthread_mutex_unlock(&store->spare_lock);
    return rc;
}

void store_space_adopt(struct store *store, struct store_segment *spare, uint32_t next_id)
{
    store->spare = spare;
    store->next_id = next_id;
    store->bytes_at_roll = UINT64_MAX; /* what was deleted before is not known */
}

int store_space_begin_segment(struct store *store, size_t bytes, uint64_t first_revision,
                              struct store_segment **ret_segment, struct error *err)
{
    size_t size = bytes + STORE_SEGMENT_HEAD;
    int rc;

    (void)pthread_mutex_lock(&store->spare_lock);
    rc = spare_make(store, err);
    if (rc == 0 && store->spare->size < size)
        rc = store_segment_enlarge(store->spare, size, err);
    if (rc == 0) {
        *ret_segment = STEAL(store->spare);
        store->next_id++;
        store_segment_start(*ret_segment, first_revision);
    }
    (void)pthread_mutex_unlock(&store->spare_lock);
    return rc;
}

int store_space_roll(struct store *store, size_t bytes, uint64_t first_revision, struct error *err)
{
    struct store_root *root = store_root_take(store);
    struct store_segment *segment = NULL;
    int rc = store_segment_settle(store_root_last(root), err);

    store_root_unref(root);
    if (rc == 0)
        rc = store_space_begin_segment(store, bytes, first_revision, &segment, err);
    if (rc < 0)
        return rc;
    store_root_add_segment(store, segment);
    store->bytes_at_roll = store->bytes;
    (void)pthread_mutex_lock(&store->lock);
    store->space_due = true;
    (void)pthread_cond_signal(&store->keep_wake);
    (void)pthread_mutex_unlock(&store->lock);
    return 0;
}

int store_space_settle(struct store *store, struct error *err)
{
    struct store_root *root;
    int rc;

    (void)pthread_mutex_lock(&store->applying);
    root = store_root_take(store);
    rc = store_segment_settle(store_root_last(root), err);
    store_root_unref(root);
    (void)pthread_mutex_unlock(&store->applying);
    return rc;
}

/* ---- LMDB ---- */

/* Bytes of the file up to its last page in use. */
static uint64_t data_used(struct store *store, unsigned *ret_page)
{
    MDB_envinfo info;
    MDB_stat stat;

    if (mdb_env_info(store->db.env, &info) || mdb_env_stat(store->db.env, &stat))
        return 0;
    *ret_page = stat.ms_psize;
    return (info.me_last_pgno + 1) * stat.ms_psize;
}

/* Pages that LMDB has given up and will use again: its table 0 lists them by transaction, the count first in each
 * entry. It uses those of the last two not yet. */
static uint64_t data_free_pages(struct store *store, bool at_once)
{
    MDB_val key, value;
    MDB_envinfo info;
    uint64_t pages = 0;
    MDB_txn *txn = NULL;
    CURSOR_LOCAL(cursor);

    if (store_readers_begin(store, &txn, NULL) < 0)
        return 0;
    if (mdb_env_info(store->db.env, &info) == 0 && mdb_cursor_open(txn, 0, &cursor) == 0)
        while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0 &&
               (!at_once || *(const size_t *)key.mv_data + 1 < info.me_last_txnid))
            pages += *(const size_t *)value.mv_data;
    if (cursor)
        mdb_cursor_close(STEAL(cursor));
    store_readers_end(store, txn);
    return pages;
}

/* For two segments more than there are, and for what the log may make LMDB grow by, less the files that it gives back
 * then. */
static uint64_t data_need(struct store *store)
{
    struct store_root *root = store_root_take(store);
    uint64_t log = store_root_log_bytes(root);
    uint64_t back = log - store_root_last(root)->size;
    uint64_t live, grows;

    store_root_unref(root);
    (void)pthread_mutex_lock(&store->lock);
    live = store->stats.bytes_used;
    (void)pthread_mutex_unlock(&store->lock);
    grows = (log < live ? log : live) * 5 / 2; /* pages of LMDB may be little more than a third full */
    return 2 * (uint64_t)store->segment_bytes + (grows > back ? grows - back : 0);
}

static int data_allocate(struct store *store, uint64_t end, struct error *err)
{
    int fd = -1;
    int rc = mdb_env_get_fd(store->db.env, &fd);

    if (rc == 0)
        rc = posix_fallocate(fd, (off_t)store->data_end, (off_t)(end - store->data_end));
    if (rc)
        return store_lmdb_error(err, rc, "setting space aside");
    store->data_end = end;
    return 0;
}

/* What LMDB can write without asking the disk: behind its last page, and on free pages, of which some must wait. */
enum room { ROOM_BEHIND, ROOM_AT_ONCE, ROOM_ALL };
static uint64_t data_room(struct store *store, enum room which)
{
    unsigned page = 0;
    uint64_t used = data_used(store, &page);
    uint64_t room = store->data_end > used ? store->data_end - used : 0;

    return which == ROOM_BEHIND ? room : room + data_free_pages(store, which == ROOM_AT_ONCE) * page;
}

/* As much as there is, when there is not enough. */
static void data_allocate_some(struct store *store, uint64_t most)
{
    uint64_t step = store->segment_bytes;

    while (step >= store->segment_bytes / 16 && store->data_end < most)
        if (data_allocate(store, store->data_end + step < most ? store->data_end + step : most, NULL) < 0)
            step /= 2;
}

static int data_refill(struct store *store, struct error *err)
{
    unsigned page = 0;
    uint64_t need = data_need(store);
    uint64_t end;

    if (!store->db.env || data_room(store, ROOM_BEHIND) >= need)
        return 0;
    end = data_used(store, &page) + need;
    /* More than is needed, so that it does not come to this with every page. */
    if (data_allocate(store, end + store->segment_bytes, NULL) == 0 || data_room(store, ROOM_ALL) >= need ||
        data_allocate(store, end, err) == 0)
        return 0;
    data_allocate_some(store, end);
    return -(int)err->code;
}

/* ---- full or not ---- */

static void space_note(struct store *store, bool full, const struct error *err)
{
    bool was;

    (void)pthread_mutex_lock(&store->lock);
    was = store->stats.full;
    store->stats.full = full;
    (void)pthread_mutex_unlock(&store->lock);
    if (full && !was)
        log_warning("store", "%s; until there is room, only deletions and renewals are taken, and history gives way",
                    error_text(err));
    if (!full && was)
        log_info("store", "there is room again");
}

bool store_space_is_full(struct store *store)
{
    bool full;

    (void)pthread_mutex_lock(&store->lock);
    full = store->stats.full;
    (void)pthread_mutex_unlock(&store->lock);
    return full;
}

void store_space_note_failure(struct store *store, const struct error *err)
{
    if (err->code != ERROR_NO_SPACE)
        return;
    space_note(store, true, err);
    /* What failed may have been larger than what is missing: the keeper says whether there is room. */
    (void)pthread_mutex_lock(&store->lock);
    store->space_due = true;
    (void)pthread_cond_signal(&store->keep_wake);
    (void)pthread_mutex_unlock(&store->lock);
}

int store_space_refill(struct store *store)
{
    ERROR_LOCAL(failure);

    (void)pthread_mutex_lock(&store->lock);
    store->space_due = false;
    (void)pthread_mutex_unlock(&store->lock);
    if (spare_refill(store, &failure) == 0 && data_refill(store, &failure) == 0) {
        space_note(store, false, NULL);
        return 0;
    }
    if (failure.code == ERROR_NO_SPACE)
        space_note(store, true, &failure);
    else
        log_warning("store", "%s; trying again later", error_text(&failure));
    store->space_after_ns = clock_monotonic_ns(store->clock) + RETRY_NS;
    return -(int)failure.code;
}

bool store_space_keep(struct store *store)
{
    uint64_t data_end = store->data_end;
    bool lacked;

    if (store->space_after_ns && clock_monotonic_ns(store->clock) < store->space_after_ns)
        return false;
    store->space_after_ns = 0;
    lacked = store_space_is_full(store) || !spare_is_there(store);
    return store_space_refill(store) == 0 && (lacked || store->data_end != data_end);
}

/* From the writer, who does not wait for the keeper while that one makes it. */
static bool spare_is_known(struct store *store)
{
    bool there;

    if (pthread_mutex_trylock(&store->spare_lock))
        return false;
    there = store->spare != NULL;
    (void)pthread_mutex_unlock(&store->spare_lock);
    return there;
}

void store_space_watch(struct store *store)
{
    struct store_root *root;
    bool low;

    if (store_space_is_full(store) || spare_is_known(store))
        return;
    root = store_root_take(store);
    low = store_segment_room(store_root_last(root)) < store_root_last(root)->size / 2;
    store_root_unref(root);
    if (low) {
        ERROR_LOCAL(failure);

        if (spare_refill(store, &failure) < 0)
            store_space_note_failure(store, &failure);
    }
}

/* ---- what a full disk costs ---- */

/* There has to be room for what is dissolved. */
static bool history_gives_way(struct store *store)
{
    return store_space_is_full(store) && !store->trim && store->db.env &&
           data_room(store, ROOM_AT_ONCE) >= (uint64_t)store->segment_bytes;
}

uint64_t store_space_history(struct store *store)
{
    struct store_root *root = store_root_take(store);
    uint64_t bytes = store_root_log_bytes(root);

    store_root_unref(root);
    return bytes <= store->history && history_gives_way(store) ? bytes - 1 : store->history;
}

/* With nothing before it left, the last segment is begun anew, so that it can be dissolved: when deletions in it give
 * LMDB pages back, or it has become full. */
bool store_space_turn(struct store *store)
{
    struct store_root *root;
    const struct store_segment *last;
    ERROR_LOCAL(failure);
    bool worth;

    if (!history_gives_way(store) || !spare_is_there(store))
        return false;
    (void)pthread_mutex_lock(&store->applying);
    root = store_root_take(store);
    last = store_root_last(root);
    worth = root->segment_count == 1 && atomic_load(&last->end) > STORE_SEGMENT_HEAD &&
            (store->bytes + last->size / 16 < store->bytes_at_roll || store_segment_room(last) < last->size / 2);
    store_root_unref(root);
    worth = worth && store_space_roll(store, 0, atomic_load(&store->visible) + 1, &failure) == 0;
    (void)pthread_mutex_unlock(&store->applying);
    return worth;
}
