/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows Services and EndpointSlices and keeps the table as they want it. Changes gather for a moment, then one `nft`
 * on the pool makes them in one transaction; what changes meanwhile waits for the next.
 *
 *     LISTING --all are listed--> APPLYING <--timer-- WAITING
 *                                   |  ^ \--done, changes or failure--^
 *                            done   v  |                              |
 *                                  IDLE -------------a change---------/
 *
 * What the kernel has is known from what was sent: each entry remembers its fronts. At the start and after a failure
 * that knowledge is worth nothing, and the table is replaced whole, again in one transaction.
 *
 * A front belongs to one entry at a time: the first that claims it. Who was refused one claims again with the next
 * change of anything, since it may have become free.
 */
#include "agent/services.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/address_table.h"
#include "agent/dns.h"
#include "agent/fs.h"
#include "agent/process.h"
#include "agent/service_env.h"
#include "agent/service_rules.h"
#include "client/informer.h"
#include "lib/log.h"

#define APPLY_DELAY_MS 20
#define RETRY_MS       5000

enum services_state {
    SERVICES_LISTING,
    SERVICES_IDLE,
    SERVICES_WAITING, /* for the timer */
    SERVICES_APPLYING,
};

/* A Service, or slices that name one; or a pod with hostPorts. */
struct entry {
    struct list dirty; /* in services->dirty, or linked to itself */
    struct service_record record;
    struct service_fronts host;   /* wanted by the pod */
    struct service_fronts fronts; /* in the table */
    struct service_fronts next;   /* of the batch that is being made */
    bool refused;                 /* a front belongs to another */
};

struct services {
    struct agent *agent;
    struct informer *services;
    struct informer *slices;
    struct loop_timer *timer;
    struct map entries;             /* "ns/name", or the pod's uid -> struct entry */
    struct map claims;              /* chain -> the entry whose front it is */
    struct map namespaces;          /* that have Services -> how many */
    struct address_table addresses; /* of Services and endpoints -> struct service_record */
    struct list dirty;
    enum services_state state;
    bool whole;     /* the table is to be replaced */
    bool contended; /* some entry is refused */
    bool pods_listed;
    bool closing;
};

/* ---- the job ---- */

struct apply {
    struct services *services;
    struct buf script;
    struct buf
        datagrams; /* struct conntrack_front: the fronts of UDP that lead elsewhere now; their backends are owned */
    bool whole;
    struct error err;
};

/* Node ports lead to pods of other nodes also where no pod has made the node a router yet. */
static int forwarding_on(struct error *err)
{
    int fd CLEANUP_FD = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC);

    return fd < 0 || write(fd, "1", 1) != 1 ? error_set_errno(err, errno, "turning IP forwarding on") : 0;
}

static void apply_work(void *arg)
{
    struct apply *a = arg;
    ERROR_LOCAL(err);

    if (a->whole && forwarding_on(&a->err) < 0)
        return;
    if (process_nft(buf_slice(&a->script), &a->err) < 0 || !a->datagrams.len)
        return;
    /* The rules stand; that a client is late to learn of it is no reason to make them again. */
    if (conntrack_forget((const struct conntrack_front *)a->datagrams.data,
                         a->datagrams.len / sizeof(struct conntrack_front), &err) < 0)
        log_warning("agent", "%s; clients of UDP may go on sending to pods that have gone", error_text(&err));
}

static void datagrams_free(struct buf *datagrams)
{
    struct conntrack_front *fronts = (struct conntrack_front *)datagrams->data;

    for (size_t i = 0; i < datagrams->len / sizeof(*fronts); i++)
        free((void *)fronts[i].backends);
    buf_free(datagrams);
}

