/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/node_stats.h"

#include "agent/pods.h"
#include "agent/usage_write.h"
#include "lib/metrics.h"

struct node_stats_form {
    const char *path;
    const char *content_type;
    void (*write)(struct buf *out, const struct usage_snapshot *snapshot);
};

static void node_stats_write_summary(struct buf *out, const struct usage_snapshot *snapshot)
{
    usage_write_summary(out, snapshot, false);
}

static void node_stats_write_brief(struct buf *out, const struct usage_snapshot *snapshot)
{
    usage_write_summary(out, snapshot, true);
}

static const struct node_stats_form node_stats_forms[] = {
    {"/metrics/resource", METRICS_CONTENT_TYPE, usage_write_resource},
    {"/metrics/cadvisor", METRICS_CONTENT_TYPE, usage_write_cadvisor},
    {"/stats/summary", "application/json", node_stats_write_summary},
};
static const struct node_stats_form node_stats_brief = {"/stats/summary", "application/json", node_stats_write_brief};

struct node_stats_asker {
    struct http_request *req;
    const struct node_stats_form *form;
};

static void node_stats_answer(void *arg, const struct usage_snapshot *snapshot)
{
    const struct node_stats_asker *asker = arg;
    BUF_LOCAL(out);

    if (snapshot)
        asker->form->write(&out, snapshot);
    else
        buf_append_str(&out, "the agent is ending\n");
    struct refbuf *body CLEANUP_REFBUF = refbuf_from(&out);
    http_respond(asker->req, snapshot ? 200 : 503, snapshot ? asker->form->content_type : "text/plain", NULL, 0, body);
}

static void node_stats_ask(struct agent *agent, struct http_request *req, const struct node_stats_form *form)
{
    struct node_stats_asker *asker = pool_alloc(req->pool, sizeof(*asker));

    *asker = (struct node_stats_asker){req, form};
    if (!agent->usage)
        node_stats_answer(asker, NULL);
    else
        usage_ask(agent->usage, req->pool, node_stats_answer, asker);
}

/* ---- /metrics ---- */

struct node_stats_count {
    int64_t pods;
    int64_t containers;
};

static void node_stats_count_container(void *arg, const struct runtime_container *c)
{
    ((struct node_stats_count *)arg)->containers++;
}

static void node_stats_count_pod(void *arg, const struct pod *pod)
{
    struct node_stats_count *count = arg;
    int64_t before = count->containers;

    pod_each_running(pod, node_stats_count_container, count);
    count->pods += count->containers > before;
}

static void node_stats_write_own(struct buf *out, struct agent *agent)
{
    static const char *const node_names[] = {"node", NULL};
    static const char *const state_names[] = {"container_state", NULL};
    static const char *const state_values[] = {"running", NULL};
    const char *node_values[] = {agent->config.node_name, NULL};
    struct node_stats_count count = {0};

    if (agent->pods)
        pods_each(agent->pods, node_stats_count_pod, &count);
    metrics_write_head(out, "kubelet_node_name", "Always 1; the label is the node's name.", METRIC_GAUGE);
    metrics_write_sample(out, "kubelet_node_name", node_names, node_values, 1);
    metrics_write_head(out, "kubelet_running_containers", "Containers that run.", METRIC_GAUGE);
    metrics_write_sample(out, "kubelet_running_containers", state_names, state_values, (double)count.containers);
    metrics_write_gauge(out, "kubelet_running_pods", "Pods of which a container runs.", (double)count.pods);
}

static void node_stats_metrics(struct agent *agent, struct http_request *req)
{
    BUF_LOCAL(out);

    metrics_write(&out);
    node_stats_write_own(&out, agent);
    metrics_write_build(&out);
    metrics_write_process(&out);
    struct refbuf *body CLEANUP_REFBUF = refbuf_from(&out);
    http_respond(req, 200, METRICS_CONTENT_TYPE, NULL, 0, body);
}

bool node_stats_serve(struct agent *agent, struct http_request *req)
{
    if (slice_is(req->path, "/metrics")) {
        node_stats_metrics(agent, req);
        return true;
    }
    if (slice_is(req->path, node_stats_brief.path) && http_query_bool(req->pool, req->query, "only_cpu_and_memory")) {
        node_stats_ask(agent, req, &node_stats_brief);
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(node_stats_forms); i++)
        if (slice_is(req->path, node_stats_forms[i].path)) {
            node_stats_ask(agent, req, &node_stats_forms[i]);
            return true;
        }
    return false;
}
