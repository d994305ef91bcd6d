/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transaction, inside the LMDB transaction of its batch.
 *
 * Everything that can turn it down is looked at before the first change, so that a refused transaction leaves nothing
 * behind and its neighbours in the batch never notice. What fails later is LMDB itself, and costs the whole batch.
 * Later transactions of a batch see what earlier ones did.
 */
#include "store/store_internal.h"

static bool key_valid(struct slice key, struct error *err)
{
    if (!key.len || key.len > STORE_KEY_MAX || memchr(key.data, 0, key.len)) {
        (void)error_set(err, ERROR_INVALID, "a key of %zu bytes: it must have 1 to %d and no NUL", key.len,
                        STORE_KEY_MAX);
        return false;
    }
    return true;
}

static bool operation_valid(const struct store_transaction *transaction, size_t at, struct error *err)
{
    const struct store_operation *operation = &transaction->operations[at];

    if (!key_valid(operation->key, err))
        return false;
    if (operation->meta.len > STORE_VALUE_MAX || operation->value.len > STORE_VALUE_MAX - operation->meta.len) {
        (void)error_set(err, ERROR_TOO_LARGE, "a value may have %u bytes", STORE_VALUE_MAX);
        return false;
    }
    for (size_t i = 0; i < at; i++) {
        if (slice_equal(transaction->operations[i].key, operation->key)) {
            (void)error_set(err, ERROR_INVALID, "%.*s stands in one transaction twice", SLICE_ARGS(operation->key));
            return false;
        }
    }
    return true;
}

bool store_transaction_valid(const struct store_transaction *transaction, struct error *err)
{
    size_t bytes = 0;

    if (!transaction->operation_count || transaction->operation_count > STORE_OPS_MAX ||
        transaction->condition_count > STORE_OPS_MAX) {
        (void)error_set(err, ERROR_INVALID, "a transaction has 1 to %d operations and at most %d conditions",
                        STORE_OPS_MAX, STORE_OPS_MAX);
        return false;
    }
    for (size_t i = 0; i < transaction->condition_count; i++) {
        if (!key_valid(transaction->conditions[i].key, err))
            return false;
    }
    for (size_t i = 0; i < transaction->operation_count; i++) {
        if (!operation_valid(transaction, i, err))
            return false;
        bytes += transaction->operations[i].meta.len + transaction->operations[i].value.len;
    }
    if (bytes > STORE_TRANSACTION_MAX) {
        (void)error_set(err, ERROR_TOO_LARGE, "a transaction may carry %u bytes", STORE_TRANSACTION_MAX);
        return false;
    }
    return true;
}

struct apply {
    struct store *store;
    MDB_txn *txn;
    struct store_request *request;
    uint64_t revision;
    int64_t time_ns;
    struct error *err; /* of LMDB, fatal to the batch */
};

enum { REFUSED = 1 };

/* Returns 1 when the key is there (its slices live until the next change), 0 when not, or a negative error. A damaged
 * record refuses the transaction that touches it, not the batch. */
static int read_newest(struct apply *apply, struct slice key, struct store_record *ret_record)
{
    MDB_val place = store_val(key), value;
    int rc = mdb_get(apply->txn, apply->store->db.current, &place, &value);

    if (rc == MDB_NOTFOUND)
        return 0;
    if (rc)
        return store_lmdb_error(apply->err, rc, "reading before writing");
    if (store_record_read(store_slice(value), key, ret_record, &apply->request->err) < 0) {
        (void)error_wrap(&apply->request->err, "reading %.*s", SLICE_ARGS(key));
        return 0;
    }
    return 1;
}

static int check_conditions(struct apply *apply)
{
    struct store_request *request = apply->request;

    for (size_t i = 0; i < request->condition_count; i++) {
        const struct store_condition *condition = &request->conditions[i];
        struct store_record record = {0};
        int found = read_newest(apply, condition->key, &record);
        uint64_t revision = found > 0 ? record.revision : 0;

        if (found < 0)
            return found;
        if (error_is_set(&request->err))
            return REFUSED;
        if (condition->mod_revision == STORE_ANY_REVISION ? found : condition->mod_revision == revision)
            continue;
        request->failed_condition = i;
        (void)error_set(&request->err, ERROR_CONFLICT, "%.*s is at revision %llu", SLICE_ARGS(condition->key),
                        (unsigned long long)revision);
        return REFUSED;
    }
    return 0;
}

/* Copies what is and what will be into the event of operation `i`: the source of all that is then written, because what
 * LMDB shows of the present is void after the first change. */
