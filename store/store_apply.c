/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transaction: its rules, then its records at the end of the frame under way and its versions in the active table.
 *
 * Everything that can turn it down is looked at before the first change, so that a refused transaction leaves nothing
 * behind and its neighbours in the batch never notice. Later transactions of a batch see what earlier ones did.
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
    if ((unsigned)operation->class >= STORE_CLASSES) {
        (void)error_set(err, ERROR_INVALID, "there is no class of history %d", (int)operation->class);
        return false;
    }
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

/* What one operation finds. */
struct apply_step {
    struct store_found before;
    bool there;
};

struct apply {
    const struct store_view *view; /* the writer's: it sees what is pending */
    struct store_request *request;
    uint64_t revision;
    int64_t now_ns;
    struct apply_step *steps; /* one for each operation */
};

enum { REFUSED = 1 };

/* 1 = it is there, 0 = it is not, REFUSED + 1 = it cannot be told. Damage refuses the transaction that touches it, not
 * the batch. */
static int newest(struct apply *a, struct slice key, struct store_found *ret_found)
{
    int rc = store_view_find(a->view, key, UINT64_MAX, ret_found, &a->request->err);

    return rc < 0 ? REFUSED + 1 : rc;
}

static uint64_t found_revision(const struct store_found *found)
{
    return found->in_base ? found->base.revision : found->entry.revision;
}

static uint32_t found_length(const struct store_found *found)
{
    return found->in_base ? (uint32_t)store_record_size(&found->base) : found->entry.length;
}

static int check_conditions(struct apply *a)
{
    struct store_request *request = a->request;

    for (size_t i = 0; i < request->condition_count; i++) {
        const struct store_condition *condition = &request->conditions[i];
        struct store_found found;
        int there = newest(a, condition->key, &found);
        uint64_t revision = there == 1 ? found_revision(&found) : 0;

        if (there > 1)
            return REFUSED;
        if (condition->mod_revision == STORE_ANY_REVISION ? there : condition->mod_revision == revision)
            continue;
        request->failed_condition = i;
        (void)error_set(&request->err, ERROR_CONFLICT, "%.*s is at revision %llu", SLICE_ARGS(condition->key),
                        (unsigned long long)revision);
        return REFUSED;
    }
    return 0;
}

/* Copies what is and what will be into the event of operation `i`: the source of all that is then written. */
static int prepare_event(struct apply *a, size_t i)
{
    struct store_request *request = a->request;
    const struct store_operation *operation = &request->operations[i];
    struct store_record record = {0};
    int there = newest(a, operation->key, &a->steps[i].before);

    if (there == 0 && operation->kind == STORE_DELETE)
        (void)error_set(&request->err, ERROR_NOT_FOUND, "%.*s is not there", SLICE_ARGS(operation->key));
    if (there == 1)
        (void)store_view_record(a->view, operation->key, &a->steps[i].before, &record, &request->err);
    if (error_is_set(&request->err))
        return REFUSED;
    a->steps[i].there = there;
    request->events[i] = store_event_new(&(struct store_event){
        .kind = operation->kind == STORE_DELETE ? STORE_EVENT_DELETE
                : there                         ? STORE_EVENT_MODIFY
                                                : STORE_EVENT_CREATE,
        .revision = a->revision,
        .create_revision = there ? record.create_revision : a->revision,
        .prev_revision = record.revision,
        .key = operation->key,
        .meta = operation->meta,
        .value = operation->value,
        .prev_meta = record.meta,
        .prev_value = record.value,
    });
    return 0;
}

static struct store_record record_of(const struct apply *a, size_t i)
{
    const struct store_request *request = a->request;
    const struct store_event *event = request->events[i];
    const struct store_found *before = &a->steps[i].before;
    bool gone = event->kind == STORE_EVENT_DELETE;
    struct store_record record = {
        .kind = event->kind,
        .class = request->operations[i].class,
        .verb = request->origin.verb,
        .revision = a->revision,
        .create_revision = event->create_revision,
        .prev_revision = found_revision(before),
        .time_ns = a->now_ns,
        .index = (unsigned)i,
        .count = (unsigned)request->operation_count,
        .key = event->key,
        .user = request->origin.user,
        .meta = gone ? SLICE_NONE : event->meta,
        .value = gone ? SLICE_NONE : event->value,
    };

