/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <unistd.h>

#include "agent/logs.h"
#include "lib/clock.h"

#define T1 "2026-01-02T15:04:05.000000001+00:00"
#define T2 "2026-01-02T15:04:06.000000001+00:00"
#define T3 "2026-01-02T15:04:07.000000001+00:00"

/* As a reader gets them: in UTC. */
#define U1 "2026-01-02T15:04:05.000000001Z"
#define U2 "2026-01-02T15:04:06.000000001Z"
#define U3 "2026-01-02T15:04:07.000000001Z"

static const char sample[] = T1 " stdout F one\n" T2 " stderr P tw\n" T2 " stderr F o\n" T3 " stdout F \n";

static const struct log_options everything = {.tail = -1, .limit = -1};

static char *filter(const char *text, const struct log_options *options, size_t step)
{
    struct log_filter f = {.options = *options};
    BUF_LOCAL(out);

    for (size_t i = 0; i < strlen(text); i += step)
        log_filter_feed(&f, slice_make(text + i, strlen(text + i) < step ? strlen(text + i) : step), &out);
    log_filter_clear(&f);
    return buf_steal_str(&out);
}

static void entries_become_lines(void **state)
{
    struct log_options stamped = everything;

    stamped.timestamps = true;
    /* However the bytes arrive. */
    for (size_t step = 1; step < sizeof(sample); step++) {
        char *plain CLEANUP_FREE = filter(sample, &everything, step);
        char *timed CLEANUP_FREE = filter(sample, &stamped, step);

        assert_string_equal(plain, "one\ntwo\n\n");
        assert_string_equal(timed, U1 " one\n" U2 " two\n" U3 " \n");
    }
}

static void broken_entries_are_passed_over(void **state)
{
    char *out CLEANUP_FREE =
        filter("garbage\n\nnot-a-time stdout F x\n" T1 " stdout\n" T1 " stdout F good\n" T2 " half", &everything, 7);

    assert_string_equal(out, "good\n");
}

static void since_and_limit_cut(void **state)
{
    struct log_options since = everything;
    struct log_options limit = everything;
    char *late CLEANUP_FREE = NULL;

    assert_true(time_parse(SLICE_LIT(T2), &since.since_ns));
    late = filter(sample, &since, 1000);
    assert_string_equal(late, "two\n\n");
    for (size_t n = 0; n < 9; n++) {
        char *cut;

        limit.limit = (int64_t)n;
        cut = filter(sample, &limit, 11);
        assert_int_equal(strlen(cut), n);
        assert_memory_equal(cut, "one\ntwo\n\n", n);
        free(cut);
    }
}

static void tail_finds_the_last_entries(void **state)
{
    char path[] = "/tmp/knarr-log-XXXXXX";
    int fd = mkstemp(path);
    static const int64_t cases[][2] = {{0, 12}, {1, 9}, {2, 6}, {4, 0}, {5, 0}, {-1, 0}};

    assert_true(fd >= 0);
    (void)unlink(path);
    assert_int_equal(write(fd, "aa\nbb\ncc\ndd\n", 12), 12);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(log_tail_offset(fd, cases[i][0]), cases[i][1]);
    /* Over more than one chunk, and with a last entry that is not complete. */
    assert_int_equal(ftruncate(fd, 0), 0);
    (void)lseek(fd, 0, SEEK_SET);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(dprintf(fd, "%05d\n", i), 6);
    assert_int_equal(log_tail_offset(fd, 9000), 6000);
    assert_int_equal(write(fd, "half", 4), 4);
    assert_int_equal(log_tail_offset(fd, 1), 60000);
    (void)close(fd);
}

static void the_end_is_bounded(void **state)
{
    char path[] = "/tmp/knarr-log-XXXXXX";
    int fd = mkstemp(path);
    BUF_LOCAL(text);
    BUF_LOCAL(end);

    assert_true(fd >= 0);
    log_read_end(path, 2, 2048, &end);
    assert_int_equal(end.len, 0);
    assert_int_equal(write(fd, sample, sizeof(sample) - 1), (ssize_t)sizeof(sample) - 1);
    log_read_end(path, 3, 2048, &end);
    assert_string_equal(buf_cstr(&end), "two\n\n");
    buf_reset(&end);
    log_read_end(path, 80, 6, &end);
    assert_string_equal(buf_cstr(&end), "\ntwo\n\n");
    /* A file of long entries: what is cut is passed over. */
    for (size_t i = 0; i < 100; i++)
        buf_printf(&text, "%s stdout F %02zu%0*d\n", T1, i, 1000, 0);
    assert_int_equal(write(fd, text.data, text.len), (ssize_t)text.len);
    buf_reset(&end);
    log_read_end(path, 80, 1 << 20, &end);
    assert_true(end.len > 60000 && end.len < 65536 && end.len % 1003 == 0);
    buf_reset(&end);
    log_read_end("/nowhere/at/all", 80, 2048, &end);
    assert_int_equal(end.len, 0);
    close(fd);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_become_lines), cmocka_unit_test(broken_entries_are_passed_over),
        cmocka_unit_test(since_and_limit_cut), cmocka_unit_test(tail_finds_the_last_entries),
        cmocka_unit_test(the_end_is_bounded)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
