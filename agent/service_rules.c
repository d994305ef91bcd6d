/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table, two maps from what is reached to a chain, one chain for each front, and two sets of fronts that are
 * refused. A connection costs two look-ups, however many Services there are, and a change of one Service touches its
 * own chains and elements only.
 *
 * What was given to a backend is marked, and its source is replaced where the answer would not come back this way: the
 * client is no pod of this node; or client and backend are both on this node's bridge, where the answer would go
 * straight to the client, from an address that it never spoke to.
 */
#include "agent/service_rules.h"

#include <arpa/inet.h>
#include <stdlib.h>

#define MARK_NOT "0xffffbfff"

/* ---- fronts ---- */

struct backends {
    struct conntrack_end items[SERVICE_BACKENDS_MAX];
    size_t count;
};

static void front_clear(struct service_front *front)
{
    free(front->element);
    free(front->chain);
    free(front->target);
    free(front->backends);
}

void service_fronts_drop(struct service_fronts *fronts, size_t index)
{
    front_clear(&fronts->items[index]);
    fronts->count--;
    memmove(&fronts->items[index], &fronts->items[index + 1], (fronts->count - index) * sizeof(*fronts->items));
}

void service_fronts_clear(struct service_fronts *fronts)
{
    for (size_t i = 0; i < fronts->count; i++)
        front_clear(&fronts->items[i]);
    free(fronts->items);
    *fronts = (struct service_fronts){0};
}

static int backend_compare(const void *left, const void *right)
{
    const struct conntrack_end *a = left;
    const struct conntrack_end *b = right;

    if (a->address.s_addr != b->address.s_addr)
        return ntohl(a->address.s_addr) < ntohl(b->address.s_addr) ? -1 : 1;
    return (a->port > b->port) - (a->port < b->port);
}

static void backends_add(struct backends *backends, const struct slice_item *slice, uint16_t port, bool local_only,
                         bool ending)
{
    for (size_t i = 0; i < slice->endpoint_count && backends->count < SERVICE_BACKENDS_MAX; i++) {
        const struct slice_endpoint *e = &slice->endpoints[i];

        if ((ending ? e->ending : e->ready) && (e->local || !local_only))
            backends->items[backends->count++] = (struct conntrack_end){e->ip, port};
    }
}

/* In order and without repetition, so that the same backends give the same text. */
static void backends_sort(struct backends *backends)
{
    size_t kept = 0;

    qsort(backends->items, backends->count, sizeof(struct conntrack_end), backend_compare);
    for (size_t i = 0; i < backends->count; i++)
        if (!i || backend_compare(&backends->items[i], &backends->items[kept - 1]) != 0)
            backends->items[kept++] = backends->items[i];
    backends->count = kept;
}

static void backends_gather(struct backends *backends, const struct service_port *port, const struct service_record *r,
                            bool local_only)
{
    backends->count = 0;
    /* Those that end serve where nothing else does. */
    for (int ending = 0; ending < 2 && !backends->count; ending++)
        for (size_t i = 0; i < r->count; i++)
            for (size_t k = 0; k < r->slices[i]->port_count; k++) {
                const struct service_port *its = &r->slices[i]->ports[k];

                if (!strcmp(its->name, port->name) && its->protocol == port->protocol)
                    backends_add(backends, r->slices[i], its->port, local_only, ending);
            }
    backends_sort(backends);
}

static const char *address_text(struct in_addr address, char text[INET_ADDRSTRLEN])
{
    return inet_ntop(AF_INET, &address, text, INET_ADDRSTRLEN);
}

