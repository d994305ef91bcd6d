/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two programs that run containers: an OCI runtime for each command, and conmon, which starts a container by it and
 * stays with the container. Which runtime it is, how both are called, and what they mean by what they say.
 */
#include "agent/runtime_internal.h"

#include "agent/process.h"
#include "api/value.h"
#include "lib/encoding.h"

#define START_TIMEOUT 60000

const char *runtime_choose(enum cgroup_version version, const char *runc, const char *crun)
{
    return runc ? runc : version == CGROUP_V2 ? crun : NULL;
}

int runtime_find(struct runtime *rt, struct error *err)
{
    char *runc CLEANUP_FREE = process_find("runc");
    char *crun CLEANUP_FREE = process_find("crun");
    const char *program = runtime_choose(rt->cgroup_version, runc, crun);

    if (!program)
        return error_set(err, ERROR_NOT_FOUND,
                         crun ? "runc is not installed, and crun refuses this host's cgroups; install runc"
                              : "runc is not installed; install runc, or crun on a host with cgroup v2 alone");
    free(rt->program);
    rt->program = mem_strdup(program);
    return 0;
}

/* runc logs logfmt lines; what a person wants is the text of the last msg="...". */
static void runtime_message(struct slice raw, struct buf *out)
{
    static const char mark[] = "msg=";
    const char *at = NULL;
    const char *next = raw.data;
    size_t left = raw.len;

    while (left && (next = memmem(next, left, mark, sizeof(mark) - 1))) {
        at = next + sizeof(mark) - 1;
        left = raw.len - (size_t)(at - raw.data);
        next = at;
    }
    if (at) {
        const char *end = memchr(at, '\n', raw.len - (size_t)(at - raw.data));
        struct slice text = slice_make(at, (size_t)((end ? end : raw.data + raw.len) - at));

        if (json_read_string(out, slice_trim(text)))
            return;
        buf_reset(out);
    }
    buf_append_slice(out, slice_trim(raw));
}

char *runtime_log_message(struct slice raw)
{
    BUF_LOCAL(text);

    runtime_message(raw, &text);
    return buf_steal_str(&text);
}

int runtime_run_command(const struct runtime *rt, const char *const *arguments, struct error *err)
{
    char *root CLEANUP_FREE = mem_printf("%s/runc", rt->run_dir);
    const char *argv[8] = {rt->program, "--root", root};
    struct process_options options = {.argv = argv, .timeout_ms = START_TIMEOUT};
    PROCESS_RESULT_LOCAL(result);
    BUF_LOCAL(text);

    for (size_t i = 0; arguments[i] && i + 4 < ARRAY_SIZE(argv); i++)
        argv[3 + i] = arguments[i];
    if (process_run(&options, &result, err) < 0)
        return -1;
    if (!result.status)
        return 0;
    runtime_message(buf_slice(&result.errors), &text);
    return error_set(err, ERROR_IO, "OCI runtime %s failed: %s", arguments[0], buf_cstr(&text));
}

/* conmon's one line: {"pid": 123}, or {"pid": -1, "message": "what the runtime said"}. */
static int report_read(const struct process_result *r, struct error *err)
{
    struct value *v CLEANUP_VALUE = value_parse(buf_slice(&r->report), NULL);
    struct slice message = value_string(value_get(v, "message"));
    struct slice errors = slice_trim(buf_slice(&r->errors));
    BUF_LOCAL(text);

    if (value_int(value_get(v, "pid")) > 0 || value_int(value_get(v, "data")) > 0)
        return 0;
    if (!message.len)
        message = errors.len ? errors : SLICE_LIT("conmon ended without a report");
    runtime_message(message, &text);
    return error_set(err, ERROR_IO, "OCI runtime create failed: %s", buf_cstr(&text));
}

/* conmon's options for what others may join later; at most three. */
static void conmon_add_input(const struct runtime_container *c, const char **argv)
{
    if (c->stdin_open)
        *argv++ = "--stdin";
    if (c->stdin_open && !c->stdin_once)
        *argv++ = "--leave-stdin-open";
    if (c->tty)
        *argv++ = "--terminal";
}

int runtime_run_conmon(const struct runtime *rt, const struct runtime_container *c, struct error *err)
{
    char *bundle CLEANUP_FREE = runtime_bundle_path(rt, c->id, NULL);
    char *exits CLEANUP_FREE = runtime_bundle_path(rt, c->id, "exit");
    char *pid_file CLEANUP_FREE = runtime_bundle_path(rt, c->id, "pid");
    char *conmon_pid CLEANUP_FREE = runtime_bundle_path(rt, c->id, "conmon.pid");
    char *root CLEANUP_FREE = mem_printf("--root=%s/runc", rt->run_dir);
    char *log CLEANUP_FREE = mem_printf("k8s-file:%s", c->log_path);
    const char *argv[] = {rt->conmon,
                          "-c",
                          c->id,
                          "-u",
                          c->id,
                          "-n",
                          c->name,
                          "-b",
                          bundle,
                          "-r",
                          rt->program,
                          "--runtime-arg",
                          root,
                          "-p",
                          pid_file,
                          "-P",
                          conmon_pid,
                          "--exit-dir",
                          exits,
                          "--full-attach",
                          "-l",
                          log,
                          "--log-level",
                          "warn",
                          "--no-sync-log",
                          NULL,
                          NULL,
                          NULL,
                          NULL};
    static const char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                      "_OCI_SYNCPIPE=3", NULL};
    /* conmon leaves its "oom" mark where it runs. */
    struct process_options options = {
        .argv = argv, .env = env, .cwd = bundle, .timeout_ms = START_TIMEOUT, .report = true};
    PROCESS_RESULT_LOCAL(result);

    conmon_add_input(c, argv + ARRAY_SIZE(argv) - 4);
    if (process_run(&options, &result, err) < 0)
        return -1;
    return report_read(&result, err);
}
