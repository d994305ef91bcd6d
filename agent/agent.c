/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent put together, in the order in which one thing needs the other:
 *
 *     directories, control groups, image store -> identity (join) -> client -> Node and Lease -> node server
 *                                                                     \-> pod network known -> pods
 */
#include "agent/agent_internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>
#include <arpa/inet.h>

#include "agent/dns.h"
#include "agent/fs.h"
#include "agent/handler.h"
#include "agent/join.h"
#include "agent/log_rotate.h"
#include "agent/network.h"
#include "agent/node.h"
#include "agent/node_server.h"
#include "agent/pods.h"
#include "agent/process.h"
#include "agent/services.h"
#include "agent/session.h"
#include "agent/usage.h"
#include "lib/http_client.h"
#include "lib/log.h"
#include "lib/notify.h"

#define POOL_THREADS "16" /* jobs wait for child processes most of the time */
#define CNI_DIR      "/usr/lib/cni"
#define LOCK_STEP_MS 50

/* ---- work on the pool ---- */

struct counted {
    struct agent *agent;
    void (*work)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static void counted_work(void *arg)
{
    struct counted *c = arg;

    c->work(c->arg);
}

static void counted_done(void *arg)
{
    struct counted *c = arg;

    c->agent->jobs--;
    c->done(c->arg);
    free(c);
}

void agent_work(struct agent *agent, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    struct counted *c = mem_zalloc(sizeof(*c));

    *c = (struct counted){agent, work, done, arg};
    agent->jobs++;
    loop_work(agent->loop, counted_work, counted_done, c);
}

struct sandbox_config agent_sandbox_config(const struct agent_config *config)
{
    return (struct sandbox_config){
        .run_dir = config->run_dir, .cni_dir = CNI_DIR, .bridge = config->bridge, .pod_cidr = config->pod_cidr};
}

/* ---- configuration ---- */

static char *host_name(void)
{
    char name[256] = "";

    (void)gethostname(name, sizeof(name) - 1);
    for (char *p = name; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return mem_strdup(name);
}

/* The address this machine would use to speak to `server`: asks the kernel, sends nothing. */
static char *own_address(const char *server)
{
    char host[256] = "192.0.2.1";
    const char *start = server ? strstr(server, "://") : NULL;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    struct sockaddr_in from = {0};
    socklen_t len = sizeof(from);
    char text[INET_ADDRSTRLEN] = "127.0.0.1";
    int fd CLEANUP_FD = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (start)
        (void)snprintf(host, sizeof(host), "%.*s", (int)strcspn(start + 3, ":/"), start + 3);
    /* A loopback server says nothing about how others reach us. */
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || !strncmp(host, "127.", 4))
        (void)inet_pton(AF_INET, "192.0.2.1", &to.sin_addr);
    if (fd >= 0 && !connect(fd, (struct sockaddr *)&to, sizeof(to)) && !getsockname(fd, (struct sockaddr *)&from, &len))
        (void)inet_ntop(AF_INET, &from.sin_addr, text, sizeof(text));
    return mem_strdup(text);
}

static char *or_default(const char *text, const char *fallback)
{
    return mem_strdup(text ? text : fallback);
}

void agent_config_fill(struct agent_config *c, const struct agent_options *o)
{
    const char *home = o->home ? o->home : "/var/lib/knarr";

    c->home = mem_printf("%s/agent", home);
    c->archives = mem_printf("%s/images", home);
    c->run_dir = mem_printf("%s/agent", o->run_dir ? o->run_dir : "/run/knarr");
    c->log_dir = or_default(o->log_dir, "/var/log/pods");
    c->node_name = o->node_name ? mem_strdup(o->node_name) : host_name();
    c->node_ip = o->node_ip ? mem_strdup(o->node_ip) : own_address(o->server);
    c->address = or_default(o->address, "0.0.0.0");
    c->port = o->port ? o->port : 10250;
    c->renewal_percent = o->renewal_percent;
    c->cgroup_parent = or_default(o->cgroup_parent, "/knarr");
    c->bridge = or_default(o->bridge, "knarr0");
    c->cluster_domain = or_default(o->cluster_domain, "cluster.local");
    c->cluster_dns = o->cluster_dns ? mem_strdup(o->cluster_dns) : NULL;
    c->resolv_conf = or_default(o->resolv_conf, "/etc/resolv.conf");
    c->pod_cidr = o->pod_cidr ? mem_strdup(o->pod_cidr) : NULL;
    c->runtime = (struct runtime){.run_dir = mem_strdup(c->run_dir),
                                  .home = mem_strdup(c->home),
                                  .layers = mem_printf("%s/images/layers", c->home),
                                  .roots = mem_printf("%s/roots", o->run_dir ? o->run_dir : "/run/knarr"),
                                  .conmon = process_find("conmon")};
}

void agent_config_clear(struct agent_config *c)
{
    char **const texts[] = {&c->home,           &c->archives,      &c->run_dir,         &c->log_dir,
                            &c->node_name,      &c->node_ip,       &c->address,         &c->cgroup_parent,
                            &c->bridge,         &c->pod_cidr,      &c->runtime.run_dir, &c->runtime.home,
                            &c->runtime.layers, &c->runtime.roots, &c->runtime.program, &c->runtime.conmon,
                            &c->cluster_domain, &c->cluster_dns,   &c->resolv_conf};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        free(*texts[i]);
}

static int config_check(struct agent_config *c, struct error *err)
{
    struct node_machine machine = {0};

    if (geteuid() != 0)
        return error_set(err, ERROR_FORBIDDEN, "the agent runs containers and must be root");
    if (!c->runtime.conmon)
        return error_set(err, ERROR_NOT_FOUND, "conmon is not installed");
    if (!fs_exists(CNI_DIR "/bridge"))
        return error_set(err, ERROR_NOT_FOUND, "the CNI plug-ins are not installed (" CNI_DIR ")");
    if (cgroup_detect(&c->cgroup_version, err) < 0)
        return -1;
    c->runtime.cgroup_version = c->cgroup_version;
    if (runtime_find(&c->runtime, err) < 0)
        return -1;
    if (fs_make_dirs(c->home, 0700, err) < 0 || fs_make_dirs(c->run_dir, 0700, err) < 0 ||
        fs_make_dirs(c->log_dir, 0755, err) < 0)
        return -1;
    node_machine_read(c->home, &machine);
    c->cpu_milli = machine.cpu_milli;
    c->memory = machine.memory;
    node_machine_clear(&machine);
    return 0;
}

/* Two agents of one home would take each other's containers away. The lock goes with the process. */
int agent_lock(const struct agent_config *c, unsigned wait_ms, int *ret_fd, struct error *err)
{
    char *path CLEANUP_FREE = mem_printf("%s/lock", c->home);
    int fd CLEANUP_FD = -1;

    if (fs_make_dirs(c->home, 0700, err) < 0)
        return -1;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(err, errno, "opening %s", path);
    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_set_errno(err, errno, "locking %s", path);
        if (wait_ms < LOCK_STEP_MS)
            return error_set(err, ERROR_CONFLICT, "another agent runs with this home (%s)", c->home);
        wait_ms -= LOCK_STEP_MS;
        (void)usleep(LOCK_STEP_MS * 1000);
    }
    *ret_fd = STEAL_FD(fd);
    return 0;
}

