/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: ranges, pages, and exact revisions, the last against what was seen when they were new. */
#include <stdio.h>

#include "tests/unit/store/fixture.h"

static void test_ranges(void **state)
{
    struct fixture *f = *state;

    assert_list(f, "", "", 0, 0, "");
    put(f, "/b/1", "1");
    put(f, "/a", "2");
    put(f, "/b/2", "3");
    put(f, "/b", "4");
    put(f, "/c", "5");
    assert_list(f, "", "", 0, 0, "/a=2@3 /b=4@5 /b/1=1@2 /b/2=3@4 /c=5@6");
    assert_list(f, "/b", "", 0, 0, "/b=4@5 /b/1=1@2 /b/2=3@4");
    assert_list(f, "/b/", "", 0, 0, "/b/1=1@2 /b/2=3@4");
    assert_list(f, "/b/", "/b/1", 0, 0, "/b/2=3@4");
    assert_list(f, "/b/", "/b/15", 0, 0, "/b/2=3@4");
    assert_list(f, "/b/", "/b/2", 0, 0, "");
    assert_list(f, "/b/", "/z", 0, 0, "");
    assert_list(f, "/b/", "/a", 0, 0, "/b/1=1@2 /b/2=3@4");
    assert_list(f, "", "", 0, 2, "/a=2@3 /b=4@5 +3");
    assert_list(f, "", "/b", 0, 2, "/b/1=1@2 /b/2=3@4 +1");
    assert_list(f, "", "/b/2", 0, 2, "/c=5@6");
    assert_list(f, "/b", "", 0, 3, "/b=4@5 /b/1=1@2 /b/2=3@4");
    assert_list(f, "/nothing", "", 0, 0, "");
}

/* Leaves one byte per item. */
static int count_item(void *arg, const struct store_item *item)
{
    buf_append_byte(arg, 'x');
    return 0;
}

/* What a client may send as the place to go on from. */
static void test_odd_starts(void **state)
{
    struct fixture *f = *state;
    char high[600];
    struct slice odd[] = {
        slice_make(high, sizeof(high)),
        slice_make(high, 1),
        SLICE_LIT("/a\0\0\0\0\0\0\0\0\xff"),
        SLICE_LIT("\0"),
    };

    memset(high, '\xff', sizeof(high));
    put(f, "/a", "1");
    put(f, "/a", "2");
    put(f, "/b", "3");
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
        for (uint64_t at = 2; at <= 4; at++) {
            struct store_range range = {.after = odd[i], .at_revision = at, .limit = 0};
            struct store_range_result result;
            BUF_LOCAL(seen);

            assert_int_equal(store_list(f->store, &range, count_item, &seen, &result, NULL), 0);
            assert_int_equal(seen.len, i < 2 ? 0 : (at == 4) + (i == 3));
            range = (struct store_range){.prefix = odd[i], .at_revision = at};
            buf_reset(&seen);
            assert_int_equal(store_list(f->store, &range, count_item, &seen, &result, NULL), 0);
            assert_int_equal(seen.len, 0);
        }
    }
}

static int stop_at_second(void *arg, const struct store_item *item)
{
    return ++*(int *)arg == 2 ? -77 : 0;
}

static void test_visitor_stops(void **state)
{
    struct fixture *f = *state;
    struct store_range range = {0};
    struct store_range_result result = {.revision = 5};
    int calls = 0;
    ERROR_LOCAL(err);

    for (char key[] = "/a"; key[1] < 'e'; key[1]++)
        put(f, key, "1");
    assert_int_equal(store_list(f->store, &range, stop_at_second, &calls, &result, &err), -77);
    assert_int_equal(calls, 2);
    assert_int_equal(result.revision, 5);
    assert_false(error_is_set(&err));
}

static void test_count_can_be_skipped(void **state)
{
    struct fixture *f = *state;
    struct store_range range = {.limit = 1, .skip_count = true};
    struct store_range_result result;
    BUF_LOCAL(seen);

    put(f, "/a", "1");
    assert_int_equal(store_list(f->store, &range, count_item, &seen, &result, NULL), 0);
    assert_false(result.more);
    put(f, "/b", "1");
    put(f, "/c", "1");
    assert_int_equal(store_list(f->store, &range, count_item, &seen, &result, NULL), 0);
    assert_true(result.more);
    assert_int_equal(result.remaining, 0);
    assert_int_equal(seen.len, 2);
}

