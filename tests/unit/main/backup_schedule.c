/* SPDX-License-Identifier: Apache-2.0 */
/* Which files of a folder are backups of ours, and which of them go. */
#include "main/backup_schedule.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "lib/clock.h"
#include "tests/unit/test.h"

static void test_names(void **state)
{
    static const char *const others[] = {"",
                                         "knarr.backup",
                                         "knarr-20260102T030405Z.backup.tmp",
                                         "knarr-20260102T030405Z.backup2",
                                         "Knarr-20260102T030405Z.backup",
                                         "knarr-2026x102T030405Z.backup",
                                         "knarr-20261302T030405Z.backup",
                                         "knarr-20260230T030405Z.backup",
                                         "knarr-20260102 030405Z.backup",
                                         "knarr-20260102T030405Z_backup",
                                         "my-knarr-20260102T030405Z.bac"};
    char name[BACKUP_NAME_MAX];
    int64_t when;

    backup_name_write(1767323045 * NS_PER_S + 7, name);
    assert_string_equal(name, "knarr-20260102T030405Z.backup");
    assert_true(backup_name_read(name, &when));
    assert_int_equal(when, 1767323045 * NS_PER_S);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_false(backup_name_read(others[i], &when));
}

static void touch(const char *folder, const char *name)
{
    char *path CLEANUP_FREE = mem_printf("%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    (void)close(fd);
}

static bool is_there(const char *folder, const char *name)
{
    char *path CLEANUP_FREE = mem_printf("%s/%s", folder, name);

    return access(path, F_OK) == 0;
}

static void test_the_oldest_of_our_own_go(void **state)
{
    static const char *const ours[] = {"knarr-20260101T000000Z.backup", "knarr-20260102T000000Z.backup",
                                       "knarr-20260102T000001Z.backup", "knarr-20270101T000000Z.backup"};
    static const char *const others[] = {"a", "knarr-20200101T000000Z.backup.old", "knarr-2020.backup", "x.backup.tmp"};
    char folder[] = "/tmp/knarr-test-XXXXXX";
    int64_t newest = -1;

    assert_non_null(mkdtemp(folder));
    assert_int_equal(backup_folder_prune(folder, 2, &newest, NULL), 0);
    assert_int_equal(newest, 0);
    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        touch(folder, ours[i]);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        touch(folder, others[i]);
    touch(folder, "knarr-20260103T000000Z.backup.tmp");
    assert_int_equal(backup_folder_prune(folder, 2, &newest, NULL), 0);
    assert_int_equal(newest, 1798761600 * NS_PER_S);
    assert_false(is_there(folder, ours[0]));
    assert_false(is_there(folder, ours[1]));
    assert_true(is_there(folder, ours[2]));
    assert_true(is_there(folder, ours[3]));
    assert_false(is_there(folder, "knarr-20260103T000000Z.backup.tmp"));
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_true(is_there(folder, others[i]));
    test_remove_folder(folder);
    assert_true(backup_folder_prune(folder, 2, &newest, NULL) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_the_oldest_of_our_own_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
