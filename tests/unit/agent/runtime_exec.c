/* SPDX-License-Identifier: Apache-2.0 */
/* A shell script stands in for the OCI runtime: what matters here is how its process is watched, fed and ended. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/runtime_exec.h"

static char folder[] = "/tmp/knarr-exec-XXXXXX";
static struct loop *loop;
static struct runtime rt;
static size_t alive;

struct outcome {
    bool ended;
    enum runtime_exec_end end;
    int status;
    char *output;
};

static void on_done(void *arg, enum runtime_exec_end end, int status, struct slice output)
{
    struct outcome *o = arg;

    assert_false(o->ended);
    *o = (struct outcome){true, end, status, slice_dup(output)};
}

/* --root R exec ID: four words before the command, which is a child of the script. */
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
    (void)fputs("#!/bin/sh\n[ \"$1 $3 $4\" = '--root exec box' ] || exit 99\nshift 4\n\"$@\"\n", f);
    (void)fclose(f);
    (void)chmod(path, 0755);
    rt = (struct runtime){.run_dir = folder, .program = path};
    loop = loop_new(clock_system());
    return 0;
}

static int group_teardown(void **state)
{
    while (alive)
        loop_turn(loop, true);
    loop_free(loop);
    (void)unlink(rt.program);
    free(rt.program);
    (void)rmdir(folder);
    return 0;
}

static struct runtime_exec *start(struct outcome *o, const char *script, unsigned timeout_ms, size_t output_max)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};

    return runtime_exec_start(
        loop, &rt,
        &(struct runtime_exec_options){
            .id = "box", .argv = argv, .timeout_ms = timeout_ms, .output_max = output_max, .alive = &alive},
        on_done, o);
}

static void finish(struct outcome *o, const char *script, unsigned timeout_ms, size_t output_max)
{
    (void)start(o, script, timeout_ms, output_max);
    assert_false(o->ended);
    while (!o->ended)
        loop_turn(loop, true);
}

static void status_and_output_come_back(void **state)
{
    struct outcome o = {0};

    finish(&o, "echo out; echo err >&2; exit 3", 10000, 1000);
    assert_int_equal(o.end, RUNTIME_EXEC_ENDED);
    assert_int_equal(o.status, 3);
    assert_string_equal(o.output, "out\nerr\n");
    free(o.output);
}

static void long_output_is_cut(void **state)
{
    struct outcome o = {0};

    finish(&o, "head -c 300000 /dev/zero | tr '\\0' x; exit 0", 10000, 100);
    assert_int_equal(o.status, 0);
    assert_int_equal(strlen(o.output), 100);
    free(o.output);
    o = (struct outcome){0};
    finish(&o, "echo nobody reads this; exit 4", 10000, 0);
    assert_int_equal(o.status, 4);
    assert_string_equal(o.output, "");
    free(o.output);
}

static void the_runtimes_own_failure_is_told_apart(void **state)
{
    struct outcome o = {0};

    finish(&o, "echo 'time=\"now\" level=error msg=\"exec failed: no such file\"' >&2; exit 255", 10000, 1000);
    assert_int_equal(o.end, RUNTIME_EXEC_FAILED);
    assert_string_equal(o.output, "OCI runtime exec failed: exec failed: no such file");
    free(o.output);
    o = (struct outcome){0};
    finish(&o, "exit 255", 10000, 1000);
    assert_int_equal(o.end, RUNTIME_EXEC_ENDED);
    free(o.output);
}

static bool wait_gone(pid_t pid)
{
    for (int i = 0; i < 200 && !kill(pid, 0); i++)
        (void)usleep(10000);
    return kill(pid, 0) != 0;
}

/* The command goes, not only the runtime's process that started it. */
static void a_command_that_hangs_is_killed(void **state)
{
    struct outcome o = {0};
    int64_t pid = 0;

    finish(&o, "echo $$; exec sleep 1000", 100, 1000);
    assert_int_equal(o.end, RUNTIME_EXEC_TIMED_OUT);
    assert_true(slice_to_int64(slice_trim(slice_str(o.output)), &pid));
    while (alive)
        loop_turn(loop, true);
    assert_true(wait_gone((pid_t)pid));
    free(o.output);
}

static void cancelled_and_left(void **state)
{
    struct outcome o = {0};
    struct runtime_exec *e = start(&o, "exec sleep 1000", 0, 1000);
    char *path CLEANUP_FREE = mem_printf("%s/left", folder);
    char *script CLEANUP_FREE = mem_printf("echo done > %s", path);

    runtime_exec_cancel(e);
    while (alive)
        loop_turn(loop, true);
    assert_false(o.ended);
    e = start(&o, script, 0, 0);
    runtime_exec_leave(e);
    while (alive)
        loop_turn(loop, false);
    for (int i = 0; i < 500 && access(path, F_OK); i++)
        (void)usleep(10000);
    assert_int_equal(access(path, F_OK), 0);
    (void)unlink(path);
    assert_false(o.ended);
}

static void what_cannot_start_is_told_later(void **state)
{
    struct outcome o = {0};
    struct runtime nothing = {.run_dir = folder, .program = (char *)"/no/such/runtime"};
    const char *argv[] = {"true", NULL};

    (void)runtime_exec_start(
        loop, &nothing, &(struct runtime_exec_options){.id = "box", .argv = argv, .output_max = 10, .alive = &alive},
        on_done, &o);
    assert_false(o.ended);
    while (!o.ended)
        loop_turn(loop, true);
    assert_int_equal(o.end, RUNTIME_EXEC_FAILED);
    assert_non_null(strstr(o.output, "/no/such/runtime"));
    assert_int_equal(alive, 0);
    free(o.output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_and_output_come_back),
        cmocka_unit_test(long_output_is_cut),
        cmocka_unit_test(the_runtimes_own_failure_is_told_apart),
        cmocka_unit_test(a_command_that_hangs_is_killed),
        cmocka_unit_test(cancelled_and_left),
        cmocka_unit_test(what_cannot_start_is_told_later),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
