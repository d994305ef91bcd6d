/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wanted state (routes and one table) is computed from all Nodes whenever one changes, and carried out whole by a
 * job on the pool; what changes meanwhile leads to another job. Routes carry a protocol number of their own, so that
 * those of nodes that have gone are recognised as ours and removed, also after a restart.
 */
#include "agent/network.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <unistd.h>

#include "agent/node.h"
#include "agent/process.h"
#include "api/scan.h"
#include "client/informer.h"
#include "lib/log.h"

#define ROUTE_PROTOCOL "180" /* unassigned in rt_protos */
#define APPLY_DELAY_MS 50
#define RETRY_MS       5000

struct node_item {
    char *name;
    char *cidr;
    char *ip;
};

struct network {
    struct agent *agent;
    struct informer *informer;
    struct loop_timer *timer;
    bool applying;
    bool again;
    bool closing;
    bool overlap_told;
};

/* ---- pure ---- */

void network_rules(const char *bridge, const char *own, const struct str_list *all, struct buf *out)
{
    buf_printf(out, "table ip knarr-%s {}\ndelete table ip knarr-%s\ntable ip knarr-%s {\n", bridge, bridge, bridge);
    buf_printf(out, "  set pods { type ipv4_addr; flags interval; auto-merge; elements = { %s", own);
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->items[i], own) != 0)
            buf_printf(out, ", %s", all->items[i]);
    buf_append_str(out, " } }\n  chain postrouting {\n    type nat hook postrouting priority srcnat; policy accept;\n");
    buf_printf(out, "    ip saddr %s ip daddr != @pods ip daddr != 224.0.0.0/4 masquerade\n  }\n}\n", own);
}

/* What comes from the API goes into rules and command lines: nothing but an address, or address/length. */
static bool is_cidr(const char *text)
{
    char address[INET_ADDRSTRLEN + 4];
    struct in_addr a;
    int64_t bits;
    const char *slash = strchr(text, '/');

    if (!slash || slash - text >= (ptrdiff_t)INET_ADDRSTRLEN)
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    return inet_pton(AF_INET, address, &a) == 1 && slice_to_int64(slice_str(slash + 1), &bits) && bits >= 0 &&
           bits <= 32;
}

/* "10.244.0.0/24" or "10.244.0.1". */
static bool read_net(struct slice text, uint32_t *ret_net, uint32_t *ret_mask)
{
    char *copy CLEANUP_FREE = slice_dup(text);
    char *slash = strchr(copy, '/');
    struct in_addr a;
    int64_t bits = 32;

    if (slash)
        *slash = '\0';
    if (inet_pton(AF_INET, copy, &a) != 1 || (slash && !slice_to_int64(slice_str(slash + 1), &bits)) || bits < 1 ||
        bits > 32)
        return false;
    *ret_mask = UINT32_MAX << (32 - bits);
    *ret_net = ntohl(a.s_addr) & *ret_mask;
    return true;
}

static bool leads_to(struct slice route, const char *bridge)
{
    struct slice word;
    bool device = false;

    while (slice_split(&route, ' ', &word)) {
        if (device && slice_is(word, bridge))
            return true;
        device = slice_is(word, "dev");
    }
    return false;
}

static bool is_own_route(struct slice route)
{
    struct slice word;
    bool protocol = false;

    while (slice_split(&route, ' ', &word)) {
        if (protocol && slice_is(word, ROUTE_PROTOCOL))
            return true;
        protocol = slice_is(word, "proto");
    }
    return false;
}

struct slice network_overlap(struct slice routes, const char *bridge, const char *cidr)
{
    uint32_t net = 0;
    uint32_t mask = 0;
    uint32_t other = 0;
    uint32_t other_mask = 0;
    struct slice line;

    if (!read_net(slice_str(cidr), &net, &mask))
        return SLICE_NONE;
    while (slice_split(&routes, '\n', &line)) {
        struct slice rest = line;
        struct slice destination;

        if (!slice_split(&rest, ' ', &destination) || !read_net(destination, &other, &other_mask))
            continue;
        if ((net & other_mask & mask) == (other & mask & other_mask) && !leads_to(line, bridge) && !is_own_route(line))
            return line;
    }
    return SLICE_NONE;
}