/* The pages of one continue token are one snapshot, however much is written between them. */
static void test_pages_are_one_snapshot(void **state)
{
    struct fixture *f = *state;

    put(f, "/a", "1");
    put(f, "/c", "1");
    put(f, "/e", "1");
    put(f, "/g", "1");
    assert_list(f, "/", "", 5, 1, "/a=1@2 +3");
    put(f, "/b", "new");
    put(f, "/c", "newer");
    delete_key(f, "/e");
    assert_list(f, "/", "/a", 5, 1, "/c=1@3 +2");
    put(f, "/e", "back");
    put(f, "/c", "newest");
    delete_key(f, "/g");
    put(f, "/d", "new");
    assert_list(f, "/", "/c", 5, 1, "/e=1@4 +1");
    assert_list(f, "/", "/e", 5, 1, "/g=1@5");
    assert_list(f, "/", "", 0, 0, "/a=1@2 /b=new@6 /c=newest@10 /d=new@12 /e=back@9");
}

static void test_revisions_out_of_reach(void **state)
{
    struct fixture *f = *state;

    put(f, "/a", "1");
    put(f, "/a", "2");
    assert_list(f, "", "", 4, 0, "E:Timeout");
    assert_list(f, "", "", 3, 0, "/a=2@3");
    assert_list(f, "", "", 1, 0, "");
    assert_int_equal(compact(f, 3), ERROR_NONE);
    assert_list(f, "", "", 2, 0, "E:Expired");
    assert_list(f, "", "", 3, 0, "/a=2@3");
}

/* -- a random history: each revision must for ever list as it did when it was the newest -- */

#define REVISIONS 160

static const char *const KEYS[] = {"a", "a\x01", "a/", "a/b", "ab", "b", "b/1", "b/\xff", "\xff\xff", "c"};

struct history {
    struct fixture *f;
    uint64_t seed;
    char *snapshots[REVISIONS + 2];
    bool there[ARRAY_SIZE(KEYS)];
};

static uint64_t draw(struct history *h, uint64_t below)
{
    h->seed = h->seed * 6364136223846793005u + 1442695040888963407u;
    return (h->seed >> 33) % below;
}

static void random_transaction(struct history *h)
{
    struct store_operation operations[3];
    char values[3][16];
    struct outcome outcome;
    size_t count = 0, at = draw(h, ARRAY_SIZE(KEYS));

    for (size_t wanted = 1 + draw(h, 3); count < wanted; count++, at = (at + 3) % ARRAY_SIZE(KEYS)) {
        bool gone = h->there[at] && draw(h, 3) == 0;

        (void)snprintf(values[count], sizeof(values[count]), "v%llu", (unsigned long long)draw(h, 1000));
        operations[count] = (struct store_operation){gone ? STORE_DELETE : STORE_PUT, slice_str(KEYS[at]), SLICE_NONE,
                                                     slice_str(values[count])};
        h->there[at] = !gone;
    }
    submit(h->f, NULL, 0, operations, count, &outcome);
    step_all(h->f);
    assert_int_equal(outcome.code, ERROR_NONE);
    h->snapshots[outcome.revision] = list_text(h->f, "", "", 0, 0);
}

/* The same snapshot, put together from pages of two; the counts of what remains must add up. */
static void check_pages(struct history *h, uint64_t at)
{
    BUF_LOCAL(whole);
    char after[16] = "";
    unsigned long long remaining = 0, before = 0;

    do {
        char *page CLEANUP_FREE = list_text(h->f, "", after, at, 2);
        char *more = strstr(page, " +");
        char *last, *equals;

        remaining = more ? strtoull(more + 2, NULL, 10) : 0;
        if (before)
            assert_int_equal(remaining, before > 2 ? before - 2 : 0);
        before = remaining;
        if (more)
            *more = '\0';
        buf_printf(&whole, "%s%s", whole.len && *page ? " " : "", page);
        last = strrchr(page, ' ');
        last = last ? last + 1 : page;
        equals = strchr(last, '=');
        if (equals)
            (void)snprintf(after, sizeof(after), "%.*s", (int)(equals - last), last);
    } while (remaining);
    assert_string_equal(buf_cstr(&whole), h->snapshots[at]);
}

