/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers against a script that stands in for the OCI runtime, and against sockets of this process. HTTP and gRPC
 * servers are met in tests/e2e/test_probes.py. */
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/handler.h"

#define PLACES 16 /* of commands that run at once */

static char folder[] = "/tmp/knarr-handler-XXXXXX";
static struct loop *loop;
static struct runtime rt;
static struct handlers *env;

struct told {
    unsigned times;
    enum handler_outcome outcome;
    char *text;
};

static void on_told(void *arg, enum handler_outcome outcome, const char *text)
{
    struct told *t = arg;

    free(t->text);
    *t = (struct told){t->times + 1, outcome, mem_strdup(text)};
}

static struct handler *start(struct told *t, const char *action, unsigned timeout_ms, bool hook)
{
    struct value *v CLEANUP_VALUE = value_parse(slice_str(action), NULL);
    struct value *container CLEANUP_VALUE =
        value_parse(SLICE_LIT("{\"ports\":[{\"name\":\"web\",\"containerPort\":1}]}"), NULL);
    const struct handler_request request = {.action = v,
                                            .container = container,
                                            .container_id = "box",
                                            .host = "127.0.0.1",
                                            .timeout_ms = timeout_ms,
                                            .hook = hook};

    assert_non_null(v);
    return handler_start(env, &request, on_told, t);
}

static void expect(const char *action, enum handler_outcome outcome, const char *text)
{
    struct told t = {0};

    (void)start(&t, action, 5000, false);
    assert_int_equal(t.times, 0); /* never from inside */
    while (!t.times)
        loop_turn(loop, true);
    assert_int_equal(t.times, 1);
    if (t.outcome != outcome || !strstr(t.text, text))
        fail_msg("%s: %d \"%s\"", action, (int)t.outcome, t.text);
    free(t.text);
}

static void commands_answer(void **state)
{
    struct told t = {0};

    expect("{\"exec\":{\"command\":[\"true\"]}}", HANDLER_GOOD, "");
    expect("{\"exec\":{\"command\":[\"sh\",\"-c\",\"echo broken; exit 1\"]}}", HANDLER_BAD, "broken");
    expect("{\"exec\":{\"command\":[]}}", HANDLER_ERROR, "no command");
    expect("{}", HANDLER_ERROR, "no handler");
    (void)start(&t, "{\"exec\":{\"command\":[\"sleep\",\"1000\"]}}", 1000, false);
    while (!t.times)
        loop_turn(loop, true);
    assert_int_equal(t.outcome, HANDLER_BAD);
    assert_string_equal(t.text, "command timed out: \"sleep 1000\" timed out after 1s");
    free(t.text);
}

static void ports_are_found(void **state)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    char *open_port CLEANUP_FREE = NULL;

    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    open_port = mem_printf("{\"tcpSocket\":{\"port\":%u}}", ntohs(at.sin_port));
    expect(open_port, HANDLER_GOOD, "");
    (void)close(fd);
    expect("{\"tcpSocket\":{\"port\":1}}", HANDLER_BAD, "dial tcp 127.0.0.1:1: connect: connection refused");
    expect("{\"tcpSocket\":{\"port\":\"web\"}}", HANDLER_BAD, "dial tcp 127.0.0.1:1: connect: connection refused");
    expect("{\"tcpSocket\":{\"port\":1,\"host\":\"::1\"}}", HANDLER_BAD, "dial tcp [::1]:1");
    expect("{\"tcpSocket\":{\"port\":\"1\"}}", HANDLER_BAD, "127.0.0.1:1");
    expect("{\"tcpSocket\":{\"port\":\"other\"}}", HANDLER_ERROR, "strconv.Atoi: parsing \"other\": invalid syntax");
    expect("{\"tcpSocket\":{\"port\":65536}}", HANDLER_ERROR, "invalid port number: 65536");
    expect("{\"httpGet\":{\"port\":\"web\",\"path\":\"a b?c\"}}", HANDLER_BAD,
           "Get \"http://127.0.0.1:1/a%20b?c\": dial tcp 127.0.0.1:1: connect: connection refused");
    expect("{\"grpc\":{\"port\":1}}", HANDLER_BAD, "error: failed to connect service at \"127.0.0.1:1\": dial tcp");
}