static bool is_address(const char *text)
{
    struct in_addr a;

    return inet_pton(AF_INET, text, &a) == 1;
}

/* ---- the job ---- */

struct apply {
    struct network *network;
    char *bridge;
    char *own;
    char *own_ip;
    bool look_for_overlap;
    struct str_list cidrs;  /* of all nodes */
    struct str_list routes; /* "CIDR" "IP" in turn */
    struct error err;
};

/* Removes our routes that are not wanted any more. The first word of a line of `ip route` is the destination. */
static int drop_routes(const struct apply *a, struct error *err)
{
    const char *show[] = {"ip", "-4", "route", "show", "proto", ROUTE_PROTOCOL, NULL};
    struct slice rest;
    struct slice line;
    BUF_LOCAL(text);

    if (process_call(show, SLICE_NONE, &text, err) < 0)
        return -1;
    rest = buf_slice(&text);
    while (slice_split(&rest, '\n', &line)) {
        struct slice word;
        char *cidr CLEANUP_FREE = NULL;

        if (!slice_split(&line, ' ', &word) || !word.len)
            continue;
        cidr = slice_dup(word);
        if (!str_list_has(&a->routes, cidr)) {
            const char *del[] = {"ip", "-4", "route", "del", cidr, "proto", ROUTE_PROTOCOL, NULL};

            if (process_call(del, SLICE_NONE, NULL, err) < 0)
                return -1;
        }
    }
    return 0;
}

/* Pods whose addresses belong to another network of this host cannot be reached, nor can that network. */
static void warn_overlap(const struct apply *a)
{
    const char *show[] = {"ip", "-4", "route", "show", NULL};
    struct slice route;
    ERROR_LOCAL(err);
    BUF_LOCAL(text);

    if (process_call(show, SLICE_NONE, &text, &err) < 0)
        return; /* the next step fails in the same way and tells */
    route = network_overlap(buf_slice(&text), a->bridge, a->own);
    if (route.len)
        log_warning("agent",
                    "the pods' network %s overlaps with a network of this host (route \"%.*s\"): pods and that "
                    "network cannot reach each other; give the node another range with --pod-cidr",
                    a->own, SLICE_ARGS(slice_trim(route)));
}

static void apply_work(void *arg)
{
    struct apply *a = arg;
    BUF_LOCAL(rules);

    if (a->look_for_overlap)
        warn_overlap(a);
    network_rules(a->bridge, a->own, &a->cidrs, &rules);
    if (process_nft(buf_slice(&rules), &a->err) < 0 || drop_routes(a, &a->err) < 0)
        return;
    for (size_t i = 0; i + 1 < a->routes.count; i += 2) {
        const char *add[] = {
            "ip",    "-4",           "route", "replace", a->routes.items[i], "via", a->routes.items[i + 1],
            "proto", ROUTE_PROTOCOL, NULL};
        ERROR_LOCAL(err);

        /* One node that cannot be reached directly must not keep the others from being. */
        if (process_call(add, SLICE_NONE, NULL, &err) < 0)
            log_warning("agent", "no route to the pods %s of the node at %s: %s", a->routes.items[i],
                        a->routes.items[i + 1], error_text(&err));
    }
}

static void network_close(struct network *n)
{
    loop_timer_free(n->timer);
    free(n);
}

static void apply_done(void *arg)
{
    struct apply *a = arg;
    struct network *n = a->network;

    n->applying = false;
    if (error_is_set(&a->err)) {
        log_warning("agent", "setting up the pod network: %s; trying again", error_text(&a->err));
        loop_timer_start(n->timer, RETRY_MS, 0);
    } else if (n->again) {
        loop_timer_start(n->timer, 0, 0);
    }
    n->again = false;
    str_list_clear(&a->cidrs);
    str_list_clear(&a->routes);
    error_clear(&a->err);
    free(a->bridge);
    free(a->own);
    free(a->own_ip);
    free(a);
    if (n->closing)
        network_close(n);
}

