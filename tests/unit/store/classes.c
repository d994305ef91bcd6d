/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of history: what is kept for the window only leaves the log, and hurts nobody else's past. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/store/fixture.h"

#define SEGMENT   (16u << 10)
#define WINDOW_NS (600 * NS_PER_S)

static int setup_segments(void **state)
{
    struct fixture *f;
    int rc = fixture_setup(state);

    f = *state;
    store_close(f->store);
    test_remove_folder(f->path);
    f->segment_bytes = SEGMENT;
    f->history = 24 * SEGMENT;
    f->checkpoint_count = 40;
    fixture_open(f);
    return rc;
}

#define classes_test(fn) cmocka_unit_test_setup_teardown(fn, setup_segments, fixture_teardown)

/* Writes a key of a class with a value of that many bytes that begins with the number. */
static uint64_t write_number(struct fixture *f, enum store_class class, const char *key, int number, int bytes)
{
    char *value CLEANUP_FREE = mem_printf("%d %0*d", number, bytes, 0);
    struct outcome outcome = write_class(f, class, key, value);

    assert_int_equal(outcome.code, ERROR_NONE);
    return outcome.revision;
}

/* Leases and Events that come and go, `count` writes. */
static void make_noise(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        char *lease CLEANUP_FREE = mem_printf("/lease/%d", i % 5);
        char *event CLEANUP_FREE = mem_printf("/event/%d", i);

        (void)write_number(f, STORE_HISTORY_NONE, lease, i, 400);
        if (i % 4 == 0)
            (void)write_number(f, STORE_HISTORY_WINDOW, event, i, 300);
        if (i % 4 == 3 && i > 40) {
            char *old CLEANUP_FREE = mem_printf("/event/%d", i - 3);

            assert_int_equal(write_class(f, STORE_HISTORY_WINDOW, old, NULL).code, ERROR_NONE);
        }
    }
}

/* Lets the window pass and the keeper work. */
static void pass(struct fixture *f, int64_t time_ns)
{
    clock_fake_advance(&f->clock, time_ns);
    step_all(f);
}

static uint64_t log_bytes(struct fixture *f)
{
    struct store_stats stats;

    store_get_stats(f->store, &stats);
    return stats.log_bytes;
}

static int take_number(void *arg, const struct store_item *item)
{
    *(int *)arg = atoi(item->value.data);
    return 0;
}

static int number_at(struct fixture *f, const char *prefix, uint64_t at, enum store_class class)
{
    const struct store_range range = {.prefix = slice_str(prefix), .at_revision = at, .class = class};
    int number = -1, rc = store_list(f->store, &range, take_number, &number, NULL, NULL);

    return rc < 0 ? rc : number;
}

/* Nine of ten writes are noise: the others' past reaches back much further than the bytes would hold with it. */
static void test_noise_does_not_fill_the_history(void **state)
{
    struct fixture *f = *state;
    uint64_t revisions[400];
    const int rounds = ARRAY_SIZE(revisions);

    store_close(f->store);
    f->segment_bytes = 64 << 10;
    f->history = 512 << 10; /* a third of what is written */
    fixture_open(f);
    for (int i = 0; i < rounds; i++) {
        revisions[i] = write_number(f, STORE_HISTORY_FULL, "/config/a", i, 40);
        make_noise(f, 7);
        pass(f, 60 * NS_PER_S);
    }
    assert_true(log_bytes(f) <= f->history);
    assert_true(store_compacted(f->store) <= revisions[0]);
    for (int reopened = 0; reopened < 2; reopened++) {
        for (int i = 0; i < rounds; i++)
            assert_int_equal(number_at(f, "/config/", revisions[i], STORE_HISTORY_FULL), i);
        fixture_reopen(f);
    }
}

