/* SPDX-License-Identifier: Apache-2.0 */
/* GET /knarr/backup: who may, what comes, and what becomes of it when the peer leaves. */
#include <fcntl.h>
#include <stdio.h>

#include "apiserver/backup.h"
#include "store/store_backup.h"
#include "tests/unit/apiserver/harness.h"

static struct harness h;

/* So much that it goes in several pieces, each of which does not get much smaller. */
static void fill(void)
{
    char *value CLEANUP_FREE = mem_alloc(200001);

    for (int i = 0; i < 20; i++) {
        char *body CLEANUP_FREE = NULL;

        for (size_t at = 0; at < 200000; at++)
            value[at] = (char)('a' + (at * at / 7 + (size_t)i) % 26);
        value[200000] = '\0';
        body = mem_printf("{\"metadata\":{\"name\":\"c%d\"},\"data\":{\"k\":\"%s\"}}", i, value);
        harness_expect(&h, 201, "POST", "/api/v1/namespaces/default/configmaps", body, NULL);
    }
}

static void test_it_is_a_backup(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *path CLEANUP_FREE = mem_printf("%s/backup", h.dir);
    struct store_backup_info info;
    struct store_stats stats;
    ERROR_LOCAL(err);
    int fd;

    fill();
    harness_expect(&h, 200, "GET", BACKUP_PATH, NULL, &a);
    store_get_stats(h.store, &stats);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, a.body.data, a.body.len), a.body.len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    if (store_backup_check(fd, NULL, NULL, &info, &err) < 0)
        fail_msg("%s", error_text(&err));
    (void)close(fd);
    assert_int_equal(info.revision, stats.revision);
    assert_int_equal(info.keys, stats.keys);
    assert_int_equal(info.files, 0); /* no private key travels */
    assert_int_equal(h.server->backups, 0);
}

static void test_who_may(void **state)
{
    const struct ask joe = {.method = "GET", .path = BACKUP_PATH, .user = "joe", .group = "dev"};
    struct answer a CLEANUP_ANSWER = {0};

    harness_ask(&h, &joe, &a);
    assert_int_equal(a.status, 403);
    harness_expect(&h, 405, "POST", BACKUP_PATH, NULL, NULL);
    harness_expect(&h, 405, "HEAD", BACKUP_PATH, NULL, NULL);
    harness_expect(&h, 404, "GET", "/knarr", NULL, NULL);
    harness_expect(&h, 404, "GET", BACKUP_PATH "/x", NULL, NULL);
}

static void test_not_too_many_at_once(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    h.server->backups = BACKUPS_MAX;
    harness_expect(&h, 429, "GET", BACKUP_PATH, NULL, &a);
    assert_int_equal(h.server->backups, BACKUPS_MAX);
    h.server->backups = 0;
}

/* At every moment: before the first piece, while one is made, between two. */
static void test_the_peer_leaves(void **state)
{
    for (int turns = 0; turns < 12; turns++) {
        const struct ask ask = {.method = "GET", .path = BACKUP_PATH};
        struct answer a CLEANUP_ANSWER = {0};

        harness_begin(&h, &ask, &a);
        for (int i = 0; i < turns && !a.over; i++)
            loop_turn(h.server->fronts[0].loop, true);
        answer_clear(&a);
        while (h.server->backups)
            loop_turn(h.server->fronts[0].loop, true);
        assert_int_equal(h.server->fronts[0].writes, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_a_backup),
        cmocka_unit_test(test_who_may),
        cmocka_unit_test(test_not_too_many_at_once),
        cmocka_unit_test(test_the_peer_leaves),
    };

    return harness_run_group(&h, tests, NULL);
}