/* Notes the fronts of UDP that are new, gone, or lead elsewhere. */
static void datagrams_gather(const struct service_fronts *before, const struct service_fronts *now, struct buf *out)
{
    for (size_t pass = 0; pass < 2; pass++) {
        const struct service_fronts *these = pass ? before : now;
        const struct service_fronts *others = pass ? now : before;

        for (size_t i = 0; i < these->count; i++) {
            const struct service_front *front = &these->items[i];
            const struct service_front *other = service_fronts_find(others, front);
            struct conntrack_front noted = {.front = front->at};

            /* Those of both are looked at once. */
            if (!front->at.port || (other && (pass || service_front_same(front, other))))
                continue;
            noted.count = pass ? 0 : front->backend_count;
            if (noted.count)
                noted.backends = mem_dup(front->backends, noted.count * sizeof(*noted.backends));
            buf_append(out, &noted, sizeof(noted));
        }
    }
}

static void entry_free(void *arg)
{
    struct entry *e = arg;

    list_remove(&e->dirty);
    service_fronts_clear(&e->fronts);
    service_fronts_clear(&e->next);
    service_fronts_clear(&e->host);
    free(e->record.slices);
    free(e->record.key);
    free(e);
}

static void services_close(struct services *s)
{
    map_clear(&s->entries, entry_free);
    map_clear(&s->claims, NULL);
    map_clear(&s->namespaces, NULL);
    address_table_clear(&s->addresses);
    loop_timer_free(s->timer);
    free(s);
}

static void services_wait(struct services *s, uint64_t ms)
{
    s->state = SERVICES_WAITING;
    loop_timer_start(s->timer, ms, 0);
}

static void apply_done(void *arg)
{
    struct apply *a = arg;
    struct services *s = a->services;

    if (error_is_set(&a->err)) {
        log_warning("agent", "setting up Services: %s; trying again", error_text(&a->err));
        s->whole = true;
        services_wait(s, RETRY_MS);
    } else if (!list_empty(&s->dirty)) {
        services_wait(s, APPLY_DELAY_MS);
    } else {
        s->state = SERVICES_IDLE;
    }
    error_clear(&a->err);
    buf_free(&a->script);
    datagrams_free(&a->datagrams);
    free(a);
    if (s->closing)
        services_close(s);
}

/* The cluster's DNS is answered on this node unless somebody's own stands behind its Service. */
static uint16_t local_port_of(const struct services *s, const struct entry *e)
{
    return s->agent->dns && !strcmp(e->record.key, SERVICES_DNS) ? dns_port(s->agent->dns) : 0;
}

/* Gives up what the entry has, and says what it wants. */
static void entry_release(struct services *s, struct entry *e)
{
    if (s->whole)
        service_fronts_clear(&e->fronts);
    for (size_t i = 0; i < e->fronts.count; i++)
        (void)map_remove(&s->claims, slice_str(e->fronts.items[i].chain));
    service_fronts_of(&e->record, local_port_of(s, e), &e->next);
    service_fronts_copy(&e->host, &e->next);
}

static void entry_claim(struct services *s, struct entry *e)
{
    bool refused = false;

    for (size_t i = 0; i < e->next.count; i++) {
        const struct service_front *front = &e->next.items[i];
        const struct entry *other = map_get(&s->claims, slice_str(front->chain));

        if (!other) {
            (void)map_put(&s->claims, slice_str(front->chain), e);
            continue;
        }
        if (!e->refused)
            log_warning("agent", "%s of %s is used by %s already", front->chain, e->record.key, other->record.key);
        refused = true;
        service_fronts_drop(&e->next, i--);
    }
    e->refused = refused;
    s->contended = s->contended || refused;
}

/* Writes what changes for one entry, which is clean afterwards, or gone when it has become nothing. */
static void entry_apply(struct services *s, struct entry *e, const struct service_table *table, struct apply *a,
                        struct buf *additions)
{
    service_rules_change(table, &e->fronts, &e->next, &a->script, additions);
    datagrams_gather(&e->fronts, &e->next, &a->datagrams);
    service_fronts_clear(&e->fronts);
    e->fronts = e->next;
    e->next = (struct service_fronts){0};
    list_remove(&e->dirty);
    if (!e->record.service && !e->record.count && !e->host.count)
        entry_free(map_remove(&s->entries, slice_str(e->record.key)));
}

