/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read transactions, lent for one call. LMDB cannot reuse a page that a live read transaction might see, so each one is
 * reset before the call returns; the handle is kept, because renewing it takes no lock of LMDB's.
 *
 * Invariant: `active` counts those lent out; free[] holds reset ones, all of the present environment.
 */
#include "store/store_internal.h"

void store_readers_init(struct store_readers *readers)
{
    (void)pthread_mutex_init(&readers->lock, NULL);
    (void)pthread_cond_init(&readers->idle, NULL);
}

void store_readers_free(struct store_readers *readers)
{
    (void)pthread_mutex_destroy(&readers->lock);
    (void)pthread_cond_destroy(&readers->idle);
}

void store_readers_drain(struct store_readers *readers)
{
    (void)pthread_mutex_lock(&readers->lock);
    readers->draining = true;
    while (readers->active)
        (void)pthread_cond_wait(&readers->idle, &readers->lock);
    while (readers->free_count)
        mdb_txn_abort(readers->free[--readers->free_count]);
    (void)pthread_mutex_unlock(&readers->lock);
}

void store_readers_resume(struct store_readers *readers)
{
    (void)pthread_mutex_lock(&readers->lock);
    readers->draining = false;
    (void)pthread_cond_broadcast(&readers->idle);
    (void)pthread_mutex_unlock(&readers->lock);
}

/* Takes a handle (NULL = make one); false when the environment is gone. */
static bool readers_take(struct store *store, MDB_txn **ret_txn)
{
    struct store_readers *readers = &store->readers;
    bool open;

    (void)pthread_mutex_lock(&readers->lock);
    while (readers->draining)
        (void)pthread_cond_wait(&readers->idle, &readers->lock);
    open = store->db.env != NULL;
    if (open) {
        readers->active++;
        *ret_txn = readers->free_count ? readers->free[--readers->free_count] : NULL;
    }
    (void)pthread_mutex_unlock(&readers->lock);
    return open;
}

/* Gives back a reset handle, or NULL when it is no more. */
static void readers_give(struct store *store, MDB_txn *txn)
{
    struct store_readers *readers = &store->readers;

    (void)pthread_mutex_lock(&readers->lock);
    if (txn && readers->free_count < STORE_READERS)
        readers->free[readers->free_count++] = STEAL(txn);
    if (txn)
        mdb_txn_abort(txn);
    if (--readers->active == 0)
        (void)pthread_cond_broadcast(&readers->idle);
    (void)pthread_mutex_unlock(&readers->lock);
}

int store_readers_begin(struct store *store, MDB_txn **ret_txn, struct error *err)
{
    MDB_txn *txn = NULL;
    int rc;

    if (!readers_take(store, &txn))
        return error_set(err, ERROR_IO, "the store in %s is closed after an error of its disk", store->path);
    if (txn)
        rc = mdb_txn_renew(txn);
    else
        rc = mdb_txn_begin(store->db.env, NULL, MDB_RDONLY, &txn);
    if (rc) {
        readers_give(store, txn);
        return store_lmdb_error(err, rc, "starting to read");
    }
    *ret_txn = txn;
    return 0;
}

void store_readers_end(struct store *store, MDB_txn *txn)
{
    mdb_txn_reset(txn);
    readers_give(store, txn);
}