/* The same everywhere and always: a client keeps its backend by whatever node it comes, and over restarts. */
static uint64_t bucket_weight(size_t bucket, const struct conntrack_end *b)
{
    uint64_t x = (uint64_t)ntohl(b->address.s_addr) << 32 | (uint64_t)b->port << 16 | bucket;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/* The backend of most weight, so that only the buckets of one that goes, or a share for one that comes, change hands.
 */
static const struct conntrack_end *bucket_backend(const struct backends *backends, size_t bucket)
{
    const struct conntrack_end *best = &backends->items[0];

    for (size_t i = 1; i < backends->count; i++)
        if (bucket_weight(bucket, &backends->items[i]) > bucket_weight(bucket, best))
            best = &backends->items[i];
    return best;
}

/* Flows of datagrams outlive the rule that made them; see agent/conntrack.h. */
static void front_note(struct service_front *front, const char *protocol, struct conntrack_end at,
                       const struct conntrack_end *backends, size_t count)
{
    if (strcmp(protocol, "udp") != 0)
        return;
    front->at = at;
    front->backends = count ? mem_dup(backends, count * sizeof(*backends)) : NULL;
    front->backend_count = count;
}

/* The statement that gives a new connection to one of them; NULL when there is none. */
static char *backends_target(const struct backends *backends, const char *protocol, bool affine)
{
    size_t places = affine ? SERVICE_BUCKETS : backends->count;
    char ip[INET_ADDRSTRLEN];
    BUF_LOCAL(out);

    if (!backends->count)
        return NULL;
    buf_printf(&out, "meta l4proto %s dnat ip to ", protocol);
    if (backends->count == 1) {
        buf_printf(&out, "%s:%u", address_text(backends->items[0].address, ip), backends->items[0].port);
        return buf_steal_str(&out);
    }
    if (affine)
        buf_printf(&out, "jhash ip saddr mod %zu seed 1", places);
    else
        buf_printf(&out, "numgen random mod %zu", places);
    for (size_t i = 0; i < places; i++) {
        const struct conntrack_end *b = affine ? bucket_backend(backends, i) : &backends->items[i];

        buf_printf(&out, "%s %zu : %s . %u", i ? "," : " map {", i, address_text(b->address, ip), b->port);
    }
    buf_append_str(&out, " }");
    return buf_steal_str(&out);
}

static struct service_front *fronts_add(struct service_fronts *fronts)
{
    fronts->items = mem_grow(fronts->items, &fronts->cap, fronts->count + 1, sizeof(*fronts->items));
    fronts->items[fronts->count] = (struct service_front){0};
    return &fronts->items[fronts->count++];
}

void service_fronts_copy(const struct service_fronts *from, struct service_fronts *to)
{
    for (size_t i = 0; i < from->count; i++) {
        struct service_front *copy = fronts_add(to);

        *copy = from->items[i];
        copy->element = mem_strdup(copy->element);
        copy->chain = mem_strdup(copy->chain);
        copy->target = copy->target ? mem_strdup(copy->target) : NULL;
        copy->backends = copy->backend_count ? mem_dup(copy->backends, copy->backend_count * sizeof(*copy->backends))
                                             : NULL;
    }
}

static void cluster_front_add(const struct service_record *r, const struct service_port *port, uint16_t local_port,
                              struct backends *backends, struct service_fronts *fronts)
{
    const struct conntrack_end at = {r->service->address, port->port};
    struct service_front *front = fronts_add(fronts);
    char ip[INET_ADDRSTRLEN];

    (void)address_text(r->service->address, ip);
    front->element = mem_printf("%s . %s . %u", ip, port->protocol, port->port);
    front->chain = mem_printf("address-%s-%s-%u", ip, port->protocol, port->port);
    backends_gather(backends, port, r, r->service->local_only);
    front->target = backends_target(backends, port->protocol, r->service->affine);
    if (front->target || !local_port) {
        front_note(front, port->protocol, at, backends->items, backends->count);
        return;
    }
    front_note(front, port->protocol, at, &(struct conntrack_end){.port = local_port}, 1);
    front->here = true;
    front->target = mem_printf("meta l4proto %s redirect to :%u", port->protocol, local_port);
}

static void node_front_add(const struct service_record *r, const struct service_port *port, struct backends *backends,
                           struct service_fronts *fronts)
{
    struct service_front *front = fronts_add(fronts);

    front->of_node = true;
    front->keeps_source = r->service->node_local_only;
    front->element = mem_printf("%s . %u", port->protocol, port->node_port);
    front->chain = mem_printf("port-%s-%u", port->protocol, port->node_port);
    backends_gather(backends, port, r, r->service->node_local_only);
    front->target = backends_target(backends, port->protocol, r->service->affine);
    front_note(front, port->protocol, (struct conntrack_end){.port = port->node_port}, backends->items,
               backends->count);
}

void service_fronts_of(const struct service_record *r, uint16_t local_port, struct service_fronts *fronts)
{
    struct backends *backends CLEANUP_FREE = mem_alloc(sizeof(*backends));

    for (size_t i = 0; r->service && r->service->address.s_addr && i < r->service->port_count; i++) {
        const struct service_port *port = &r->service->ports[i];

        cluster_front_add(r, port, local_port, backends, fronts);
        if (port->node_port)
            node_front_add(r, port, backends, fronts);
    }
}

/* The client's address stays: the pod is on this node. */
static void host_port_add(const struct service_host_port *port, struct in_addr pod, struct service_fronts *fronts)
{
    struct service_front *front = fronts_add(fronts);
    char host[INET_ADDRSTRLEN];
    char ip[INET_ADDRSTRLEN];

    front->of_node = port->host.s_addr == 0;
    front->keeps_source = true;
    if (front->of_node) {
        front->element = mem_printf("%s . %u", port->protocol, port->host_port);
        front->chain = mem_printf("port-%s-%u", port->protocol, port->host_port);
    } else {
        (void)address_text(port->host, host);
        front->element = mem_printf("%s . %s . %u", host, port->protocol, port->host_port);
        front->chain = mem_printf("address-%s-%s-%u", host, port->protocol, port->host_port);
    }
    front_note(front, port->protocol, (struct conntrack_end){port->host, port->host_port},
               &(struct conntrack_end){pod, port->container_port}, 1);
    front->target =
        mem_printf("meta l4proto %s dnat ip to %s:%u", port->protocol, address_text(pod, ip), port->container_port);
}

void service_fronts_of_pod(struct slice json, struct service_fronts *fronts)
{
    struct service_host_port *ports;
    struct in_addr ip;
    size_t count = service_host_ports_read(json, &ip, &ports);

    for (size_t i = 0; i < count; i++)
        host_port_add(&ports[i], ip, fronts);
    free(ports);
}

/* ---- text ---- */

#define TABLE "ip knarr-services-"

void service_rules_delete(const char *bridge, struct buf *out)
{
    buf_printf(out, "table " TABLE "%s {}\ndelete table " TABLE "%s\n", bridge, bridge);
}

void service_rules_empty(const struct service_table *table, struct buf *out)
{
    service_rules_delete(table->bridge, out);
    buf_printf(out, "table " TABLE "%s {\n", table->bridge);
    buf_append_str(
        out, "  map addresses { type ipv4_addr . inet_proto . inet_service : verdict; }\n"
             "  map ports { type inet_proto . inet_service : verdict; }\n"
             "  set addresses_refused { type ipv4_addr . inet_proto . inet_service; }\n"
             "  set ports_refused { type inet_proto . inet_service; }\n"
             "  chain services {\n"
             "    ip daddr . meta l4proto . th dport vmap @addresses\n"
             "    fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @ports\n"
             "  }\n"
             "  chain refuse {\n"
             "    meta l4proto tcp reject with tcp reset\n"
             "    reject\n"
             "  }\n"
             "  chain refused {\n"
             "    ip daddr . meta l4proto . th dport @addresses_refused goto refuse\n"
             "    fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport @ports_refused goto refuse\n"
             "  }\n"
             "  chain refused_prerouting {\n"
             "    type filter hook prerouting priority -110; policy accept;\n"
             "    ct state new jump refused\n"
             "  }\n"
             "  chain refused_output {\n"
             "    type filter hook output priority -110; policy accept;\n"
             "    ct state new jump refused\n"
             "  }\n"
             "  chain prerouting {\n"
             "    type nat hook prerouting priority dstnat; policy accept;\n"
             "    jump services\n"
             "  }\n"
             "  chain output {\n"
             "    type nat hook output priority -100; policy accept;\n"
             "    jump services\n"
             "  }\n"
             "  chain postrouting {\n"
             "    type nat hook postrouting priority srcnat - 1; policy accept;\n"
             "    meta mark & " SERVICE_MARK " == " SERVICE_MARK " goto served\n"
             "  }\n"
             "  chain served {\n"
             "    meta mark set meta mark & " MARK_NOT "\n");
    buf_printf(out, "    ip saddr != %s masquerade\n    ip daddr %s masquerade\n  }\n}\n", table->own, table->own);
}

/* What the front stands in: a map, or a set while it is refused. */
static void element_place(struct buf *out, const struct service_table *table, const struct service_front *front)
{
    buf_printf(out, "element " TABLE "%s %s%s { %s", table->bridge, front->of_node ? "ports" : "addresses",
               front->target ? "" : "_refused", front->element);
}

static void rules_write(struct buf *out, const struct service_table *table, const struct service_front *front)
{
    buf_printf(out, "add rule " TABLE "%s %s ", table->bridge, front->chain);
    if (front->keeps_source)
        buf_printf(out, "ip saddr %s ", table->own);
    if (!front->here)
        buf_printf(out, "meta mark set meta mark | " SERVICE_MARK "\nadd rule " TABLE "%s %s ", table->bridge,
                   front->chain);
    buf_printf(out, "%s\n", front->target);
}

static void front_add(struct buf *out, const struct service_table *table, const struct service_front *front)
{
    if (front->target) {
        buf_printf(out, "add chain " TABLE "%s %s\n", table->bridge, front->chain);
        rules_write(out, table, front);
    }
    buf_append_str(out, "add ");
    element_place(out, table, front);
    if (front->target)
        buf_printf(out, " : goto %s", front->chain);
    buf_append_str(out, " }\n");
}

static void front_remove(struct buf *out, const struct service_table *table, const struct service_front *front)
{
    buf_append_str(out, "delete ");
    element_place(out, table, front);
    buf_append_str(out, " }\n");
    if (front->target)
        buf_printf(out, "flush chain " TABLE "%s %s\ndelete chain " TABLE "%s %s\n", table->bridge, front->chain,
                   table->bridge, front->chain);
}

const struct service_front *service_fronts_find(const struct service_fronts *fronts, const struct service_front *like)
{
    for (size_t i = 0; i < fronts->count; i++)
        if (!strcmp(fronts->items[i].chain, like->chain))
            return &fronts->items[i];
    return NULL;
}

bool service_front_same(const struct service_front *a, const struct service_front *b)
{
    return a->keeps_source == b->keeps_source && !a->target == !b->target &&
           (!a->target || !strcmp(a->target, b->target));
}

void service_rules_change(const struct service_table *table, const struct service_fronts *before,
                          const struct service_fronts *now, struct buf *removals, struct buf *additions)
{
    for (size_t i = 0; i < before->count; i++) {
        const struct service_front *was = &before->items[i];
        const struct service_front *is = service_fronts_find(now, was);

        /* Between two sets of backends the chain stays. */
        if (!is || !is->target != !was->target)
            front_remove(removals, table, was);
    }
    for (size_t i = 0; i < now->count; i++) {
        const struct service_front *is = &now->items[i];
        const struct service_front *was = service_fronts_find(before, is);

        if (was && service_front_same(was, is))
            continue;
        if (was && was->target && is->target) {
            buf_printf(additions, "flush chain " TABLE "%s %s\n", table->bridge, is->chain);
            rules_write(additions, table, is);
        } else {
            front_add(additions, table, is);
        }
    }
}
