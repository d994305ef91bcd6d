/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <unistd.h>

#include "cli/options.h"

struct fixture {
    char home[64];
    struct pool *pool;
    /* Targets. */
    const char *home_option;
    const char *config;
    const char *level;
    long port;
    bool clean;
    struct flag_list hosts;
};

static struct fixture f;

static const struct flag table[] = {
    {"home", 0, FLAG_TEXT, &f.home_option, "where", "DIR"},
    {"config", 0, FLAG_TEXT, &f.config, "file", "FILE", .flag_only = true},
    {"log-level", 0, FLAG_CHOICE, &f.level, "level", "LEVEL", .choices = "info debug"},
    {"port", 0, FLAG_NUMBER, &f.port, "port", "N", .min = 1, .max = 65535},
    {"clean", 0, FLAG_BOOL, &f.clean, "clean", .flag_only = true},
    {"host", 0, FLAG_LIST, &f.hosts, "hosts", "HOST"},
    {NULL, 0, FLAG_BOOL, NULL},
};

static int setup(void **state)
{
    static const char *const variables[] = {"KNARR_HOME", "KNARR_LOG_LEVEL", "KNARR_PORT", "KNARR_CLEAN", "KNARR_HOST"};

    (void)state;
    memset(&f, 0, sizeof(f));
    strcpy(f.home, "/tmp/knarr-options-XXXXXX");
    assert_non_null(mkdtemp(f.home));
    f.pool = pool_new();
    f.home_option = f.home;
    f.level = "info";
    f.port = 6443;
    for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
        assert_int_equal(unsetenv(variables[i]), 0);
    return 0;
}

static int teardown(void **state)
{
    char *path CLEANUP_FREE = mem_printf("%s/test.yaml", f.home);

    (void)state;
    pool_free(f.pool);
    (void)unlink(path);
    return rmdir(f.home);
}

static void write_file(const char *text)
{
    char *path CLEANUP_FREE = mem_printf("%s/test.yaml", f.home);
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

#define READ(...)                                                                                                      \
    ({                                                                                                                 \
        char *read_argv_[] = {(char *)"test", ##__VA_ARGS__};                                                          \
        options_read(table, f.pool, ARRAY_SIZE(read_argv_), read_argv_);                                               \
    })

static void test_defaults(void **state)
{
    (void)state;
    assert_true(READ());
    assert_int_equal(f.port, 6443);
    assert_string_equal(f.level, "info");
    assert_int_equal(f.hosts.count, 0);
}

static void test_precedence(void **state)
{
    (void)state;
    write_file("port: 1\nlog-level: debug\nhost: [a, b]\n");
    assert_true(READ());
    assert_int_equal(f.port, 1);
    assert_string_equal(f.level, "debug");
    assert_int_equal(f.hosts.count, 2);
    assert_string_equal(f.hosts.items[1], "b");

    assert_int_equal(setenv("KNARR_PORT", "2", 1), 0);
    assert_int_equal(setenv("KNARR_HOST", "c, d,e", 1), 0);
    assert_true(READ());
    assert_int_equal(f.port, 2);
    assert_int_equal(f.hosts.count, 3);
    assert_string_equal(f.hosts.items[1], "d");
    assert_null(f.hosts.items[3]);

    f.hosts.count = 0;
    assert_true(READ((char *)"--port", (char *)"3", (char *)"--host", (char *)"x", (char *)"--host=y"));
    assert_int_equal(f.port, 3);
    assert_int_equal(f.hosts.count, 2);
    assert_string_equal(f.hosts.items[0], "x");
    assert_string_equal(f.level, "debug");
}

static void test_the_home_of_the_environment_has_the_file(void **state)
{
    (void)state;
    write_file("port: 7\n");
    f.home_option = "/nonexistent";
    assert_true(READ());
    assert_int_equal(f.port, 6443);
    assert_int_equal(setenv("KNARR_HOME", f.home, 1), 0);
    assert_true(READ());
    assert_int_equal(f.port, 7);
}

static void test_a_named_file_must_be_there(void **state)
{
    (void)state;
    assert_false(READ((char *)"--config", (char *)"/nonexistent/x.yaml"));
}

static void assert_file_refused(const char *text, const char *message)
{
    const bool given[ARRAY_SIZE(table)] = {false};
    ERROR_LOCAL(err);

    assert_true(options_read_file(table, f.pool, slice_str(text), given, &err) < 0);
    assert_string_equal(error_text(&err), message);
    write_file(text);
    assert_false(READ());
}

static void test_mistakes_in_a_file_name_the_line(void **state)
{
    (void)state;
    assert_file_refused("port: 1\nprot: 2\n", "line 2: there is no option 'prot'");
    assert_file_refused("clean: true\n", "line 1: there is no option 'clean'");
    assert_file_refused("\nport: many\n", "line 2: port: a number from 1 to 65535 is wanted, not 'many'");
    assert_file_refused("port: 65536\n", "line 1: port: a number from 1 to 65535 is wanted, not '65536'");
    assert_file_refused("log-level: loud\n", "line 1: log-level: one of 'info debug' is wanted, not 'loud'");
    assert_file_refused("port: [1]\n", "line 1: port: one value is wanted, not a list");
}

static void test_mistakes_elsewhere(void **state)
{
    (void)state;
    assert_false(READ((char *)"--port", (char *)"0"));
    assert_false(READ((char *)"extra"));
    assert_int_equal(setenv("KNARR_PORT", "none", 1), 0);
    assert_false(READ());
    assert_true(READ((char *)"--port", (char *)"5")); /* nobody looks at what does not count */
    /* Neither the file nor the environment asks for a clean-up. */
    assert_int_equal(setenv("KNARR_CLEAN", "true", 1), 0);
    assert_true(READ((char *)"--port", (char *)"5"));
    assert_false(f.clean);
}

static void test_a_list_is_bounded(void **state)
{
    BUF_LOCAL(text);

    (void)state;
    for (int i = 0; i <= FLAG_LIST_MAX; i++)
        buf_append_str(&text, "h,");
    assert_int_equal(setenv("KNARR_HOST", buf_cstr(&text), 1), 0);
    assert_false(READ());
}

static void test_help_lists_all(void **state)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);

    (void)state;
    options_help(to, "test", table);
    assert_int_equal(fclose(to), 0);
    for (const struct flag *row = table; row->name; row++)
        assert_true(slice_find_text(slice_str(text), slice_str(row->name)) >= 0);
    assert_true(slice_find_text(slice_str(text), SLICE_LIT("(default 6443)")) >= 0);
    assert_true(slice_find_text(slice_str(text), SLICE_LIT("KNARR_LOG_LEVEL")) >= 0);
    assert_true(slice_find_text(slice_str(text), SLICE_LIT("KNARR_CLEAN")) < 0);
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_precedence),
        TEST(test_the_home_of_the_environment_has_the_file),
        TEST(test_a_named_file_must_be_there),
        TEST(test_mistakes_in_a_file_name_the_line),
        TEST(test_mistakes_elsewhere),
        TEST(test_a_list_is_bounded),
        TEST(test_help_lists_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
