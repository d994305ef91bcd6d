/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/notify.h"

/* A socket of that name ("@x" = abstract), told to the environment. */
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    memcpy(address.sun_path, name, strlen(name));
    if (*name == '@')
        address.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static void assert_told(int fd, const char *wanted)
{
    char text[128] = "";

    assert_int_equal(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), (ssize_t)strlen(wanted));
    assert_string_equal(text, wanted);
}

static void check(const char *name)
{
    int fd = listen_at(name);

    notify_init();
    assert_null(getenv("NOTIFY_SOCKET"));
    notify_send("READY=1\nSTATUS=%s", "all well");
    assert_told(fd, "READY=1\nSTATUS=all well");
    (void)close(fd);
}

static void test_path_and_abstract_name(void **state)
{
    char path[64];
    char name[64];

    (void)state;
    (void)snprintf(path, sizeof(path), "/tmp/knarr-notify-%d", (int)getpid());
    check(path);
    (void)unlink(path);
    (void)snprintf(name, sizeof(name), "@knarr-notify-%d", (int)getpid());
    check(name);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    notify_init();
    notify_send("READY=1");
    assert_int_equal(setenv("NOTIFY_SOCKET", "relative", 1), 0);
    notify_init();
    notify_send("READY=1");
    assert_int_equal(setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1), 0);
    notify_init();
    notify_send("READY=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_and_abstract_name),
        cmocka_unit_test(test_nobody_listens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