/* Adds to the dirty ones: all, or those that were refused something. */
static void entries_again(struct services *s, bool all)
{
    s->contended = false;
    map_for_each (it, &s->entries) {
        struct entry *e = it->value;

        if (!all && !e->refused)
            continue;
        list_remove(&e->dirty);
        list_append(&s->dirty, &e->dirty);
    }
}

static void apply_start(void *arg)
{
    struct services *s = arg;
    const struct service_table table = {s->agent->config.bridge, s->agent->config.pod_cidr};
    struct apply *a = mem_zalloc(sizeof(*a));
    BUF_LOCAL(additions);

    if (s->whole || s->contended)
        entries_again(s, s->whole);
    if (s->whole) {
        map_clear(&s->claims, NULL);
        service_rules_empty(&table, &a->script);
    }
    a->services = s;
    a->whole = s->whole;
    list_for_each (it, &s->dirty)
        entry_release(s, container_of(it, struct entry, dirty));
    list_for_each (it, &s->dirty)
        entry_claim(s, container_of(it, struct entry, dirty));
    list_for_each_safe (it, next, &s->dirty)
        entry_apply(s, container_of(it, struct entry, dirty), &table, a, &additions);
    s->whole = false;
    buf_append_slice(&a->script, buf_slice(&additions));
    s->state = SERVICES_APPLYING;
    if (a->script.len)
        agent_work(s->agent, apply_work, apply_done, a);
    else
        apply_done(a);
}

/* ---- what the API says ---- */

static struct entry *entry_get(struct services *s, struct slice key)
{
    struct entry *e = map_get(&s->entries, key);

    if (!e) {
        e = mem_zalloc(sizeof(*e));
        list_init(&e->dirty);
        e->record.key = slice_dup(key);
        (void)map_put(&s->entries, key, e);
    }
    list_remove(&e->dirty);
    list_append(&s->dirty, &e->dirty);
    if (s->state == SERVICES_IDLE)
        services_wait(s, APPLY_DELAY_MS);
    return e;
}

static void *service_project(void *arg, struct slice key, struct slice json)
{
    return service_item_read(json);
}

/* Counts the Services of a namespace. */
static void namespace_count(struct services *s, struct slice key, ptrdiff_t change)
{
    ptrdiff_t slash = slice_find(key, '/');
    struct slice ns = slice_make(key.data, slash > 0 ? (size_t)slash : 0);
    ptrdiff_t count = (ptrdiff_t)(uintptr_t)map_get(&s->namespaces, ns) + change;

    if (count > 0)
        (void)map_put(&s->namespaces, ns, (void *)(uintptr_t)count);
    else
        (void)map_remove(&s->namespaces, ns);
}

static void service_changed(void *arg, struct slice key, const void *before, const void *now)
{
    struct services *s = arg;
    const struct service_item *was = before;
    const struct service_item *is = now;
    struct service_record *record = &entry_get(s, key)->record;

    namespace_count(s, key, (is ? 1 : 0) - (was ? 1 : 0));
    if (was && was->address.s_addr)
        address_table_remove(&s->addresses, was->address, record);
    if (is && is->address.s_addr)
        address_table_add(&s->addresses, is->address, record);
    record->service = is;
}

static void *slice_project(void *arg, struct slice key, struct slice json)
{
    const struct services *s = arg;

    return slice_item_read(json, s->agent->config.node_name);
}

static void slice_changed(void *arg, struct slice key, const void *before, const void *now)
{
    struct services *s = arg;
    const struct slice_item *was = before;
    const struct slice_item *is = now;
    struct service_record *r;

    if (was) {
        r = &entry_get(s, slice_str(was->service))->record;
        for (size_t i = 0; i < was->endpoint_count; i++)
            address_table_remove(&s->addresses, was->endpoints[i].ip, r);
        for (size_t i = 0; i < r->count; i++)
            if (r->slices[i] == was)
                r->slices[i--] = r->slices[--r->count];
    }
    if (is) {
        r = &entry_get(s, slice_str(is->service))->record;
        for (size_t i = 0; i < is->endpoint_count; i++)
            address_table_add(&s->addresses, is->endpoints[i].ip, r);
        r->slices = mem_grow(r->slices, &r->cap, r->count + 1, sizeof(struct slice_item *));
        r->slices[r->count++] = is;
    }
}

