/* SPDX-License-Identifier: Apache-2.0 */
/* What a server keeps under its home, and that a power loss behind the first start does not take it away. */
#include "main/state.h"

#include <stdio.h>
#include <sys/stat.h>

#include "tests/unit/test.h"

#define SYNCED_MAX 64

static ino_t synced[SYNCED_MAX];
static size_t synced_count;

int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    assert_in_range(synced_count, 0, SYNCED_MAX - 1);
    synced[synced_count++] = st.st_ino;
    return 0;
}

static void assert_synced(const char *folder, const char *name)
{
    char *path CLEANUP_FREE = mem_printf("%s%s", folder, name);
    struct stat st;
    size_t i = 0;

    assert_int_equal(stat(path, &st), 0);
    while (i < synced_count && synced[i] != st.st_ino)
        i++;
    if (i == synced_count)
        fail_msg("%s was not synced", path);
}

static void test_first_start_is_durable(void **state)
{
    char folder[] = "/tmp/knarr-state-XXXXXX";
    char *home CLEANUP_FREE = NULL;
    struct state first = {0}, second = {0};
    struct state_options options = {.address = "127.0.0.1",
                                    .advertise_address = "127.0.0.1",
                                    .service_address = "10.96.0.1",
                                    .port = 6443,
                                    .certificate_s = 3600};
    ERROR_LOCAL(err);

    assert_non_null(mkdtemp(folder));
    home = mem_printf("%s/home", folder);
    options.home = home;
    assert_int_equal(state_make_home(home, &err), 0);
    assert_int_equal(state_load(&options, &first, &err), 0);
    assert_synced(folder, "");
    assert_synced(home, "");
    assert_synced(home, "/pki");
    assert_synced(home, "/pki/ca.key");
    assert_synced(home, "/pki/sa.key");
    assert_int_equal(state_load(&options, &second, &err), 0);
    assert_string_equal(first.ca.certificate, second.ca.certificate);
    assert_string_equal(first.account_key, second.account_key);
    state_clear(&first);
    state_clear(&second);
    test_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_start_is_durable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