/* Old lists and watches of what is kept for the window only are told so; what lives is as it was. */
static void test_the_past_of_noise_ends(void **state)
{
    struct fixture *f = *state;
    uint64_t early, oldest;

    (void)write_number(f, STORE_HISTORY_FULL, "/config/a", 1, 4);
    (void)write_number(f, STORE_HISTORY_NONE, "/lease/idle", 7, 4);
    (void)write_number(f, STORE_HISTORY_WINDOW, "/event/gone", 8, 4);
    early = store_revision(f->store);
    assert_int_equal(write_class(f, STORE_HISTORY_WINDOW, "/event/gone", NULL).code, ERROR_NONE);
    make_noise(f, 100);
    pass(f, WINDOW_NS / 2);
    assert_int_equal(store_compacted_of(f->store, STORE_HISTORY_NONE), 1);
    assert_int_equal(number_at(f, "/lease/idle", early, STORE_HISTORY_NONE), 7);
    assert_int_equal(number_at(f, "/event/gone", early, STORE_HISTORY_WINDOW), 8);
    make_noise(f, 100);
    pass(f, WINDOW_NS);
    make_noise(f, 1);
    pass(f, 10 * NS_PER_S);
    oldest = store_compacted_of(f->store, STORE_HISTORY_WINDOW);
    assert_true(oldest > early + 150);
    assert_int_equal(store_compacted(f->store), 1);
    assert_int_equal(number_at(f, "/lease/idle", early, STORE_HISTORY_NONE), -(int)ERROR_EXPIRED);
    assert_int_equal(number_at(f, "/event/gone", early, STORE_HISTORY_WINDOW), -(int)ERROR_EXPIRED);
    assert_int_equal(number_at(f, "/lease/idle", oldest - 1, STORE_HISTORY_NONE), -(int)ERROR_EXPIRED);
    assert_int_equal(number_at(f, "/lease/idle", oldest, STORE_HISTORY_NONE), 7);
    assert_int_equal(number_at(f, "/lease/idle", 0, STORE_HISTORY_NONE), 7);
    assert_int_equal(number_at(f, "/event/gone", 0, STORE_HISTORY_WINDOW), -1);
    assert_int_equal(number_at(f, "/config/", early, STORE_HISTORY_FULL), 1);
    /* Read together with the others, it is left out of what was before. */
    assert_int_equal(number_at(f, "/lease/idle", early, STORE_HISTORY_FULL), -1);
    assert_int_equal(number_at(f, "", early, STORE_HISTORY_FULL), 1);
    assert_int_equal(store_read_log(f->store, SLICE_NONE, STORE_HISTORY_NONE, oldest - 1, 0, 0, NULL, NULL, NULL, NULL),
                     -(int)ERROR_EXPIRED);
}

static int check_event(void *arg, const struct store_event *event)
{
    uint64_t *last = arg;

    assert_true(event->revision >= *last);
    if (event->kind == STORE_EVENT_MODIFY)
        assert_true(event->prev_value.len && event->prev_revision < event->revision);
    *last = event->revision;
    return 0;
}

/* The log gives all of the full class from any revision, and of the others what is behind the window's end, with what
 * was before, also where that was taken out. */
static void test_log_over_cleaned_segments(void **state)
{
    struct fixture *f = *state;
    uint64_t oldest, last = 0, until = 0, first_lease;
    char *all, *leases;

    for (int i = 0; i < 30; i++) {
        (void)write_number(f, STORE_HISTORY_FULL, "/config/a", i, 2);
        make_noise(f, 10);
    }
    pass(f, 2 * WINDOW_NS);
    make_noise(f, 10);
    pass(f, 10 * NS_PER_S);
    oldest = store_compacted_of(f->store, STORE_HISTORY_NONE);
    assert_true(oldest > 300);
    assert_int_equal(
        store_read_log(f->store, SLICE_NONE, STORE_HISTORY_FULL, 1, 0, 0, check_event, &last, &until, NULL), 0);
    assert_int_equal(last, store_revision(f->store));
    assert_int_equal(until, last);
    all = log_text(f, "/config/", 1, 0, 0);
    for (int i = 1; i < 30; i++) {
        char *piece CLEANUP_FREE = mem_printf("*/config/a=%d 00<%d 00@", i, i - 1);

        assert_non_null(strstr(all, piece));
    }
    free(all);
    leases = log_text(f, "/lease/", 1, 0, 0);
    first_lease = strtoull(leases, NULL, 10);
    assert_true(first_lease > oldest);
    free(leases);
    leases = log_text(f, "/lease/", oldest, 0, 1);
    assert_int_equal(strtoull(leases, NULL, 10), first_lease);
    free(leases);
}