/* A server that takes connections and says nothing. */
static void silence_times_out(void **state)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    struct told http = {0};
    struct told grpc = {0};
    char *get CLEANUP_FREE = NULL;
    char *ask CLEANUP_FREE = NULL;

    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    get = mem_printf("{\"httpGet\":{\"port\":%u}}", ntohs(at.sin_port));
    ask = mem_printf("{\"grpc\":{\"port\":%u}}", ntohs(at.sin_port));
    (void)start(&http, get, 100, false);
    (void)start(&grpc, ask, 100, false);
    while (!http.times || !grpc.times)
        loop_turn(loop, true);
    assert_int_equal(http.outcome, HANDLER_BAD);
    assert_non_null(strstr(http.text, "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"));
    assert_int_equal(grpc.outcome, HANDLER_BAD);
    assert_non_null(strstr(grpc.text, "timeout: failed to connect service"));
    free(http.text);
    free(grpc.text);
    (void)close(fd);
}

static void hooks_sleep(void **state)
{
    struct told t = {0};
    struct told never = {0};
    struct handler *h;

    (void)start(&t, "{\"sleep\":{\"seconds\":0}}", 0, true);
    h = start(&never, "{\"sleep\":{\"seconds\":1000}}", 0, true);
    while (!t.times)
        loop_turn(loop, true);
    assert_int_equal(t.outcome, HANDLER_GOOD);
    handler_cancel(h);
    assert_int_equal(never.times, 0);
    free(t.text);
}

/* Commands of probes have so many places; a hook is not kept waiting, and who is cancelled makes room. */
static void commands_wait_for_a_place(void **state)
{
    static const char hanging[] = "{\"exec\":{\"command\":[\"sleep\",\"1000\"]}}";
    struct handler *handlers[PLACES];
    struct told hung[PLACES] = {{0}};
    struct told waiting = {0};
    struct told hook = {0};

    for (size_t i = 0; i < PLACES; i++)
        handlers[i] = start(&hung[i], hanging, 0, false);
    (void)start(&waiting, "{\"exec\":{\"command\":[\"true\"]}}", 5000, false);
    (void)start(&hook, "{\"exec\":{\"command\":[\"true\"]}}", 0, true);
    while (!hook.times)
        loop_turn(loop, true);
    assert_int_equal(waiting.times, 0);
    handler_cancel(handlers[3]);
    while (!waiting.times)
        loop_turn(loop, true);
    assert_int_equal(waiting.outcome, HANDLER_GOOD);
    for (size_t i = 0; i < PLACES; i++)
        if (i != 3)
            handler_cancel(handlers[i]);
    for (size_t i = 0; i < PLACES; i++)
        assert_int_equal(hung[i].times, 0);
    free(waiting.text);
    free(hook.text);
}

static int group_setup(void **state)
{
    char *path;
    FILE *f;

    if (!mkdtemp(folder))
        return -1;
    path = mem_printf("%s/runtime", folder);
    f = fopen(path, "we");
    if (!f)
        return -1;
    (void)fputs("#!/bin/sh\nshift 4\n\"$@\"\n", f);
    (void)fclose(f);
    (void)chmod(path, 0755);
    rt = (struct runtime){.run_dir = folder, .program = path};
    loop = loop_new(clock_system());
    env = handlers_new(loop, &rt);
    return 0;
}

static int group_teardown(void **state)
{
    handlers_free(env);
    loop_free(loop);
    (void)unlink(rt.program);
    free(rt.program);
    (void)rmdir(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_answer),           cmocka_unit_test(ports_are_found),
        cmocka_unit_test(silence_times_out),         cmocka_unit_test(hooks_sleep),
        cmocka_unit_test(commands_wait_for_a_place),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
