/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This machine as a Node. Two independent loops of requests, one call each at a time:
 *
 *     object:  GET -> (absent: POST) -> PATCH status when it changed, at least every 5 minutes; looked at every 10 s
 *     Lease:   PATCH renewTime every 10 s -> (absent: POST)
 *
 * The Lease is what liveness is judged by; it goes on whatever the status does. When it was not renewed for a while,
 * the control plane may have called us Unknown meanwhile: then the status is sent again at once, though it did not
 * change.
 */
#include "agent/node.h"

#include <stdio.h>
#include <sys/statvfs.h>

#include "agent/fs.h"
#include "lib/log.h"

#define PERIOD_MS       10000
#define RETRY_MS        1000
#define WAIT_MS         200
#define REPORT_MS       (5 * 60 * 1000)
#define GAP_MS          (PERIOD_MS + 2000) /* between two renewals: somebody may have missed us */
#define LEASE_DURATION  40
#define LEASE_NAMESPACE "kube-node-lease"

struct node {
    struct agent *agent;
    struct node_machine machine;
    struct loop_timer *timer;
    struct loop_timer *lease_timer;
    struct client_call *call;
    struct client_call *lease_call;
    bool registered;
    char *uid;
    bool cidr_told;
    struct value *status; /* as made last */
    struct value *sent;   /* as acknowledged */
    struct value *sending;
    uint64_t sent_ms;
    bool lease_warned;
    uint64_t renewed_ms; /* when the last renewal was acknowledged; 0 = never */
    void (*network_known)(void *arg, const char *pod_cidr);
    void *arg;
};

static const struct schema_kind *node_kind(void)
{
    return schema_find_resource(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("nodes"));
}

static const struct schema_kind *lease_kind(void)
{
    return schema_find_resource(SLICE_LIT("coordination.k8s.io"), SLICE_LIT("v1"), SLICE_LIT("leases"));
}

/* The pod network is waited for with more hurry. */
static uint64_t node_period(const struct node *n)
{
    return n->cidr_told ? PERIOD_MS : WAIT_MS;
}

static void node_later(struct node *n, uint64_t ms)
{
    loop_timer_start(n->timer, ms, 0);
}

/* A heartbeat: it does not wait longer than until the next one is due, so that a connection which died with its network
 * is given up and another one is tried. */
static struct client_call *node_patch(struct node *n, const struct schema_kind *kind, const char *ns, const char *sub,
                                      struct slice body, client_done *done)
{
    char *path CLEANUP_FREE = client_path(kind, ns, n->agent->config.node_name, sub);

    return client_send(n->agent->client,
                       &(struct client_request){.method = "PATCH",
                                                .path = path,
                                                .content_type = "application/merge-patch+json",
                                                .body = body,
                                                .timeout_ms = PERIOD_MS},
                       done, n);
}

/* ---- status ---- */

static int64_t memory_available(void)
{
    static const struct slice key = {"MemAvailable:", 13};
    BUF_LOCAL(text);
    struct slice rest;
    struct slice line;
    int64_t kib = 0;

    if (fs_read("/proc/meminfo", 65536, &text, NULL) < 0)
        return INT64_MAX;
    rest = buf_slice(&text);
    while (slice_split(&rest, '\n', &line)) {
        if (!slice_starts(line, key))
            continue;
        line = slice_trim(slice_from(line, key.len));
        if (slice_ends(line, SLICE_LIT(" kB")) && slice_to_int64(slice_make(line.data, line.len - 3), &kib))
            return kib * 1024;
    }
    return INT64_MAX;
}

static struct value *status_compute(struct node *n)
{
    struct agent *agent = n->agent;
    struct statvfs fs = {0};
    struct node_view view = {
        .name = agent->config.node_name,
        .ip = agent->config.node_ip,
        .port = agent->config.port,
        .network_ready = agent->config.pod_cidr != NULL,
        .memory_available = memory_available(),
        .disk_available = INT64_MAX,
        .now_ns = clock_wall_ns(agent->clock),
        .images = agent->images ? images_store(agent->images) : NULL,
    };

    if (!statvfs(agent->config.home, &fs))
        view.disk_available = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    return node_status_make(&n->machine, &view, n->status);
}

static void status_sent(void *arg, int status, struct slice body, const struct error *err)
{
    struct node *n = arg;

    n->call = NULL;
    if (err) {
        log_warning("agent", "status of node %s was not taken: %s; trying again", n->agent->config.node_name,
                    error_text(err));
        if (err->code == ERROR_NOT_FOUND)
            n->registered = false;
        node_later(n, RETRY_MS);
        return;
    }
    value_free(n->sent);
    n->sent = STEAL(n->sending);
    n->sent_ms = loop_now_ms(n->agent->loop);
    node_later(n, node_period(n));
}