static int count_change(void *arg, const struct store_change *change)
{
    ++*(int *)arg;
    return 0;
}

static void test_changes_of_noise_end_at_the_window(void **state)
{
    struct fixture *f = *state;
    uint64_t oldest = 0;
    int before = 0, after = 0;

    make_noise(f, 200);
    assert_int_equal(store_read_changes(f->store, SLICE_LIT("/lease/1"), STORE_HISTORY_NONE, 0, 0, count_change,
                                        &before, &oldest, NULL),
                     0);
    assert_int_equal(before, 40);
    assert_int_equal(oldest, 1);
    pass(f, 2 * WINDOW_NS);
    make_noise(f, 10);
    pass(f, 10 * NS_PER_S);
    assert_int_equal(store_read_changes(f->store, SLICE_LIT("/lease/1"), STORE_HISTORY_NONE, 0, 0, count_change, &after,
                                        &oldest, NULL),
                     0);
    assert_int_equal(oldest, store_compacted_of(f->store, STORE_HISTORY_NONE));
    assert_in_range(after, 2, 20);
    assert_int_equal(store_read_changes(f->store, SLICE_LIT("/lease/1"), STORE_HISTORY_NONE, oldest - 1, 0,
                                        count_change, &after, NULL, NULL),
                     -(int)ERROR_EXPIRED);
}

/* By the times of what is left, no revision is taken for older or newer than what it shows. */
static void test_times_over_cleaned_segments(void **state)
{
    struct fixture *f = *state;
    int64_t times[20];
    uint64_t revisions[20];

    for (int i = 0; i < 20; i++) {
        clock_fake_advance(&f->clock, 10 * NS_PER_S);
        times[i] = clock_wall_ns(&f->clock.base);
        revisions[i] = write_number(f, STORE_HISTORY_FULL, "/config/a", i, 2);
        make_noise(f, 12);
    }
    pass(f, 2 * WINDOW_NS);
    make_noise(f, 1);
    pass(f, 10 * NS_PER_S);
    assert_true(store_compacted_of(f->store, STORE_HISTORY_NONE) > revisions[15]);
    for (int i = 0; i < 20; i++) {
        uint64_t at = store_revision_at(f->store, times[i]);
        int64_t made = 0;

        assert_int_equal(number_at(f, "/config/", at, STORE_HISTORY_FULL), i);
        assert_int_equal(store_revision_time(f->store, revisions[i], &made, NULL), 0);
        assert_int_equal(made, times[i]);
    }
}

/* Dissolving goes on over segments that were cleaned, and deletions do not come back. */
static void test_cleaned_segments_dissolve(void **state)
{
    struct fixture *f = *state;
    uint64_t before;

    for (int i = 0; i < 20; i++) {
        char *key CLEANUP_FREE = mem_printf("/config/%d", i);

        (void)write_number(f, STORE_HISTORY_FULL, key, i, 2);
        if (i % 2)
            assert_int_equal(write_class(f, STORE_HISTORY_FULL, key, NULL).code, ERROR_NONE);
        make_noise(f, 10);
    }
    pass(f, 2 * WINDOW_NS);
    before = log_bytes(f);
    make_noise(f, 50);
    assert_int_equal(compact(f, store_revision(f->store)), ERROR_NONE);
    assert_true(log_bytes(f) <= before);
    for (int reopened = 0; reopened < 2; reopened++) {
        for (int i = 0; i < 20; i++) {
            char *key CLEANUP_FREE = mem_printf("/config/%d", i);

            assert_int_equal(number_at(f, i < 10 ? key : key, 0, STORE_HISTORY_FULL) >= 0, i % 2 == 0 || i == 1);
        }
        assert_int_equal(number_at(f, "/lease/4", 0, STORE_HISTORY_NONE), 49);
        fixture_reopen(f);
    }
}

