/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/fixture.h"

#include <stdio.h>
#include <unistd.h>

#ifdef FIXTURE_SMALL
#define SEGMENT_BYTES    (16u << 10)
#define CHECKPOINT_COUNT 3
#else
#define SEGMENT_BYTES    (1u << 20)
#define CHECKPOINT_COUNT 0
#endif

void fixture_open(struct fixture *f)
{
    struct store_options options = {.path = f->path,
                                    .clock = &f->clock.base,
                                    .quota = f->quota,
                                    .history = f->history,
                                    .manual = f->manual,
                                    .segment_bytes = f->segment_bytes ? f->segment_bytes : SEGMENT_BYTES,
                                    .checkpoint_count = f->checkpoint_count ? f->checkpoint_count : CHECKPOINT_COUNT,
                                    .table_max = f->table_max,
                                    .window_ns = f->window_ns};
    ERROR_LOCAL(err);

    if (store_open(&options, &f->store, &err) < 0)
        fail_msg("%s", error_text(&err));
}

static int setup(void **state, bool manual)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    /* In memory where that can be had: no test here depends on the disk, and syncing one takes its time. */
    (void)snprintf(f->path, sizeof(f->path), "%s/knarr-store-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(f->path));
    clock_fake_init(&f->clock, 1700000000 * NS_PER_S);
    f->manual = manual;
    fixture_open(f);
    *state = f;
    return 0;
}

int fixture_setup(void **state)
{
    return setup(state, true);
}

int fixture_setup_threaded(void **state)
{
    return setup(state, false);
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    store_close(f->store);
    test_remove_folder(f->path);
    free(f);
    return 0;
}

void fixture_reopen(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
    fixture_open(f);
}

void outcome_note(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    struct outcome *outcome = arg;

    outcome->calls++;
    outcome->revision = revision;
    outcome->failed_condition = failed_condition;
    outcome->code = err ? err->code : ERROR_NONE;
    (void)snprintf(outcome->message, sizeof(outcome->message), "%s", err ? error_text(err) : "");
}

void submit(struct fixture *f, const struct store_condition *conditions, size_t condition_count,
            const struct store_operation *operations, size_t operation_count, struct outcome *outcome)
{
    *outcome = (struct outcome){0};
    store_commit(f->store, &(struct store_transaction){conditions, condition_count, operations, operation_count},
                 outcome_note, outcome);
}

void step_all(struct fixture *f)
{
    while (store_step(f->store))
        ;
}

static struct outcome run_one(struct fixture *f, const struct store_condition *condition,
                              const struct store_operation *operation)
{
    struct outcome outcome;

    submit(f, condition, condition ? 1 : 0, operation, 1, &outcome);
    step_all(f);
    if (!outcome.calls) { /* a renewal, which waits for others */
        clock_fake_advance(&f->clock, NS_PER_S / 2);
        step_all(f);
    }
    assert_int_equal(outcome.calls, 1);
    return outcome;
}

struct outcome put(struct fixture *f, const char *key, const char *value)
{
    return run_one(f, NULL, &(struct store_operation){STORE_PUT, slice_str(key), SLICE_LIT("meta"), slice_str(value)});
}

struct outcome put_if(struct fixture *f, const char *key, const char *value, uint64_t mod_revision)
{
    return run_one(f, &(struct store_condition){slice_str(key), mod_revision},
                   &(struct store_operation){STORE_PUT, slice_str(key), SLICE_LIT("meta"), slice_str(value)});
}

struct outcome delete_key(struct fixture *f, const char *key)
{
    return run_one(f, NULL, &(struct store_operation){STORE_DELETE, slice_str(key)});
}

struct outcome write_class(struct fixture *f, enum store_class class, const char *key, const char *value)
{
    return run_one(f, NULL,
                   &(struct store_operation){.kind = value ? STORE_PUT : STORE_DELETE,
                                             .key = slice_str(key),
                                             .meta = SLICE_LIT("meta"),
                                             .value = slice_str(value ? value : ""),
                                             .class = class});
}

static void compact_note(void *arg, const struct error *err)
{
    enum error_code *code = arg;

    *code = err ? err->code : ERROR_NONE;
}

enum error_code compact(struct fixture *f, uint64_t revision)
{
    enum error_code code = ERROR_CODE_COUNT;

    store_compact(f->store, revision, compact_note, &code);
    step_all(f);
    assert_int_not_equal(code, ERROR_CODE_COUNT);
    return code;
}

static int write_item(void *arg, const struct store_item *item)
{
    buf_printf(arg, "%.*s@%llu/%llu", SLICE_ARGS(item->value), (unsigned long long)item->mod_revision,
               (unsigned long long)item->create_revision);
    return 0;
}

char *get_text(struct fixture *f, const char *key)
{
    BUF_LOCAL(out);

    if (store_get(f->store, slice_str(key), write_item, &out, NULL, NULL) < 0)
        buf_append_str(&out, "-");
    return buf_steal_str(&out);
}

static int write_listed(void *arg, const struct store_item *item)
{
    buf_printf(arg, "%s%.*s=%.*s@%llu", ((struct buf *)arg)->len ? " " : "", SLICE_ARGS(item->key),
               SLICE_ARGS(item->value), (unsigned long long)item->mod_revision);
    return 0;
}

char *list_text(struct fixture *f, const char *prefix, const char *after, uint64_t at, size_t limit)
{
    struct store_range range = {slice_str(prefix), slice_str(after), at, limit};
    struct store_range_result result;
    ERROR_LOCAL(err);
    BUF_LOCAL(out);

    if (store_list(f->store, &range, write_listed, &out, &result, &err) < 0) {
        buf_printf(&out, "E:%s", error_reason(err.code));
    } else {
        assert_int_equal(result.revision, at ? at : store_revision(f->store));
        assert_int_equal(result.more, result.remaining > 0);
        if (result.more)
            buf_printf(&out, " +%llu", (unsigned long long)result.remaining);
    }
    return buf_steal_str(&out);
}

void event_write(struct buf *out, const struct store_event *event)
{
    buf_printf(out, "%llu%c%.*s=%.*s", (unsigned long long)event->revision, "+*-"[event->kind], SLICE_ARGS(event->key),
               SLICE_ARGS(event->value));
    if (event->kind == STORE_EVENT_MODIFY)
        buf_printf(out, "<%.*s@%llu", SLICE_ARGS(event->prev_value), (unsigned long long)event->prev_revision);
    if (event->kind == STORE_EVENT_DELETE)
        assert_true(slice_equal(event->value, event->prev_value));
    if (event->kind == STORE_EVENT_CREATE) {
        assert_int_equal(event->create_revision, event->revision);
        assert_int_equal(event->prev_value.len, 0);
        assert_int_equal(event->prev_revision, 0);
    }
    buf_append_str(out, " ");
}

static int write_event(void *arg, const struct store_event *event)
{
    event_write(arg, event);
    return 0;
}

char *log_text(struct fixture *f, const char *prefix, uint64_t after, uint64_t until, size_t limit)
{
    uint64_t end = 0;
    ERROR_LOCAL(err);
    BUF_LOCAL(out);

    if (store_read_log(f->store, slice_str(prefix), STORE_HISTORY_FULL, after, until, limit, write_event, &out, &end,
                       &err) < 0)
        buf_printf(&out, "E:%s", error_reason(err.code));
    else
        buf_printf(&out, "|%llu", (unsigned long long)end);
    return buf_steal_str(&out);
}