    /* A key that comes again leads back to its deletion, as far as that is known: the history goes on behind it. */
    record.prev = before->in_base ? (struct store_place){0, 0} : before->entry.place;
    record.prev_index = before->in_base ? before->base.index : before->entry.index;
    memcpy(record.audit, request->origin.audit, sizeof(record.audit));
    return record;
}

/* What lives once the operation is done, less what lived before. */
static int64_t grows_by(const struct apply *a, size_t i)
{
    struct store_record record = record_of(a, i);
    int64_t now = record.kind == STORE_EVENT_DELETE ? 0 : (int64_t)store_record_size(&record);

    return now - (a->steps[i].there ? (int64_t)found_length(&a->steps[i].before) : 0);
}

/* Beyond the quota, for those who may use it: in proportion where the quota is small. */
static uint64_t quota_reserve(const struct store *store)
{
    return store->quota / 8 < STORE_QUOTA_RESERVE ? store->quota / 8 : STORE_QUOTA_RESERVE;
}

/* The quota bounds what lives, not the history: that has bounds of its own. What makes the store smaller always goes.
 */
static int check_quota(struct apply *a)
{
    const struct store *store = a->view->store;
    uint64_t most = store->quota + (a->request->may_reserve ? quota_reserve(store) : 0);
    int64_t grows = 0;

    for (size_t i = 0; i < a->request->operation_count; i++)
        grows += grows_by(a, i);
    if (grows <= 0 || store->bytes + (uint64_t)grows <= most)
        return 0;
    (void)error_set(&a->request->err, ERROR_NO_SPACE,
                    "database space exceeded: %llu of %llu bytes are in use; delete what is not needed",
                    (unsigned long long)store->bytes, (unsigned long long)store->quota);
    return REFUSED;
}

static void add_record(struct apply *a, struct store *store, size_t i)
{
    struct store_record record = record_of(a, i);
    size_t size = store_record_size(&record);
    struct store_entry entry = {
        .kind = record.kind,
        .class = record.class,
        .revision = record.revision,
        .create_revision = record.create_revision,
        .index = record.index,
        .length = (uint32_t)size,
        .place = {a->view->pending->place.segment,
                  a->view->pending->place.offset + (uint32_t)(a->view->pending->bytes.len / STORE_RECORD_ALIGN)},
    };

    store->bytes += (uint64_t)grows_by(a, i);
    store->keys += record.kind == STORE_EVENT_CREATE;
    store->keys -= record.kind == STORE_EVENT_DELETE;
    store_record_write(buf_reserve(&a->view->pending->bytes, store_record_padded(size)), &record);
    a->view->pending->bytes.len += store_record_padded(size);
    store_table_add(a->view->root->levels[0]->table, record.key, &entry);
    store_folder_note(store, record.key, record.revision);
}

int store_apply(const struct store_view *view, struct store_request *request, uint64_t revision, int64_t now_ns)
{
    struct apply_step *steps CLEANUP_FREE = mem_calloc(request->operation_count, sizeof(*steps));
    struct apply a = {.view = view, .request = request, .revision = revision, .now_ns = now_ns, .steps = steps};
    int rc = check_conditions(&a);

    if (rc)
        return rc;
    request->events = mem_calloc(request->operation_count, sizeof(struct store_event *));
    for (size_t i = 0; i < request->operation_count; i++) {
        rc = prepare_event(&a, i);
        if (rc)
            return rc;
    }
    rc = check_quota(&a);
    if (rc)
        return rc;
    for (size_t i = 0; i < request->operation_count; i++)
        add_record(&a, view->store, i);
    request->revision = revision;
    return 0;
}