/* A kind whose class changed with a new version: what is newest stays what it is, whatever is dissolved when. */
static void test_a_key_of_two_classes(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[] = {"/x/kept", "/x/gone", "/x/again"};

    for (int i = 0; i < 3; i++)
        (void)write_number(f, STORE_HISTORY_FULL, keys[i], 1, 2);
    make_noise(f, 60);
    for (int i = 0; i < 3; i++)
        (void)write_number(f, STORE_HISTORY_WINDOW, keys[i], 2, 2);
    for (int i = 1; i < 3; i++)
        assert_int_equal(write_class(f, STORE_HISTORY_WINDOW, keys[i], NULL).code, ERROR_NONE);
    make_noise(f, 60);
    pass(f, 2 * WINDOW_NS);
    (void)write_number(f, STORE_HISTORY_WINDOW, "/x/again", 3, 2);
    make_noise(f, 60);
    for (int compacted = 0; compacted < 3; compacted++) {
        assert_int_equal(number_at(f, "/x/kept", 0, STORE_HISTORY_FULL), 2);
        assert_int_equal(number_at(f, "/x/gone", 0, STORE_HISTORY_FULL), -1);
        assert_int_equal(number_at(f, "/x/again", 0, STORE_HISTORY_FULL), 3);
        if (compacted == 0)
            assert_int_equal(compact(f, store_compacted_of(f->store, STORE_HISTORY_WINDOW) / 2), ERROR_NONE);
        else
            assert_int_equal(compact(f, store_revision(f->store)), ERROR_NONE);
        fixture_reopen(f);
    }
}

/* Between its deletion, which was cleaned away, and its creation as one of another class it was not there. */
static void test_made_anew_in_another_class(void **state)
{
    struct fixture *f = *state;
    uint64_t gone;

    (void)write_number(f, STORE_HISTORY_WINDOW, "/x/a", 1, 2);
    assert_int_equal(write_class(f, STORE_HISTORY_WINDOW, "/x/a", NULL).code, ERROR_NONE);
    make_noise(f, 100);
    pass(f, WINDOW_NS * 2 / 3);
    gone = store_revision(f->store);
    (void)write_number(f, STORE_HISTORY_FULL, "/x/a", 2, 2);
    pass(f, WINDOW_NS * 2 / 3);
    assert_in_range(store_compacted_of(f->store, STORE_HISTORY_WINDOW), 4, gone);
    assert_int_equal(number_at(f, "/x/", gone, STORE_HISTORY_FULL), -1);
    assert_int_equal(number_at(f, "/x/", gone + 1, STORE_HISTORY_FULL), 2);
}

/* The files that are cleaned say so at offset 8, where the format is. */
static unsigned cleaned_files(struct fixture *f, char **ret_path)
{
    char *folder CLEANUP_FREE = mem_printf("%s/log", f->path);
    DIR *dir = opendir(folder);
    struct dirent *entry;
    unsigned count = 0;

    while ((entry = readdir(dir))) {
        char *path = mem_printf("%s/%s", folder, entry->d_name), format = 0;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (strlen(entry->d_name) == 8 && pread(fd, &format, 1, 8) == 1 && format == 2) {
            count++;
            if (ret_path && !*ret_path)
                *ret_path = mem_strdup(path);
        }
        (void)close(fd);
        free(path);
    }
    (void)closedir(dir);
    return count;
}