/* ---- the steps that follow from each other ---- */

static void network_known(void *arg, const char *pod_cidr)
{
    struct agent *agent = arg;
    ERROR_LOCAL(err);

    log_info("agent", "pods of node %s get addresses of %s", agent->config.node_name, pod_cidr);
    agent->network = network_start(agent);
    if (dns_start(agent, &agent->dns, &err) < 0)
        log_error("agent", "%s; pods of this node cannot look up names", error_text(&err));
    agent->services = services_start(agent);
    agent->handlers = handlers_new(agent->loop, &agent->config.runtime);
    agent->pods = pods_start(agent);
    agent->log_rotate = log_rotate_start(agent);
}

static void serving_ready(void *arg, struct slice certificate, struct slice key, struct slice ca)
{
    struct agent *agent = arg;
    ERROR_LOCAL(err);
    int r = agent->server ? node_server_set_certificate(agent->server, certificate, key, &err)
                          : node_server_start(agent, certificate, key, ca, &agent->server, &err);

    if (r < 0)
        log_error("agent", "%s; logs of this node cannot be read", error_text(&err));
}

static void joined(void *arg, const struct join_identity *identity)
{
    struct agent *agent = arg;
    const struct client_https_options options = {
        .server = identity->server, .ca = identity->ca, .certificate = identity->certificate, .key = identity->key};

    agent->transport = client_transport_https(agent->loop, &options);
    agent->client = client_new(agent->loop, agent->transport);
    agent->events = event_recorder_new(agent->client, "kubelet", agent->config.node_name);
    agent->node = node_start(agent, network_known, agent);
    notify_send("STATUS=node %s of %s", agent->config.node_name, identity->server);
    join_keep(agent->join, serving_ready);
}

