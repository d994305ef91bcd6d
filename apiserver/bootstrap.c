/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every cluster has: four namespaces, two priority classes, and the `kubernetes` Service at the first Service
 * address with the slice and the Endpoints that point it at this server. Made through the front like anything else, by
 * the API server's own identity, before it listens; looked after while it runs, because somebody will say `kubectl
 * delete services
 * --all`.
 */
#include "apiserver/customs.h"
#include "apiserver/rbac_defaults.h"
#include "apiserver/registry.h"
#include "apiserver/server_internal.h"
#include "apiserver/strategy.h"
#include "lib/http_local.h"
#include "lib/log.h"

#define BOOTSTRAP_PERIOD_MS 10000 /* as upstream's controller */
#define BOOTSTRAP_DNS_INDEX 10    /* the address in the range of Services */

/* ---- the objects --------------------------------------------------------------------------------------------------
 */

struct bootstrap_object {
    const char *group;
    const char *plural;
    const char *namespace_;
    const char *name;
    char *(*json)(const struct apiserver *server, const char *name); /* NULL = not here */
    bool replace; /* it follows the server's address, so what is stored may be old */
};

static unsigned bootstrap_port(const struct apiserver *server)
{
    return server->listener ? http_listener_port(server->listener) : 6443;
}

static char *bootstrap_namespace(const struct apiserver *server, const char *name)
{
    return mem_printf("{\"metadata\":{\"name\":\"%s\"}}", name);
}

static char *bootstrap_service(const struct apiserver *server, const char *name)
{
    char address[SERVICE_ADDRESS_MAX];

    service_range_address(&server->services, 1, address);
    return mem_printf("{\"metadata\":{\"name\":\"%s\",\"labels\":{\"component\":\"apiserver\",\"provider\":"
                      "\"kubernetes\"}},\"spec\":{\"clusterIP\":\"%s\",\"ports\":[{\"name\":\"https\",\"port\":443,"
                      "\"protocol\":\"TCP\",\"targetPort\":%u}],\"type\":\"ClusterIP\"}}",
                      name, address, bootstrap_port(server));
}

/* Where every node answers names: the agents serve it themselves, so there is no selector and no slice. The address is
 * the one that all tools expect; in an older cluster it may be somebody else's. */
static char *bootstrap_dns(const struct apiserver *server, const char *name)
{
    char address[SERVICE_ADDRESS_MAX];

    service_range_address(&server->services, BOOTSTRAP_DNS_INDEX, address);
    if (service_range_index(&server->services, address) < 0 || service_address_taken(server, address))
        return NULL;
    return mem_printf(
        "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"k8s-app\":\"kube-dns\"}},"
        "\"spec\":{\"clusterIP\":\"%s\",\"ports\":[{\"name\":\"dns\",\"port\":53,\"protocol\":\"UDP\"},{\"name\":"
        "\"dns-tcp\",\"port\":53,\"protocol\":\"TCP\"}],\"type\":\"ClusterIP\"}}",
        name, address);
}

/* The two that every cluster has; their values are upstream's. */
static char *bootstrap_priority(const struct apiserver *server, const char *name)
{
    bool node = !strcmp(name, "system-node-critical");

    return mem_printf("{\"metadata\":{\"name\":\"%s\"},\"value\":%d,\"description\":\"%s\"}", name,
                      node ? 2000001000 : 2000000000,
                      node ? "For pods that the system needs on the node where they are."
                           : "For pods that the system needs, on whichever node.");
}

/* Only an address that pods can reach: a server that tests start on loopback has none (len 0). */
static struct slice bootstrap_address(const struct apiserver *server)
{
    struct slice address = slice_str(server->advertise_address);
    ptrdiff_t colon = slice_find(address, ':');

    if (colon < 0 || slice_starts(address, SLICE_LIT("127.")) || slice_starts(address, SLICE_LIT("0.")))
        return SLICE_NONE;
    return slice_make(address.data, (size_t)colon);
}

static char *bootstrap_slice(const struct apiserver *server, const char *name)
{
    struct slice address = bootstrap_address(server);

    if (!address.len)
        return NULL;
    return mem_printf("{\"metadata\":{\"name\":\"%s\",\"labels\":{\"kubernetes.io/service-name\":\"kubernetes\"}},"
                      "\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"%.*s\"],\"conditions\":{\"ready\":"
                      "true}}],\"ports\":[{\"name\":\"https\",\"port\":%u,\"protocol\":\"TCP\"}]}",
                      name, SLICE_ARGS(address), bootstrap_port(server));
}

/* The slice is there already: nobody needs to make one of this. */
static char *bootstrap_endpoints(const struct apiserver *server, const char *name)
{
    struct slice address = bootstrap_address(server);

    if (!address.len)
        return NULL;
    return mem_printf(
        "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"endpointslice.kubernetes.io/skip-mirror\":\"true\"}},"
        "\"subsets\":[{\"addresses\":[{\"ip\":\"%.*s\"}],\"ports\":[{\"name\":\"https\",\"port\":%u,"
        "\"protocol\":\"TCP\"}]}]}",
        name, SLICE_ARGS(address), bootstrap_port(server));
}

static const struct bootstrap_object bootstrap_objects[] = {
    {"", "namespaces", "", "default", bootstrap_namespace, false},
    {"", "namespaces", "", "kube-system", bootstrap_namespace, false},
    {"", "namespaces", "", "kube-public", bootstrap_namespace, false},
    {"", "namespaces", "", "kube-node-lease", bootstrap_namespace, false},
    {"scheduling.k8s.io", "priorityclasses", "", "system-node-critical", bootstrap_priority, false},
    {"scheduling.k8s.io", "priorityclasses", "", "system-cluster-critical", bootstrap_priority, false},
    {"", "services", "default", "kubernetes", bootstrap_service, false},
    {"", "services", "kube-system", "kube-dns", bootstrap_dns, false},
    {"discovery.k8s.io", "endpointslices", "default", "kubernetes", bootstrap_slice, true},
    {"", "endpoints", "default", "kubernetes", bootstrap_endpoints, true},
};

static bool bootstrap_has(const struct apiserver *server, const struct bootstrap_object *o)
{
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};

    return registry_get(server->store, registry_need_kind(o->group, o->plural), o->namespace_, o->name, &item, NULL) ==
           0;
}

/* ---- one request --------------------------------------------------------------------------------------------------
 */

struct bootstrap_call {
    int status;
    bool over;
    bool alone; /* nobody waits: it frees itself */
    struct buf body;
};

static void bootstrap_head(void *arg, int status, const char *content_type, const struct http_header *headers,
                           size_t header_count)
{
    ((struct bootstrap_call *)arg)->status = status;
}

static void bootstrap_data(void *arg, struct refbuf *data)
{
    buf_append_slice(&((struct bootstrap_call *)arg)->body, refbuf_slice(data));
}

static void bootstrap_call_free(struct bootstrap_call *call)
{
    buf_free(&call->body);
    free(call);
}

static void bootstrap_end(void *arg, bool aborted)
{
    struct bootstrap_call *call = arg;

    call->over = true;
    if (!call->alone)
        return;
    if (call->status != 201 && call->status != 409)
        log_warning("apiserver", "bringing back an object of the cluster failed, trying again later: %.*s",
                    SLICE_ARGS(buf_slice(&call->body)));
    bootstrap_call_free(call);
}

struct bootstrap_place {
    const char *group;
    const char *plural;
    const char *namespace_;
    const char *name;
};

/* Makes (POST) or replaces (PUT) the object as the API server itself. */
static void bootstrap_send(struct front *front, const struct bootstrap_place *at, const char *method, struct slice json,
                           struct bootstrap_call *call)
{
    static const char *const groups[] = {"system:masters"};
    static const struct http_local_events events = {bootstrap_head, bootstrap_data, bootstrap_end};
    const struct http_peer peer = {
        .address = "", .local_user = "system:apiserver", .local_groups = groups, .local_group_count = 1};
    const struct http_header headers[] = {{"content-type", SLICE_LIT("application/json")}};
    bool put = !strcmp(method, "PUT");
    char *path CLEANUP_FREE = mem_printf("%s%s/v1%s%s/%s%s%s", *at->group ? "/apis/" : "/api", at->group,
                                         *at->namespace_ ? "/namespaces/" : "", at->namespace_, at->plural,
                                         put ? "/" : "", put ? at->name : "");
    const struct http_local_request request = {.method = slice_str(method),
                                               .path = slice_str(path),
                                               .headers = headers,
                                               .header_count = ARRAY_SIZE(headers),
                                               .body = json,
                                               .peer = &peer};

    (void)http_local_start(front->loop, front_handle, front, &request, &events, call);
}

/* ---- many requests ------------------------------------------------------------------------------------------------
 */

/* As many as may be under way together: those of a new cluster's roles, so that they share one commit. */
#define BOOTSTRAP_AT_ONCE 192

struct bootstrap_calls {
    struct bootstrap_place at[BOOTSTRAP_AT_ONCE];
    struct bootstrap_call *calls[BOOTSTRAP_AT_ONCE];
    size_t count;
};

static void bootstrap_begin(struct apiserver *server, struct bootstrap_calls *calls, const struct bootstrap_place *at,
                            const char *method, struct slice json)
{
    struct bootstrap_call *call = mem_zalloc(sizeof(*call));

    calls->at[calls->count] = *at;
    calls->calls[calls->count++] = call;
    bootstrap_send(&server->fronts[0], at, method, json, call);
}

/* Waits for all of them; err tells of the first that failed. A store that has no thread yet is stepped by hand: then
 * all that was sent is one commit. */
static int bootstrap_wait(struct apiserver *server, struct bootstrap_calls *calls, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < calls->count; i++) {
        struct bootstrap_call *call = calls->calls[i];

        while (!call->over) {
            (void)store_step(server->store);
            loop_turn(server->fronts[0].loop, true);
        }
        if (r == 0 && call->status != 200 && call->status != 201)
            r = error_set(err, ERROR_INTERNAL, "making %s %s at start: %.*s", calls->at[i].plural, calls->at[i].name,
                          SLICE_ARGS(buf_slice(&call->body)));
        bootstrap_call_free(call);
    }
    calls->count = 0;
    return r;
}

static void bootstrap_need(struct apiserver *server, struct bootstrap_calls *calls, const struct bootstrap_object *o)
{
    const struct bootstrap_place at = {o->group, o->plural, o->namespace_, o->name};
    char *json CLEANUP_FREE = o->json(server, o->name);
    bool there = bootstrap_has(server, o);

    if (json && (!there || o->replace))
        bootstrap_begin(server, calls, &at, there ? "PUT" : "POST", slice_str(json));
}

/* Starts what makes default role or binding `index` complete. */
static int bootstrap_need_role(struct apiserver *server, struct bootstrap_calls *calls, size_t index, struct error *err)
{
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    struct value *stored CLEANUP_VALUE = NULL;
    struct bootstrap_place at = {.group = "rbac.authorization.k8s.io"};
    enum rbac_kind kind;
    struct value *wanted CLEANUP_VALUE = rbac_default_object(index, &kind, &at.namespace_, &at.name);
    BUF_LOCAL(json);

    at.plural = rbac_plurals[kind];
    if (registry_get(server->store, registry_need_kind(at.group, at.plural), at.namespace_, at.name, &item, NULL) ==
        0) {
        if (!(stored = object_decode(buf_slice(&item.value), item.revision, err)))
            return -(int)ERROR_CORRUPT;
        if (!rbac_default_reconcile(stored, wanted))
            return 0;
    }
    value_write(stored ? stored : wanted, &json);
    bootstrap_begin(server, calls, &at, stored ? "PUT" : "POST", buf_slice(&json));
    return 0;
}

/* Namespaces first: what lies in one needs it. */
int apiserver_bootstrap(struct apiserver *server, struct error *err)
{
    struct bootstrap_calls *calls CLEANUP_FREE = mem_zalloc(sizeof(*calls));
    size_t roles = rbac_default_count();
    int r = 0;

    for (int pass = 0; r == 0 && pass < 2; pass++) {
        for (size_t i = 0; i < ARRAY_SIZE(bootstrap_objects); i++)
            if ((pass == 0) == !strcmp(bootstrap_objects[i].plural, "namespaces"))
                bootstrap_need(server, calls, &bootstrap_objects[i]);
        if (pass == 0)
            r = bootstrap_wait(server, calls, err);
    }
    for (size_t i = 0; r == 0 && i < roles; i++) {
        r = bootstrap_need_role(server, calls, i, err);
        if (r == 0 && calls->count == BOOTSTRAP_AT_ONCE)
            r = bootstrap_wait(server, calls, err);
    }
    if (r < 0)
        (void)bootstrap_wait(server, calls, NULL);
    else
        r = bootstrap_wait(server, calls, err);
    return r;
}

/* ---- looking after them -------------------------------------------------------------------------------------------
 */

void apiserver_bootstrap_again(void *arg)
{
    struct front *front = arg;

    customs_tidy(front->server->customs);
    for (size_t i = 0; i < ARRAY_SIZE(bootstrap_objects); i++) {
        const struct bootstrap_object *o = &bootstrap_objects[i];
        char *json CLEANUP_FREE = o->json(front->server, o->name);
        const struct bootstrap_place at = {o->group, o->plural, o->namespace_, o->name};
        struct bootstrap_call *call;

        if (!json || bootstrap_has(front->server, o))
            continue;
        call = mem_zalloc(sizeof(*call));
        call->alone = true;
        bootstrap_send(front, &at, "POST", slice_str(json), call);
    }
}

void apiserver_bootstrap_keep(struct apiserver *server)
{
    struct front *front = &server->fronts[0];

    front->keeper = loop_timer_new(front->loop, apiserver_bootstrap_again, front);
    loop_timer_start(front->keeper, BOOTSTRAP_PERIOD_MS, BOOTSTRAP_PERIOD_MS);
}