/* Damage in a cleaned segment is damage, not something that was taken out. */
static void test_damage_in_a_cleaned_segment(void **state)
{
    struct fixture *f = *state;
    char *path = NULL, *text;
    int fd;

    for (int i = 0; i < 10; i++) {
        (void)write_number(f, STORE_HISTORY_FULL, "/config/a", i, 900);
        make_noise(f, 20);
    }
    pass(f, 2 * WINDOW_NS);
    assert_true(cleaned_files(f, &path) > 2);
    (void)write_number(f, STORE_HISTORY_FULL, "/config/b", 5, 2);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "damage", 6, 4096 + 48 + 300), 6);
    (void)close(fd);
    free(path);
    text = log_text(f, "/config/", 1, 0, 0);
    assert_non_null(strstr(text, "E:InternalError"));
    free(text);
    assert_int_equal(number_at(f, "/config/b", 0, STORE_HISTORY_FULL), 5);
}

/* The disk changes a segment between two looks, before it is cleaned: what is behind the damage is not thrown away. */
static void test_damage_while_a_segment_is_cleaned(void **state)
{
    struct fixture *f = *state;
    char *path CLEANUP_FREE = mem_printf("%s/log/00000001", f->path);
    uint64_t window = store_compacted_of(f->store, STORE_HISTORY_NONE);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    char bytes[SEGMENT];
    const char *at;

    make_noise(f, 60);
    clock_fake_advance(&f->clock, 2 * WINDOW_NS);
    while (store_compacted_of(f->store, STORE_HISTORY_NONE) == window)
        assert_true(store_step(f->store));
    assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    at = memmem(bytes + SEGMENT / 2, sizeof(bytes) / 2, "FKNR", 4);
    assert_non_null(at);
    assert_int_equal(pwrite(fd, "!", 1, at - bytes), 1);
    (void)close(fd);
    step_all(f);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, bytes, 12, 0), 12);
    (void)close(fd);
    assert_int_equal(bytes[8], 1); /* the format: as it was written */
}

/* A store whose log was cleaned further than its LMDB knows is put together of two. */
static void test_log_and_lmdb_of_different_stores(void **state)
{
    struct fixture *f = *state;
    const struct store_options options = {.path = f->path, .clock = &f->clock.base, .manual = true};
    char *from CLEANUP_FREE = mem_printf("%s/data.mdb", f->path);
    char *old CLEANUP_FREE = NULL;
    size_t size;
    struct store *store = NULL;
    ERROR_LOCAL(err);
    FILE *file;

    make_noise(f, 200);
    store_close(f->store);
    file = fopen(from, "re");
    old = mem_alloc(1 << 20);
    size = fread(old, 1, 1 << 20, file);
    (void)fclose(file);
    fixture_open(f);
    pass(f, 2 * WINDOW_NS);
    assert_true(cleaned_files(f, NULL) > 2);
    store_close(f->store);
    file = fopen(from, "we");
    assert_int_equal(fwrite(old, 1, size, file), size);
    (void)fclose(file);
    f->store = NULL;
    assert_int_equal(store_open(&options, &store, &err), -(int)ERROR_CORRUPT);
    assert_non_null(strstr(error_text(&err), "do not belong together"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        classes_test(test_noise_does_not_fill_the_history),
        classes_test(test_the_past_of_noise_ends),
        classes_test(test_log_over_cleaned_segments),
        classes_test(test_changes_of_noise_end_at_the_window),
        classes_test(test_times_over_cleaned_segments),
        classes_test(test_cleaned_segments_dissolve),
        classes_test(test_a_key_of_two_classes),
        classes_test(test_made_anew_in_another_class),
        classes_test(test_damage_in_a_cleaned_segment),
        classes_test(test_damage_while_a_segment_is_cleaned),
        classes_test(test_log_and_lmdb_of_different_stores),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
