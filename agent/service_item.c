/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent keeps of Services, EndpointSlices and the pods' hostPorts. */
#include "agent/service_rules.h"

#include <arpa/inet.h>

#include "api/scan.h"

static const char *protocol_of(struct slice raw)
{
    static const char *const names[][2] = {{"TCP", "tcp"}, {"UDP", "udp"}, {"SCTP", "sctp"}};

    if (!raw.len || slice_is(raw, "null"))
        return "tcp";
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (scan_text_is(raw, names[i][0]))
            return names[i][1];
    return NULL;
}

static uint16_t port_of(struct slice raw)
{
    int64_t port = scan_int(raw, 0);

    return port > 0 && port < 65536 ? (uint16_t)port : 0;
}

static bool address_of(struct slice raw, struct in_addr *ret_address)
{
    char *text CLEANUP_FREE = scan_text_dup(raw);

    return text && inet_pton(AF_INET, text, ret_address) == 1 && ret_address->s_addr != 0;
}

static struct service_port *ports_read(struct slice list, size_t *ret_count)
{
    struct scan_cursor at = scan_open(list);
    struct service_port *ports = mem_calloc(scan_count(list) + 1, sizeof(*ports));
    struct slice entry;
    size_t count = 0;

    while (scan_element(&at, &entry)) {
        struct service_port *port = &ports[count];
        char *name = scan_text_dup(scan_get(entry, "name"));

        *port = (struct service_port){.name = name ? name : mem_strdup(""),
                                      .protocol = protocol_of(scan_get(entry, "protocol")),
                                      .port = port_of(scan_get(entry, "port")),
                                      .node_port = port_of(scan_get(entry, "nodePort"))};
        if (port->protocol && port->port)
            count++;
        else
            free(port->name);
    }
    *ret_count = count;
    return ports;
}

static void ports_free(struct service_port *ports, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(ports[i].name);
    free(ports);
}

struct service_item *service_item_read(struct slice json)
{
    struct service_item *item = mem_zalloc(sizeof(*item));
    struct slice spec = scan_get(json, "spec");
    struct slice type = scan_get(spec, "type");

    if (scan_text_is(type, "ExternalName")) {
        item->external_name = scan_text_dup(scan_get(spec, "externalName"));
        return item;
    }
    (void)address_of(scan_get(spec, "clusterIP"), &item->address);
    item->headless = scan_text_is(scan_get(spec, "clusterIP"), "None");
    item->local_only = scan_text_is(scan_get(spec, "internalTrafficPolicy"), "Local");
    item->node_local_only = scan_text_is(scan_get(spec, "externalTrafficPolicy"), "Local");
    item->affine = scan_text_is(scan_get(spec, "sessionAffinity"), "ClientIP");
    item->ports = ports_read(scan_get(spec, "ports"), &item->port_count);
    return item;
}

void service_item_free(void *arg)
{
    struct service_item *item = arg;

    ports_free(item->ports, item->port_count);
    free(item->external_name);
    free(item);
}

/* Most endpoints have no name of their own, so the names stand apart. */
static void host_name_read(struct slice json, size_t most, struct slice_item *item)
{
    char *name = scan_text_dup(scan_get(json, "hostname"));

    if (!name)
        return;
    if (!item->host_names)
        item->host_names = mem_calloc(most, sizeof(*item->host_names));
    item->host_names[item->endpoint_count] = name;
}

/* A missing `ready` means yes, as the API defines it. */
static void endpoint_read(struct slice json, const char *node_name, size_t most, struct slice_item *item)
{
    struct slice_endpoint *e = &item->endpoints[item->endpoint_count];
    struct scan_cursor at = scan_open(scan_get(json, "addresses"));
    struct slice conditions = scan_get(json, "conditions");
    struct slice address;

    if (!scan_element(&at, &address) || !address_of(address, &e->ip))
        return;
    e->local = scan_text_is(scan_get(json, "nodeName"), node_name);
    e->ready = scan_bool(scan_get(conditions, "ready"), true);
    e->ending = !e->ready && scan_bool(scan_get(conditions, "serving"), false) &&
                scan_bool(scan_get(conditions, "terminating"), false);
    host_name_read(json, most, item);
    item->endpoint_count++;
}

struct slice_item *slice_item_read(struct slice json, const char *node_name)
{
    struct slice metadata = scan_get(json, "metadata");
    struct scan_cursor at = scan_open(scan_get(metadata, "labels"));
    struct slice endpoints = scan_get(json, "endpoints");
    char *ns CLEANUP_FREE = scan_text_dup(scan_get(metadata, "namespace"));
    char *service CLEANUP_FREE = NULL;
    struct slice_item *item;
    struct slice key;
    struct slice value;
    size_t most = scan_count(endpoints) + 1;

    while (!service && scan_member(&at, &key, &value))
        if (slice_is(key, "kubernetes.io/service-name"))
            service = scan_text_dup(value);
    if (!ns || !service || !scan_text_is(scan_get(json, "addressType"), "IPv4"))
        return NULL;
    item = mem_zalloc(sizeof(*item));
    item->service = mem_printf("%s/%s", ns, service);
    item->ports = ports_read(scan_get(json, "ports"), &item->port_count);
    item->endpoints = mem_calloc(most, sizeof(*item->endpoints));
    at = scan_open(endpoints);
    while (scan_element(&at, &value))
        endpoint_read(value, node_name, most, item);
    return item;
}

void slice_item_free(void *arg)
{
    struct slice_item *item = arg;

    ports_free(item->ports, item->port_count);
    for (size_t i = 0; item->host_names && i < item->endpoint_count; i++)
        free(item->host_names[i]);
    free(item->host_names);
    free(item->service);
    free(item->endpoints);
    free(item);
}

/* ---- hostPorts ---- */

static void host_port_read(void *arg, size_t path, struct slice json)
{
    struct buf *out = arg;
    struct slice host = scan_get(json, "hostIP");
    struct service_host_port port = {.protocol = protocol_of(scan_get(json, "protocol")),
                                     .host_port = port_of(scan_get(json, "hostPort")),
                                     .container_port = port_of(scan_get(json, "containerPort"))};

    if (!port.protocol || !port.host_port || !port.container_port)
        return;
    /* 0.0.0.0 is every address, and so is none; of another family is not ours. */
    if (scan_is_string(host) && host.len > 2 && !scan_text_is(host, "0.0.0.0") && !address_of(host, &port.host))
        return;
    buf_append(out, &port, sizeof(port));
}

size_t service_host_ports_read(struct slice json, struct in_addr *ret_ip, struct service_host_port **ret_ports)
{
    static const char *const paths[] = {"spec.containers[].ports[]"};
    struct slice phase = scan_get(json, "status.phase");
    struct scan_plan *plan;
    BUF_LOCAL(found);

    *ret_ports = NULL;
    if (scan_bool(scan_get(json, "spec.hostNetwork"), false) || !address_of(scan_get(json, "status.podIP"), ret_ip) ||
        scan_text_is(phase, "Succeeded") || scan_text_is(phase, "Failed"))
        return 0;
    plan = scan_plan_new(paths, ARRAY_SIZE(paths));
    scan_visit(plan, json, host_port_read, &found);
    scan_plan_free(plan);
    *ret_ports = mem_dup(found.data ? found.data : "", found.len);
    return found.len / sizeof(struct service_host_port);
}