/* Half of the truth would take away what an earlier run has set up. */
static void listed(void *arg)
{
    struct services *s = arg;

    if (s->state == SERVICES_LISTING && s->pods_listed && informer_has_synced(s->services) &&
        informer_has_synced(s->slices))
        services_wait(s, 0);
}

void services_pods_listed(struct services *services)
{
    services->pods_listed = true;
    listed(services);
}

void services_pod(struct services *services, const char *uid, struct slice json)
{
    struct service_fronts host = {0};
    struct entry *e = map_get(&services->entries, slice_str(uid));

    if (json.len)
        service_fronts_of_pod(json, &host);
    /* Most pods have none. */
    if (!e && !host.count)
        return;
    e = entry_get(services, slice_str(uid));
    service_fronts_clear(&e->host);
    e->host = host;
}

/* ---- what DNS asks ---- */

const struct service_record *services_find(const struct services *services, struct slice key)
{
    const struct entry *e = map_get(&services->entries, key);

    return e && (e->record.service || e->record.count) ? &e->record : NULL;
}

bool services_namespace(const struct services *services, struct slice ns)
{
    return map_get(&services->namespaces, ns) != NULL;
}

const struct service_record *services_of_address(const struct services *services, struct in_addr address, size_t *at)
{
    return address_table_next(&services->addresses, address, at);
}

char *services_dns_address(const struct services *services)
{
    const char *configured = services->agent->config.cluster_dns;
    const struct service_record *r = services_find(services, SLICE_LIT(SERVICES_DNS));
    char text[INET_ADDRSTRLEN];

    if (configured)
        return mem_strdup(configured);
    if (!r || !r->service || !r->service->address.s_addr)
        return NULL;
    return mem_strdup(inet_ntop(AF_INET, &r->service->address, text, sizeof(text)));
}

struct services *services_start(struct agent *agent)
{
    struct services *s = mem_zalloc(sizeof(*s));
    struct informer_options options = {
        .kind = schema_find_resource(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("services")),
        .project = service_project,
        .free_item = service_item_free,
        .changed = service_changed,
        .synced = listed,
        .arg = s,
    };

    s->agent = agent;
    s->whole = true;
    list_init(&s->dirty);
    s->timer = loop_timer_new(agent->loop, apply_start, s);
    s->services = informer_start(agent->client, &options);
    options.kind = schema_find_resource(SLICE_LIT("discovery.k8s.io"), SLICE_LIT("v1"), SLICE_LIT("endpointslices"));
    options.project = slice_project;
    options.free_item = slice_item_free;
    options.changed = slice_changed;
    s->slices = informer_start(agent->client, &options);
    return s;
}

void services_free(struct services *services)
{
    if (!services)
        return;
    informer_free(services->services);
    informer_free(services->slices);
    loop_timer_stop(services->timer);
    services->closing = true;
    if (services->state != SERVICES_APPLYING)
        services_close(services);
}

/* ---- environment ---- */

bool services_known(const struct services *services)
{
    return informer_has_synced(services->services);
}

void services_environment(const struct services *services, const char *ns, bool all, struct str_list *out)
{
    map_for_each (it, &services->entries) {
        const struct entry *e = it->value;
        struct slice name = slice_str(e->record.key);
        struct slice space;

        if (!e->record.service || !slice_split(&name, '/', &space) || !name.data)
            continue;
        if (!strcmp(e->record.key, "default/kubernetes") || (all && slice_is(space, ns)))
            service_env_write(name.data, e->record.service, out);
    }
}

int services_clean(const char *bridge, struct error *err)
{
    BUF_LOCAL(script);

    service_rules_delete(bridge, &script);
    return process_nft(buf_slice(&script), err);
}