static int prepare_event(struct apply *apply, size_t i)
{
    struct store_request *request = apply->request;
    const struct store_operation *operation = &request->operations[i];
    struct store_record record = {0};
    int found = read_newest(apply, operation->key, &record);

    if (found < 0)
        return found;
    if (!error_is_set(&request->err) && !found && operation->kind == STORE_DELETE)
        (void)error_set(&request->err, ERROR_NOT_FOUND, "%.*s is not there", SLICE_ARGS(operation->key));
    if (error_is_set(&request->err))
        return REFUSED;
    request->events[i] = store_event_new(&(struct store_event){
        .kind = operation->kind == STORE_DELETE ? STORE_EVENT_DELETE
                : found                         ? STORE_EVENT_MODIFY
                                                : STORE_EVENT_CREATE,
        .revision = apply->revision,
        .create_revision = found ? record.create_revision : apply->revision,
        .prev_revision = record.revision,
        .key = operation->key,
        .meta = operation->meta,
        .value = operation->value,
        .prev_meta = record.meta,
        .prev_value = record.value,
    });
    return 0;
}

/* A guess on the high side: what lies on whole pages of its own is rounded up to them. */
static uint64_t record_cost(size_t bytes)
{
    return bytes > 2000 ? (bytes / 4096 + 1) * 4096 : bytes * 3 / 2;
}

/* Puts stop at the quota. Deletions go on into a reserve, because they are the way out of it. */
static int check_quota(struct apply *apply)
{
    struct store_request *request = apply->request;
    uint64_t used = store_used(apply->store, apply->txn);
    uint64_t quota = apply->store->quota + apply->store->quota / 8;
    uint64_t need = 0;

    for (size_t i = 0; i < request->operation_count; i++) {
        const struct store_event *event = request->events[i];
        size_t fixed = 2 * (event->key.len + STORE_RECORD_HEADER) + 64;

        if (event->kind != STORE_EVENT_DELETE)
            quota = apply->store->quota;
        need += record_cost(fixed + event->prev_meta.len + event->prev_value.len);
        need += record_cost(fixed + event->meta.len + event->value.len);
    }
    if (used + need <= quota)
        return 0;
    (void)error_set(&request->err, ERROR_NO_SPACE,
                    "database space exceeded: %llu of %llu bytes are in use; delete what is not needed",
                    (unsigned long long)used, (unsigned long long)apply->store->quota);
    return REFUSED;
}

static int put_record(struct apply *apply, MDB_dbi table, struct slice place, const struct store_record *record,
                      unsigned flags)
{
    MDB_val key = store_val(place);
    MDB_val value = {store_record_size(record), NULL};
    int rc = mdb_put(apply->txn, table, &key, &value, flags | MDB_RESERVE);

    if (rc == 0)
        store_record_write(value.mv_data, record, place);
    return rc;
}

/* Returns an LMDB code. */
static int write_log(struct apply *apply, const struct store_event *event, uint32_t index)
{
    struct store_place place = store_log_place(event->revision, index);
    struct store_place history = store_history_place(event->key, event->revision);
    struct store_record undo = {
        .kind = event->kind,
        .revision = event->prev_revision,
        .create_revision = event->create_revision,
        .time_ns = apply->time_ns,
        .key = event->key,
        .meta = event->prev_meta,
        .value = event->prev_value,
    };
    char bytes[STORE_HISTORY_VALUE];
    MDB_val key = store_place_val(&history), value = {sizeof(bytes), bytes};
    int rc = put_record(apply, apply->store->db.log, slice_make(place.bytes, place.len), &undo, MDB_APPEND);

    if (rc)
        return rc;
    store_history_value_write(bytes, index, event->kind);
    return mdb_put(apply->txn, apply->store->db.history, &key, &value, 0);
}

static int write_current(struct apply *apply, const struct store_event *event)
{
    MDB_val key = store_val(event->key);
    struct store_record record = {
        .kind = event->kind,
        .revision = event->revision,
        .create_revision = event->create_revision,
        .time_ns = apply->time_ns,
        .meta = event->meta,
        .value = event->value,
    };

    if (event->kind == STORE_EVENT_DELETE)
        return mdb_del(apply->txn, apply->store->db.current, &key, NULL);
    return put_record(apply, apply->store->db.current, event->key, &record, 0);
}

int store_apply(struct store *store, MDB_txn *txn, struct store_state *state, struct store_request *request,
                struct error *err)
{
    struct apply apply = {store, txn, request, state->revision + 1, clock_wall_ns(store->clock), err};
    int rc = check_conditions(&apply);

    if (rc)
        return rc;
    request->events = mem_calloc(request->operation_count, sizeof(struct store_event *));
    for (size_t i = 0; i < request->operation_count; i++) {
        rc = prepare_event(&apply, i);
        if (rc)
            return rc;
    }
    rc = check_quota(&apply);
    if (rc)
        return rc;
    for (size_t i = 0; i < request->operation_count; i++) {
        rc = write_log(&apply, request->events[i], (uint32_t)i);
        if (rc == 0)
            rc = write_current(&apply, request->events[i]);
        if (rc)
            return store_lmdb_error(err, rc, "writing");
    }
    state->revision = request->revision = apply.revision;
    return 0;
}