static void status_look(struct node *n)
{
    struct value *patch CLEANUP_VALUE = NULL;
    uint64_t now = loop_now_ms(n->agent->loop);
    struct value *status = status_compute(n);
    BUF_LOCAL(body);

    value_free(n->status);
    n->status = status;
    if (n->sent && now < n->sent_ms + REPORT_MS && node_status_same(status, n->sent)) {
        node_later(n, node_period(n));
        return;
    }
    value_free(n->sending);
    n->sending = value_copy(status);
    patch = value_new_object();
    value_set(patch, "status", value_copy(status));
    value_write(patch, &body);
    n->call = node_patch(n, node_kind(), NULL, "status", buf_slice(&body), status_sent);
}

/* ---- registration ---- */

static void node_learn(struct node *n, struct slice body)
{
    struct value *v CLEANUP_VALUE = value_parse(body, NULL);
    const char *uid = value_str(value_path(v, "metadata", "uid", NULL));
    const char *cidr = value_str(value_path(v, "spec", "podCIDR", NULL));

    if (uid && !n->uid)
        n->uid = mem_strdup(uid);
    if (!n->agent->config.pod_cidr && cidr && *cidr)
        n->agent->config.pod_cidr = mem_strdup(cidr);
    if (n->agent->config.pod_cidr && !n->cidr_told) {
        n->cidr_told = true;
        n->network_known(n->arg, n->agent->config.pod_cidr);
    }
}

static void write_node(struct node *n, struct buf *out)
{
    const struct agent_config *config = &n->agent->config;
    const struct {
        const char *name;
        const char *text;
    } labels[] = {
        {"beta.kubernetes.io/arch", n->machine.architecture},
        {"beta.kubernetes.io/os", "linux"},
        {"kubernetes.io/arch", n->machine.architecture},
        {"kubernetes.io/hostname", config->node_name},
        {"kubernetes.io/os", "linux"},
    };
    struct value *v CLEANUP_VALUE = value_new_object();
    struct value *metadata;
    struct value *spec;

    value_set_str(v, "apiVersion", "v1");
    value_set_str(v, "kind", "Node");
    metadata = value_need_object(v, "metadata");
    value_set_str(metadata, "name", config->node_name);
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
        value_set_str(value_need_object(metadata, "labels"), labels[i].name, labels[i].text);
    spec = value_need_object(v, "spec");
    if (config->pod_cidr) {
        value_set_str(spec, "podCIDR", config->pod_cidr);
        value_append(value_need_array(spec, "podCIDRs"), value_new_str(config->pod_cidr));
    }
    value_write(v, out);
}

static void node_registered(void *arg, int status, struct slice body, const struct error *err)
{
    struct node *n = arg;

    n->call = NULL;
    if (err && err->code != ERROR_ALREADY_EXISTS) {
        log_warning("agent", "node %s cannot be registered: %s; trying again", n->agent->config.node_name,
                    error_text(err));
        node_later(n, RETRY_MS);
        return;
    }
    if (!err) {
        log_info("agent", "registered node %s", n->agent->config.node_name);
        node_learn(n, body);
    }
    node_later(n, 0);
}

static void node_got(void *arg, int status, struct slice body, const struct error *err)
{
    struct node *n = arg;
    BUF_LOCAL(node);

    n->call = NULL;
    if (!err) {
        n->registered = true;
        node_learn(n, body);
        status_look(n);
    } else if (err->code == ERROR_NOT_FOUND) {
        write_node(n, &node);
        n->call = client_create(n->agent->client, node_kind(), NULL, NULL, NULL, buf_slice(&node), node_registered, n);
    } else {
        log_warning("agent", "reading node %s: %s; trying again", n->agent->config.node_name, error_text(err));
        node_later(n, RETRY_MS);
    }
}

static void on_timer(void *arg)
{
    struct node *n = arg;

    if (n->call)
        return;
    /* Until the pod network is known, the object itself is what we wait for. */
    if (!n->registered || !n->cidr_told)
        n->call = client_get(n->agent->client, node_kind(), NULL, n->agent->config.node_name, node_got, n);
    else
        status_look(n);
}

/* ---- Lease ---- */

static void set_renew_time(struct node *n, struct value *spec)
{
    char now[TIME_TEXT_MAX];

    time_format_micro(clock_wall_ns(n->agent->clock), now);
    value_set_str(spec, "renewTime", now);
}