static void test_every_kept_revision_lists_as_it_was(void **state)
{
    struct history h = {.f = *state, .seed = 42};

    h.snapshots[1] = mem_strdup("");
    for (int i = 0; i < REVISIONS; i++)
        random_transaction(&h);
    for (uint64_t compacted = 1; compacted <= REVISIONS + 1; compacted += 40) {
        assert_int_equal(compact(h.f, compacted), ERROR_NONE);
        for (uint64_t at = compacted; at <= REVISIONS + 1; at++) {
            assert_list(h.f, "", "", at, 0, h.snapshots[at]);
            check_pages(&h, at);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(h.snapshots); i++)
        free(h.snapshots[i]);
}

static int write_change(void *arg, const struct store_change *change)
{
    buf_printf(arg, "%llu%c%.*s by %.*s/%u ", (unsigned long long)change->revision, "+*-"[change->kind],
               SLICE_ARGS(change->value), SLICE_ARGS(change->user), change -> verb);
    return 0;
}

static char *changes_text(struct fixture *f, const char *key, uint64_t from, uint64_t not_before)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(out);

    if (store_read_changes(f->store, slice_str(key), STORE_HISTORY_FULL, from, not_before, write_change, &out, NULL,
                           &err) < 0)
        buf_printf(&out, "E:%s", error_reason(err.code));
    return buf_steal_str(&out);
}
#define assert_changes(f, key, from, not_before, text)                                                                 \
    do {                                                                                                               \
        char *changes_ = changes_text(f, key, from, not_before);                                                       \
        assert_string_equal(changes_, text);                                                                           \
        free(changes_);                                                                                                \
    } while (0)

static void put_as(struct fixture *f, const char *key, const char *value, const char *user, unsigned verb)
{
    const struct store_operation operation = {STORE_PUT, slice_str(key), SLICE_LIT("meta"), slice_str(value)};
    struct store_transaction t = {.operations = &operation, .operation_count = 1};
    struct outcome outcome = {0};

    t.origin.user = slice_str(user);
    t.origin.verb = verb;
    store_commit(f->store, &t, outcome_note, &outcome);
    step_all(f);
    assert_int_equal(outcome.code, ERROR_NONE);
}

/* Who made of a key what it was, over deletions, as far back as is kept. */
static void test_changes_of_a_key(void **state)
{
    struct fixture *f = *state;

    put_as(f, "/a", "1", "joe", 1); /* 2 */
    put(f, "/b", "x");              /* 3 */
    put_as(f, "/a", "2", "ann", 5); /* 4 */
    delete_key(f, "/a");            /* 5 */
    put_as(f, "/a", "3", "joe", 6); /* 6 */
    assert_changes(f, "/a", 0, 0, "6+3 by joe/6 5- by /0 4*2 by ann/5 2+1 by joe/1 ");
    assert_changes(f, "/a", 0, 4, "6+3 by joe/6 5- by /0 4*2 by ann/5 ");
    assert_changes(f, "/a", 5, 0, "5- by /0 4*2 by ann/5 2+1 by joe/1 ");
    assert_changes(f, "/a", 3, 0, "2+1 by joe/1 ");
    assert_changes(f, "/a", 1, 0, "");
    assert_changes(f, "/b", 2, 0, "");
    assert_changes(f, "/none", 0, 0, "");
    assert_changes(f, "/a", 7, 0, "E:Timeout");
    assert_int_equal(compact(f, 4), ERROR_NONE);
    assert_changes(f, "/a", 3, 0, "E:Expired");
    fixture_reopen(f);
    assert_changes(f, "/a", 0, 4, "6+3 by joe/6 5- by /0 4*2 by ann/5 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_ranges),
        store_test(test_odd_starts),
        store_test(test_visitor_stops),
        store_test(test_count_can_be_skipped),
        store_test(test_pages_are_one_snapshot),
        store_test(test_revisions_out_of_reach),
        store_test(test_every_kept_revision_lists_as_it_was),
        store_test(test_changes_of_a_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
