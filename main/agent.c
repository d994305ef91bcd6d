/* SPDX-License-Identifier: Apache-2.0 */
/* `knarr agent`: one node, until a signal. Containers outlive it; `--clean` removes all that this home has made. */
#include "main/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "agent/agent.h"
#include "api/value.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "main/common_options.h"

#define TOKEN_MAX 256

struct agent_flags {
    struct common_options common;
    struct agent_options options;
    struct flag_list insecure;
    const char *token_file;
    long port;
    long renewal; /* percent; 0 = the agent's own choice */
    char token[TOKEN_MAX];
    bool clean;
};

/* One process, one agent: its options. */
static struct agent_flags agent_flags = {.common = COMMON_OPTIONS_DEFAULT, .port = 10250};

static const struct flag agent_option_rows[] = {
    COMMON_OPTIONS_ROWS(agent_flags.common),
    {"server", 0, FLAG_TEXT, &agent_flags.options.server, "where the API is; needed for the first join", "URL"},
    {"token", 0, FLAG_TEXT, &agent_flags.options.token, "join token; better in a file", "TOKEN"},
    {"token-file", 0, FLAG_TEXT, &agent_flags.token_file, "file with the join token", "FILE"},
    {"node-name", 0, FLAG_TEXT, &agent_flags.options.node_name, "name of the Node; without it the host's, lower case",
     "NAME"},
    {"node-ip", 0, FLAG_TEXT, &agent_flags.options.node_ip, "address of the Node; without it that of the default route",
     "IP"},
    {"address", 0, FLAG_TEXT, &agent_flags.options.address, "address the node server listens on; without it all", "IP",
     .environment = "KNARR_AGENT_ADDRESS"},
    {"port", 0, FLAG_NUMBER, &agent_flags.port, "port of the node server", "N", .environment = "KNARR_AGENT_PORT",
     .min = 1, .max = 65535},
    {"pod-cidr", 0, FLAG_TEXT, &agent_flags.options.pod_cidr,
     "block of pods' addresses; without it what the cluster gives", "CIDR"},
    {"bridge", 0, FLAG_TEXT, &agent_flags.options.bridge, "bridge of the pods' network; without it knarr0", "DEVICE"},
    {"cluster-domain", 0, FLAG_TEXT, &agent_flags.options.cluster_domain,
     "domain of the cluster's names; without it cluster.local", "DOMAIN"},
    {"cluster-dns", 0, FLAG_TEXT, &agent_flags.options.cluster_dns,
     "name server of pods; without it Service kube-system/kube-dns", "IP"},
    {"resolv-conf", 0, FLAG_TEXT, &agent_flags.options.resolv_conf,
     "name servers of the host; without it /etc/resolv.conf", "FILE"},
    {"cgroup-parent", 0, FLAG_TEXT, &agent_flags.options.cgroup_parent,
     "control group above all pods; without it /knarr", "PATH"},
    {"run-dir", 0, FLAG_TEXT, &agent_flags.options.run_dir, "volatile state; without it /run/knarr", "DIR"},
    {"log-dir", 0, FLAG_TEXT, &agent_flags.options.log_dir, "containers' logs; without it /var/log/pods", "DIR"},
    {"insecure-registry", 0, FLAG_LIST, &agent_flags.insecure, "registry over plain HTTP; can be given again", "HOST"},
    {"certificate-renewal", 0, FLAG_NUMBER, &agent_flags.renewal,
     "part of a certificate's life after which it is renewed; without it 70 to 89", "PERCENT", .max = 95},
    {"clean", 0, FLAG_BOOL, &agent_flags.clean, "remove all that the agent of this home has made, and end",
     .flag_only = true},
    {NULL, 0, FLAG_BOOL, NULL},
};

static void agent_help(FILE *to)
{
    options_help(to, "agent", agent_option_rows);
}

/* A token in a file does not show in the list of processes. After the join the file may be gone. */
static bool agent_read_token(struct agent_flags *f)
{
    FILE *file = fopen(f->token_file, "re");

    if (!file && errno == ENOENT) {
        log_info("agent", "there is no token in %s: going on with what an earlier join left", f->token_file);
        return true;
    }
    if (!file || !fgets(f->token, sizeof(f->token), file)) {
        (void)fprintf(stderr, "knarr agent: no token in %s\n", f->token_file);
        if (file)
            (void)fclose(file);
        return false;
    }
    (void)fclose(file);
    f->options.token = f->token;
    return true;
}

static bool agent_read_options(struct agent_flags *f, struct pool *pool, int argc, char **argv)
{
    if (!options_read(agent_option_rows, pool, argc, argv))
        return false;
    common_options_apply(&f->common);
    f->options.home = f->common.home;
    f->options.port = (uint16_t)f->port;
    f->options.renewal_percent = (unsigned)f->renewal;
    if (f->insecure.count)
        f->options.registry_insecure = f->insecure.items;
    return f->options.token || !f->token_file || agent_read_token(f);
}

static int agent_run_clean(const struct agent_flags *flags)
{
    ERROR_LOCAL(err);

    if (agent_clean(&flags->options, &err) == 0)
        return 0;
    common_options_fail(&flags->common, "agent", &err);
    return 1;
}

static void agent_on_signal(uv_signal_t *handle, int number)
{
    notify_send("STOPPING=1");
    log_info("agent", "stopping: %s; containers go on", number == SIGTERM ? "SIGTERM" : "SIGINT");
    loop_stop(handle->data);
}

static int agent_serve(const struct agent_flags *flags)
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
    if (agent_start(loop, &flags->options, &agent, &err) == 0) {
        notify_send("READY=1\nSTATUS=joining"); /* a server that is away for long is no reason to be started again */
        loop_run(loop);
        code = agent_failed(agent) ? 1 : 0;
        agent_free(agent);
    } else {
        common_options_fail(&flags->common, "agent", &err);
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
    struct pool *pool CLEANUP_POOL = pool_new(); /* texts of the options */

    (void)signal(SIGPIPE, SIG_IGN);
    mem_settle();
    value_init();
    notify_init();
    if (!agent_read_options(&agent_flags, pool, argc, argv))
        return 2;
    return agent_flags.clean ? agent_run_clean(&agent_flags) : agent_serve(&agent_flags);
}

const struct cli_command agent_commands[] = {
    {"agent", "--server URL --token-file FILE [--home DIR] [--config FILE] [--clean] ...", "Run the node agent",
     agent_command, agent_help},
    {NULL, NULL, NULL, NULL, NULL},
};