static void lease_acknowledged(struct node *n)
{
    uint64_t now = loop_now_ms(n->agent->loop);
    bool missed = n->renewed_ms && now - n->renewed_ms > GAP_MS;

    n->renewed_ms = now;
    if (!missed)
        return;
    value_free(n->sent);
    n->sent = NULL;
    if (!n->call)
        node_later(n, 0);
}

static void lease_done(struct node *n, const struct error *err)
{
    n->lease_call = NULL;
    if (err && !n->lease_warned)
        log_warning("agent", "the Lease of node %s cannot be renewed: %s; trying again", n->agent->config.node_name,
                    error_text(err));
    n->lease_warned = err != NULL;
    if (!err)
        lease_acknowledged(n);
    loop_timer_start(n->lease_timer, err ? RETRY_MS : PERIOD_MS, 0);
}

static void lease_created(void *arg, int status, struct slice body, const struct error *err)
{
    lease_done(arg, err);
}

static void lease_create(struct node *n)
{
    const char *name = n->agent->config.node_name;
    struct value *v CLEANUP_VALUE = value_new_object();
    struct value *metadata;
    struct value *owner;
    struct value *spec;
    BUF_LOCAL(body);

    value_set_str(v, "apiVersion", "coordination.k8s.io/v1");
    value_set_str(v, "kind", "Lease");
    metadata = value_need_object(v, "metadata");
    value_set_str(metadata, "name", name);
    value_set_str(metadata, "namespace", LEASE_NAMESPACE);
    if (n->uid) {
        owner = value_new_object();
        value_set_str(owner, "apiVersion", "v1");
        value_set_str(owner, "kind", "Node");
        value_set_str(owner, "name", name);
        value_set_str(owner, "uid", n->uid);
        value_append(value_need_array(metadata, "ownerReferences"), owner);
    }
    spec = value_need_object(v, "spec");
    value_set_str(spec, "holderIdentity", name);
    value_set(spec, "leaseDurationSeconds", value_new_int(LEASE_DURATION));
    set_renew_time(n, spec);
    value_write(v, &body);
    n->lease_call =
        client_create(n->agent->client, lease_kind(), LEASE_NAMESPACE, NULL, NULL, buf_slice(&body), lease_created, n);
}

static void lease_renewed(void *arg, int status, struct slice body, const struct error *err)
{
    struct node *n = arg;

    n->lease_call = NULL;
    if (err && err->code == ERROR_NOT_FOUND && n->uid)
        lease_create(n);
    else if (err && err->code == ERROR_NOT_FOUND)
        loop_timer_start(n->lease_timer, WAIT_MS, 0); /* its owner is being registered */
    else
        lease_done(n, err);
}

static void on_lease_timer(void *arg)
{
    struct node *n = arg;
    struct value *patch CLEANUP_VALUE = value_new_object();
    struct value *spec = value_need_object(patch, "spec");
    BUF_LOCAL(body);

    if (n->lease_call)
        return;
    value_set_str(spec, "holderIdentity", n->agent->config.node_name);
    value_set(spec, "leaseDurationSeconds", value_new_int(LEASE_DURATION));
    set_renew_time(n, spec);
    value_write(patch, &body);
    n->lease_call = node_patch(n, lease_kind(), LEASE_NAMESPACE, NULL, buf_slice(&body), lease_renewed);
}

struct node *node_start(struct agent *agent, void (*network_known)(void *arg, const char *pod_cidr), void *arg)
{
    struct node *n = mem_zalloc(sizeof(*n));

    n->agent = agent;
    n->network_known = network_known;
    n->arg = arg;
    node_machine_read(agent->config.home, &n->machine);
    n->timer = loop_timer_new(agent->loop, on_timer, n);
    n->lease_timer = loop_timer_new(agent->loop, on_lease_timer, n);
    node_later(n, 0);
    loop_timer_start(n->lease_timer, 0, 0);
    return n;
}

void node_register_again(struct node *n)
{
    n->registered = false;
    free(STEAL(n->uid));
    value_free(STEAL(n->sent)); /* a new one knows nothing of it */
    if (!n->call)
        node_later(n, 0);
}

void node_free(struct node *node)
{
    if (!node)
        return;
    if (node->call)
        client_call_cancel(node->call);
    if (node->lease_call)
        client_call_cancel(node->lease_call);
    loop_timer_free(node->timer);
    loop_timer_free(node->lease_timer);
    node_machine_clear(&node->machine);
    value_free(node->status);
    value_free(node->sent);
    value_free(node->sending);
    free(node->uid);
    free(node);
}
