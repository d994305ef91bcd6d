/* SPDX-License-Identifier: Apache-2.0 */
/* `knarr agent`: one node, until a signal. Containers outlive it; `--clean` removes all that this home has made. */
#include "main/agent.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "agent/agent.h"
#include "api/value.h"
#include "lib/log.h"

#define INSECURE_MAX 16
#define TOKEN_MAX    256

struct agent_flags {
    struct agent_options options;
    const char *insecure[INSECURE_MAX + 1];
    size_t insecure_count;
    char token[TOKEN_MAX];
    bool clean;
};

static const struct option agent_flag_table[] = {
    {"home", required_argument, NULL, 'h'},
    {"run-dir", required_argument, NULL, 'r'},
    {"server", required_argument, NULL, 's'},
    {"token", required_argument, NULL, 't'},
    {"token-file", required_argument, NULL, 'T'},
    {"node-name", required_argument, NULL, 'n'},
    {"node-ip", required_argument, NULL, 'i'},
    {"address", required_argument, NULL, 'a'},
    {"port", required_argument, NULL, 'p'},
    {"pod-cidr", required_argument, NULL, 'c'},
    {"cgroup-parent", required_argument, NULL, 'g'},
    {"bridge", required_argument, NULL, 'b'},
    {"log-dir", required_argument, NULL, 'l'},
    {"insecure-registry", required_argument, NULL, 'I'},
    {"clean", no_argument, NULL, 'C'},
    {"verbose", no_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

static bool agent_read_port(const char *text, uint16_t *ret_port)
{
    int64_t port;

    if (!slice_to_int64(slice_str(text), &port) || port < 1 || port > 65535) {
        (void)fprintf(stderr, "knarr agent: '%s' is not a port\n", text);
        return false;
    }
    *ret_port = (uint16_t)port;
    return true;
}

/* A token in a file does not show in the list of processes. */
static bool agent_read_token(struct agent_flags *f, const char *path)
{
    FILE *file = fopen(path, "re");

    if (!file || !fgets(f->token, sizeof(f->token), file)) {
        (void)fprintf(stderr, "knarr agent: no token in %s\n", path);
        if (file)
            (void)fclose(file);
        return false;
    }
    (void)fclose(file);
    f->options.token = f->token;
    return true;
}

static bool agent_read_flag(struct agent_flags *f, int letter)
{
    struct agent_options *o = &f->options;
    const struct {
        int letter;
        const char **text;
    } texts[] = {{'h', &o->home},          {'r', &o->run_dir}, {'s', &o->server},  {'t', &o->token},
                 {'n', &o->node_name},     {'i', &o->node_ip}, {'a', &o->address}, {'c', &o->pod_cidr},
                 {'g', &o->cgroup_parent}, {'b', &o->bridge},  {'l', &o->log_dir}};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (texts[i].letter == letter) {
            *texts[i].text = optarg;
            return true;
        }
    }
    switch (letter) {
    case 'p':
        return agent_read_port(optarg, &o->port);
    case 'T':
        return agent_read_token(f, optarg);
    case 'I':
        if (f->insecure_count < INSECURE_MAX)
            f->insecure[f->insecure_count++] = optarg;
        o->registry_insecure = f->insecure;
        return true;
    case 'C':
        f->clean = true;
        return true;
    case 'v':
        log_set_level(LOG_DEBUG);
        return true;
    default:
        return false;
    }
}

static bool agent_read_flags(int argc, char **argv, struct agent_flags *f)
{
    int letter;

    optind = 1;
    while ((letter = getopt_long(argc, argv, "", agent_flag_table, NULL)) != -1)
        if (!agent_read_flag(f, letter))
            return false;
    if (optind < argc)
        (void)fprintf(stderr, "knarr agent: '%s' is not a flag\n", argv[optind]);
    return optind == argc;
}

static int agent_run_clean(const struct agent_options *options)
{
    ERROR_LOCAL(err);

    if (agent_clean(options, &err) == 0)
        return 0;
    (void)fprintf(stderr, "knarr agent: %s\n", error_text(&err));
    return 1;
}

static void agent_on_signal(uv_signal_t *handle, int number)
{
    log_info("agent", "stopping: %s; containers go on", number == SIGTERM ? "SIGTERM" : "SIGINT");
    loop_stop(handle->data);
}

static int agent_serve(const struct agent_options *options)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    struct loop *loop = loop_new(clock_system());
    uv_signal_t signals[ARRAY_SIZE(numbers)];
    struct agent *agent = NULL;
    int code = 1;
    ERROR_LOCAL(err);

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        (void)uv_signal_init(loop_uv(loop), &signals[i]);
        signals[i].data = loop;
        (void)uv_signal_start(&signals[i], agent_on_signal, numbers[i]);
    }
    if (agent_start(loop, options, &agent, &err) == 0) {
        loop_run(loop);
        code = agent_failed(agent) ? 1 : 0;
        agent_free(agent);
    } else {
        (void)fprintf(stderr, "knarr agent: %s\n", error_text(&err));
    }
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        uv_close((uv_handle_t *)&signals[i], NULL);
        (void)signal(numbers[i], SIG_IGN); /* it is ending; the exit code shall say how */
    }
    loop_turn(loop, false);
    loop_free(loop);
    return code;
}

static int agent_command(int argc, char **argv)
{
    struct agent_flags flags = {.clean = false};

    (void)signal(SIGPIPE, SIG_IGN);
    value_init();
    if (!agent_read_flags(argc, argv, &flags))
        return 2;
    return flags.clean ? agent_run_clean(&flags.options) : agent_serve(&flags.options);
}

const struct cli_command agent_commands[] = {
    {"agent", "--server URL --token TOKEN [--home DIR] [--node-name NAME] [--node-ip IP] [--clean]",
     "run the node agent", agent_command},
    {NULL, NULL, NULL, NULL},
};
