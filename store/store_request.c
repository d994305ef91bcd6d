/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transaction on its way through the queue: one block of memory with a copy of all that the caller said, and what is
 * found out about it before it is looked at. store_writer.c has its life.
 */
#include "store/store_internal.h"

static void *copy_bytes(char **at, struct slice *slice)
{
    char *to = *at;

    if (slice->len)
        memcpy(to, slice->data, slice->len);
    slice->data = to;
    *at += slice->len;
    return to;
}

static size_t transaction_bytes(const struct store_transaction *transaction)
{
    size_t bytes = 0;

    for (size_t i = 0; i < transaction->condition_count; i++)
        bytes += transaction->conditions[i].key.len;
    for (size_t i = 0; i < transaction->operation_count; i++) {
        const struct store_operation *operation = &transaction->operations[i];

        bytes += operation->key.len + operation->meta.len + operation->value.len;
    }
    return bytes + transaction->origin.user.len;
}

/* Nothing but updates of what has no history. */
static bool is_renewal(const struct store_transaction *t)
{
    for (size_t i = 0; i < t->condition_count; i++)
        if (t->conditions[i].mod_revision == 0)
            return false;
    for (size_t i = 0; i < t->operation_count; i++)
        if (t->operations[i].kind != STORE_PUT || t->operations[i].class != STORE_HISTORY_NONE)
            return false;
    return true;
}

static bool may_use_reserve(const struct store_transaction *t)
{
    for (size_t i = 0; i < t->operation_count && !t->reserve; i++)
        if (t->operations[i].kind != STORE_DELETE && t->operations[i].class != STORE_HISTORY_NONE)
            return false;
    return true;
}

struct store_request *store_request_new(const struct store_transaction *from)
{
    size_t conditions = from->condition_count * sizeof(struct store_condition);
    size_t operations = from->operation_count * sizeof(struct store_operation);
    size_t size = sizeof(struct store_request) + conditions + operations + transaction_bytes(from);
    struct store_request *request = mem_alloc(size);
    struct store_condition *condition = (struct store_condition *)(void *)(request + 1);
    struct store_operation *operation = (struct store_operation *)(void *)((char *)condition + conditions);
    char *at = (char *)operation + operations;

    *request =
        (struct store_request){.conditions = condition, .operations = operation, .bytes = size, .origin = from->origin};
    request->may_reserve = may_use_reserve(from);
    request->patient = is_renewal(from);
    request->condition_count = from->condition_count;
    request->operation_count = from->operation_count;
    for (size_t i = 0; i < from->condition_count; i++) {
        condition[i] = from->conditions[i];
        copy_bytes(&at, &condition[i].key);
    }
    for (size_t i = 0; i < from->operation_count; i++) {
        operation[i] = from->operations[i];
        if (operation[i].kind == STORE_DELETE)
            operation[i].meta = operation[i].value = SLICE_NONE;
        copy_bytes(&at, &operation[i].key);
        copy_bytes(&at, &operation[i].meta);
        copy_bytes(&at, &operation[i].value);
    }
    copy_bytes(&at, &request->origin.user);
    if (request->origin.user.len > STORE_USER_MAX)
        request->origin.user.len = STORE_USER_MAX;
    return request;
}

struct store_request *store_request_new_refused(struct error *err)
{
    struct store_request *request = mem_zalloc(sizeof(*request));

    request->refused = true;
    request->err = *err;
    *err = (struct error)ERROR_INIT;
    return request;
}

void store_request_drop_events(struct store_request *request)
{
    for (size_t i = 0; request->events && i < request->operation_count; i++)
        store_event_unref(request->events[i]);
    free(request->events);
    request->events = NULL;
}

void store_request_finish(struct store_request *request)
{
    bool failed = error_is_set(&request->err);

    request->done(request->arg, failed ? 0 : request->revision, request->failed_condition,
                  failed ? &request->err : NULL);
    store_request_drop_events(request);
    error_clear(&request->err);
    free(request);
}

size_t store_request_log_bytes(const struct store_request *request)
{
    return request->bytes +
           request->operation_count * (STORE_RECORD_HEADER + STORE_RECORD_ALIGN + request->origin.user.len);
}

void store_request_refuse_full(struct store_request *request)
{
    if (request->refused || request->may_reserve)
        return;
    request->refused = true;
    error_clear(&request->err);
    (void)error_set(&request->err, ERROR_NO_SPACE,
                    "database space exceeded: the disk is full; delete what is not needed, or give it room");
}