static void join_failed(void *arg, const struct error *err)
{
    struct agent *agent = arg;

    log_error("agent", "%s", error_text(err));
    agent->failed = true;
    loop_stop(agent->loop);
}

int agent_start(struct loop *loop, const struct agent_options *options, struct agent **ret_agent, struct error *err)
{
    struct agent *agent = mem_zalloc(sizeof(*agent));
    struct images_options images = {.insecure_hosts = options->registry_insecure};
    const struct join_options join = {.server = options->server, .token = options->token};
    char *store CLEANUP_FREE = NULL;
    char *logins CLEANUP_FREE = NULL;
    int r;

    (void)setenv("UV_THREADPOOL_SIZE", POOL_THREADS, 0);
    /* Names in archives are UTF-8. */
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    agent->loop = loop;
    agent->clock = loop_clock(loop);
    list_init(&agent->log_streams);
    agent->usage = usage_new(agent);
    list_init(&agent->sessions);
    agent_config_fill(&agent->config, options);
    agent->lock = -1;
    r = config_check(&agent->config, err);
    if (!r)
        r = agent_lock(&agent->config, 0, &agent->lock, err);
    if (!r) {
        store = mem_printf("%s/images", agent->config.home);
        logins = mem_printf("%s/registries.json", agent->config.home);
        images.store_dir = store;
        images.logins = logins;
        images.archive_dir = agent->config.archives;
        r = images_new(loop, &images, &agent->images, err);
    }
    if (!r)
        r = join_start(agent, &join, joined, join_failed, agent, &agent->join, err);
    if (r < 0) {
        agent_free(agent);
        return r;
    }
    *ret_agent = agent;
    return 0;
}

bool agent_failed(const struct agent *agent)
{
    return agent->failed;
}

void agent_free(struct agent *agent)
{
    if (!agent)
        return;
    /* From the top down; containers are not asked. */
    join_stop(agent->join);
    usage_free(STEAL(agent->usage)); /* answers who waits, while there is a server to answer with */
    node_server_free(agent->server);
    sessions_end(agent);
    log_rotate_free(agent->log_rotate);
    pods_free(agent->pods);
    dns_free(agent->dns);
    agent->dns = NULL;
    services_free(agent->services);
    network_free(agent->network);
    node_free(agent->node);
    while (agent->jobs)
        loop_turn(agent->loop, true);
    handlers_free(agent->handlers);
    sessions_end(agent); /* what was being started */
    http_client_free(agent->pod_client);
    join_free(agent->join);
    event_recorder_free(agent->events);
    client_free(agent->client);
    images_free(agent->images);
    loop_turn(agent->loop, false);
    if (agent->lock >= 0)
        (void)close(agent->lock);
    agent_config_clear(&agent->config);
    free(agent);
}