static void gather(void *arg, struct slice key, const void *item)
{
    struct apply *a = arg;
    const struct node_item *node = item;

    if (!is_cidr(node->cidr))
        return;
    str_list_add(&a->cidrs, node->cidr);
    if (!strcmp(node->cidr, a->own) || !is_address(node->ip) || !strcmp(node->ip, a->own_ip))
        return;
    str_list_add(&a->routes, node->cidr);
    str_list_add(&a->routes, node->ip);
}

static void apply_start(void *arg)
{
    struct network *n = arg;
    struct apply *a;

    n->again = n->applying;
    if (n->applying)
        return;
    n->applying = true;
    a = mem_zalloc(sizeof(*a));
    a->network = n;
    a->bridge = mem_strdup(n->agent->config.bridge);
    a->own = mem_strdup(n->agent->config.pod_cidr);
    a->own_ip = mem_strdup(n->agent->config.node_ip);
    a->look_for_overlap = !n->overlap_told;
    n->overlap_told = true;
    informer_each(n->informer, gather, a);
    agent_work(n->agent, apply_work, apply_done, a);
}

/* ---- nodes ---- */

static void *project(void *arg, struct slice key, struct slice json)
{
    struct node_item *item = mem_zalloc(sizeof(*item));
    struct scan_cursor at = scan_open(scan_get(json, "status.addresses"));
    struct slice entry;

    item->name = slice_dup(key);
    item->cidr = scan_text_dup(scan_get(json, "spec.podCIDR"));
    while (!item->ip && scan_element(&at, &entry))
        if (scan_text_is(scan_get(entry, "type"), "InternalIP"))
            item->ip = scan_text_dup(scan_get(entry, "address"));
    item->cidr = item->cidr ? item->cidr : mem_strdup("");
    item->ip = item->ip ? item->ip : mem_strdup("");
    return item;
}

static void item_free(void *arg)
{
    struct node_item *item = arg;

    free(item->name);
    free(item->cidr);
    free(item->ip);
    free(item);
}

static void changed(void *arg, struct slice key, const void *before, const void *now)
{
    struct network *n = arg;
    const struct node_item *a = before;
    const struct node_item *b = now;

    if (!b && slice_is(key, n->agent->config.node_name))
        node_register_again(n->agent->node);
    /* Heartbeats change nodes all the time. */
    if (a && b && !strcmp(a->cidr, b->cidr) && !strcmp(a->ip, b->ip))
        return;
    if (!loop_timer_active(n->timer))
        loop_timer_start(n->timer, APPLY_DELAY_MS, 0);
}

struct network *network_start(struct agent *agent)
{
    struct network *n = mem_zalloc(sizeof(*n));

    n->agent = agent;
    n->timer = loop_timer_new(agent->loop, apply_start, n);
    n->informer = informer_start(
        agent->client,
        &(struct informer_options){.kind = schema_find_resource(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("nodes")),
                                   .project = project,
                                   .free_item = item_free,
                                   .changed = changed,
                                   .arg = n});
    loop_timer_start(n->timer, 0, 0);
    return n;
}

void network_free(struct network *network)
{
    if (!network)
        return;
    informer_free(network->informer);
    loop_timer_stop(network->timer);
    network->again = false;
    network->closing = true;
    if (!network->applying)
        network_close(network);
}

int network_clean(const char *bridge, struct error *err)
{
    const char *link[] = {"ip", "link", "del", bridge, NULL};
    const char *flush[] = {"ip", "-4", "route", "flush", "proto", ROUTE_PROTOCOL, NULL};
    BUF_LOCAL(rules);

    buf_printf(&rules, "table ip knarr-%s {}\ndelete table ip knarr-%s\n", bridge, bridge);
    if (process_nft(buf_slice(&rules), err) < 0 || process_call(flush, SLICE_NONE, NULL, err) < 0)
        return -1;
    /* Not by /sys: that shows the devices of the namespace it was mounted in. */
    return if_nametoindex(bridge) ? process_call(link, SLICE_NONE, NULL, err) : 0;
}
