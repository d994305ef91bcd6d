/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <pthread.h>
#include <stdio.h>

#include "lib/metrics.h"

/* The part of the exposition that speaks of `name`, head included. */
static char *shown(const char *name)
{
    char *start CLEANUP_FREE = mem_printf("# HELP %s ", name);
    BUF_LOCAL(all);
    BUF_LOCAL(out);
    ptrdiff_t at;
    const char *text;

    metrics_write(&all);
    at = slice_find_text(buf_slice(&all), slice_str(start));
    assert_true(at >= 0);
    text = buf_cstr(&all) + at;
    for (bool first = true; *text && (first || strncmp(text, "# HELP", 6) != 0); first = false) {
        const char *end = strchr(text, '\n') + 1;

        buf_append(&out, text, (size_t)(end - text));
        text = end;
    }
    return buf_steal_str(&out);
}

static void assert_shown(const char *name, const char *wanted)
{
    char *text CLEANUP_FREE = shown(name);

    assert_string_equal(text, wanted);
}

static void test_counter_and_gauge(void **state)
{
    static struct metric counter = {.name = "b_total", .help = "All\nof \\ it.", .type = METRIC_COUNTER};
    static struct metric gauge = {.name = "a_seconds", .help = "Now.", .type = METRIC_GAUGE, .unit = METRIC_NS};

    (void)state;
    metric_add(metric_only(&counter), 2);
    metric_add(metric_only(&counter), 3);
    assert_shown("b_total", "# HELP b_total All\\nof \\\\ it.\n# TYPE b_total counter\nb_total 5\n");
    metric_set(metric_only(&gauge), 1500000001);
    assert_shown("a_seconds", "# HELP a_seconds Now.\n# TYPE a_seconds gauge\na_seconds 1.500000001\n");
    metric_set(metric_only(&gauge), -2000000000);
    assert_shown("a_seconds", "# HELP a_seconds Now.\n# TYPE a_seconds gauge\na_seconds -2\n");
}

static const char *const two[] = {"verb", "code", NULL};

static void test_labels(void **state)
{
    static struct metric m = {.name = "labelled", .help = "L.", .type = METRIC_COUNTER, .labels = two};
    struct metric_series *series = metric_with(&m, "a\"b\\\n", "200");

    (void)state;
    metric_add(series, 1);
    assert_shown("labelled",
                 "# HELP labelled L.\n# TYPE labelled counter\nlabelled{verb=\"a\\\"b\\\\\\n\",code=\"200\"} 1\n");
    assert_ptr_equal(metric_with(&m, "a\"b\\\n", "200"), series);
    /* The border between two values counts. */
    assert_ptr_not_equal(metric_with(&m, "x", "yz"), metric_with(&m, "xy", "z"));
    assert_ptr_equal(metric_with(&m, NULL, ""), metric_with(&m, "", ""));
}

static void test_histogram(void **state)
{
    static const int64_t bounds[] = {1000000, 500000000};
    static struct metric m = {.name = "h_seconds",
                              .help = "H.",
                              .type = METRIC_HISTOGRAM,
                              .unit = METRIC_NS,
                              .bounds = bounds,
                              .bound_count = ARRAY_SIZE(bounds)};

    (void)state;
    metric_observe(&m, metric_only(&m), 1000000);
    metric_observe(&m, metric_only(&m), 1000001);
    metric_observe(&m, metric_only(&m), 3000000000);
    assert_shown("h_seconds", "# HELP h_seconds H.\n# TYPE h_seconds histogram\n"
                              "h_seconds_bucket{le=\"0.001\"} 1\n"
                              "h_seconds_bucket{le=\"0.5\"} 2\n"
                              "h_seconds_bucket{le=\"+Inf\"} 3\n"
                              "h_seconds_sum 3.002000001\n"
                              "h_seconds_count 3\n");
}

static void test_names_are_bounded(void **state)
{
    static const char *const label[] = {"name", NULL};
    static struct metric m = {.name = "many", .help = "M.", .type = METRIC_COUNTER, .labels = label};
    struct metric_series *other;
    char name[32];
    BUF_LOCAL(out);

    (void)state;
    for (int i = 0; i < METRIC_SERIES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "n%d", i);
        metric_add(metric_with(&m, name), 1);
    }
    other = metric_with(&m, "one more");
    assert_ptr_equal(other, metric_with(&m, "and another"));
    metric_add(other, 7);
    assert_ptr_not_equal(metric_with(&m, "n5"), other);
    metrics_write(&out);
    assert_true(slice_find_text(buf_slice(&out), SLICE_LIT("many{name=\"other\"} 7\n")) >= 0);
}

static void test_long_values_are_cut(void **state)
{
    static const char *const label[] = {"name", NULL};
    static struct metric m = {.name = "long_values", .help = "L.", .type = METRIC_COUNTER, .labels = label};
    char name[METRIC_VALUE_MAX + 2];

    (void)state;
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_ptr_equal(metric_with(&m, name), metric_with(&m, name + 1));
    assert_int_equal(strlen(metric_with(&m, name)->values[0]), METRIC_VALUE_MAX);
}

static struct metric shared = {.name = "shared", .help = "S.", .type = METRIC_COUNTER, .labels = two};

static void *count_many(void *arg)
{
    static const char *const names[] = {"a", "b", "c", "d"};

    for (int i = 0; i < 10000; i++)
        metric_add(metric_with(&shared, names[i % 4], "200"), 1);
    return NULL;
}

static void test_threads_count_together(void **state)
{
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_many, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(metric_with(&shared, "c", "200")->number, 10000);
}

static void test_process(void **state)
{
    static const char *const names[] = {"process_cpu_seconds_total", "process_open_fds", "process_max_fds",
                                        "process_resident_memory_bytes", "process_start_time_seconds"};
    BUF_LOCAL(out);

    (void)state;
    metrics_write_process(&out);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char *line CLEANUP_FREE = mem_printf("\n%s ", names[i]);
        ptrdiff_t at = slice_find_text(buf_slice(&out), slice_str(line));

        assert_true(at >= 0);
        assert_true(strtod(buf_cstr(&out) + at + (ptrdiff_t)strlen(line), NULL) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter_and_gauge),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_names_are_bounded),
        cmocka_unit_test(test_long_values_are_cut),
        cmocka_unit_test(test_threads_count_together),
        cmocka_unit_test(test_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
