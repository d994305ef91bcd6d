/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a folder of its own, driven by hand, and short words for what tests say all the time. */
#ifndef KNARR_TESTS_UNIT_STORE_FIXTURE_H
#define KNARR_TESTS_UNIT_STORE_FIXTURE_H

#include "store/store.h"
#include "tests/unit/test.h"

struct fixture {
    char path[64];
    struct clock_fake clock;
    uint64_t quota;
    uint64_t history;
    bool manual;
    size_t segment_bytes;    /* 0 = what suits the test */
    size_t checkpoint_count; /* likewise */
    size_t table_max;        /* 0 = as it should be */
    int64_t window_ns;
    struct store *store;
};

/* cmocka setup and teardown: a store in manual mode, and one with its thread. */
int fixture_setup(void **state);
int fixture_setup_threaded(void **state);
int fixture_teardown(void **state);
void fixture_open(struct fixture *f);
void fixture_reopen(struct fixture *f);

#define store_test(fn)          cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
#define store_test_threaded(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup_threaded, fixture_teardown)

/* How a transaction ended. */
struct outcome {
    int calls;
    uint64_t revision;
    size_t failed_condition;
    enum error_code code;
    char message[256];
};
void outcome_note(void *arg, uint64_t revision, size_t failed_condition, const struct error *err);

#define OP_PUT(k, v)                                                                                                   \
    {                                                                                                                  \
        STORE_PUT, SLICE_LIT(k), SLICE_LIT("m:" v), SLICE_LIT(v)                                                       \
    }
#define OP_DELETE(k)                                                                                                   \
    {                                                                                                                  \
        STORE_DELETE, SLICE_LIT(k)                                                                                     \
    }
/* Queues one transaction; conditions may be NULL. */
void submit(struct fixture *f, const struct store_condition *conditions, size_t condition_count,
            const struct store_operation *operations, size_t operation_count, struct outcome *outcome);
/* One put or deletion, stepped to its end. */
struct outcome put(struct fixture *f, const char *key, const char *value);
/* The same of a class; value NULL deletes. */
struct outcome write_class(struct fixture *f, enum store_class class, const char *key, const char *value);
struct outcome put_if(struct fixture *f, const char *key, const char *value, uint64_t mod_revision);
struct outcome delete_key(struct fixture *f, const char *key);
/* Compacts to the end and says how it went. */
enum error_code compact(struct fixture *f, uint64_t revision);
/* Steps until nothing is left. */
void step_all(struct fixture *f);

/* "value@mod/create", or "-" when the key is not there. To be freed. */
char *get_text(struct fixture *f, const char *key);
#define assert_get(f, key, text)                                                                                       \
    do {                                                                                                               \
        char *get_text_ = get_text(f, key);                                                                            \
        assert_string_equal(get_text_, text);                                                                          \
        free(get_text_);                                                                                               \
    } while (0)

/* "a=1@2 b=3@4 +5": the items, and how many remain when there is more; "E:<Reason>" on an error. To be freed. */
char *list_text(struct fixture *f, const char *prefix, const char *after, uint64_t at, size_t limit);
#define assert_list(f, prefix, after, at, limit, text)                                                                 \
    do {                                                                                                               \
        char *list_text_ = list_text(f, prefix, after, at, limit);                                                     \
        assert_string_equal(list_text_, text);                                                                         \
        free(list_text_);                                                                                              \
    } while (0)

/* Appends "2+a=1 3*a=2<1 4-a=2 ": revision, what happened (+ made, * changed, - gone), key, value, value before. */
void event_write(struct buf *out, const struct store_event *event);
/* What the log says, ending in "|until". To be freed. */
char *log_text(struct fixture *f, const char *prefix, uint64_t after, uint64_t until, size_t limit);
#define assert_log(f, prefix, after, until, limit, text)                                                               \
    do {                                                                                                               \
        char *log_text_ = log_text(f, prefix, after, until, limit);                                                    \
        assert_string_equal(log_text_, text);                                                                          \
        free(log_text_);                                                                                               \
    } while (0)

#endif
