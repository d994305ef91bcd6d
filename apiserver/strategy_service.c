/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and ports of Services. What is taken is a key in the store ("/ranges/ip/10.96.0.7", "/ranges/port/30080")
 * that is made in the same transaction as the Service, under the condition that it is not there: two fronts cannot give
 * out one address, and nothing leaks when a write fails. The loser of a race plans again and draws another.
 */
#include "apiserver/strategy.h"

#include "lib/random.h"

#define SERVICE_PORT_FIRST 30000
#define SERVICE_PORT_COUNT 2768 /* 30000-32767, as upstream's default */
#define SERVICE_PROBES_MAX 65536
/* What is drawn comes from above a band that is left to those who name addresses and ports, as long as there is room
 * (upstream's ServiceIPStaticSubrange and ServiceNodePortStaticSubrange). */
#define SERVICE_ADDRESS_BAND 256
#define SERVICE_PORT_BAND    86

#define SERVICE_PORTS_MAX 32 /* node ports of one Service; bounds its transaction */

static const char *service_type(const struct value *service)
{
    const char *type = value_str(value_path(service, "spec", "type", NULL));

    return type ? type : "ClusterIP";
}

static bool service_has_address(const struct value *service)
{
    return service && strcmp(service_type(service), "ExternalName") != 0;
}

static bool service_has_ports(const struct value *service)
{
    return service && (!strcmp(service_type(service), "NodePort") || !strcmp(service_type(service), "LoadBalancer"));
}

/* "" when none was given or made yet. */
static const char *service_address(const struct value *service)
{
    const char *ip = value_str(value_path(service, "spec", "clusterIP", NULL));

    if (!ip || !*ip)
        ip = value_str(value_at(value_path(service, "spec", "clusterIPs", NULL), 0));
    return ip ? ip : "";
}

static int service_found(void *arg, const struct store_item *item)
{
    return 0;
}

static bool service_taken(struct write *w, struct slice key)
{
    return store_get(w->front->server->store, key, service_found, NULL, NULL, NULL) == 0;
}

bool service_address_taken(const struct apiserver *server, const char *address)
{
    char *key CLEANUP_FREE = mem_printf("/ranges/ip/%s", address);

    return store_get(server->store, slice_str(key), service_found, NULL, NULL, NULL) == 0;
}

static struct slice service_address_key(struct write *w, const char *address)
{
    return slice_str(pool_printf(w->pool, "/ranges/ip/%s", address));
}

static struct slice service_port_key(struct write *w, int64_t port)
{
    return slice_str(pool_printf(w->pool, "/ranges/port/%lld", (long long)port));
}

/* A shared thing becomes this Service's. */
static int service_take(struct write *w, struct slice key, const struct value *service, struct error *err)
{
    const char *owner = pool_printf(w->pool, "%s/%s", value_str(value_path(service, "metadata", "namespace", NULL)),
                                    value_str(value_path(service, "metadata", "name", NULL)));

    if (write_require(w, key, 0) && write_put(w, key, SLICE_NONE, slice_str(owner)))
        return 0;
    return error_set(err, ERROR_INVALID, "the Service needs more addresses and ports than one write may take");
}

static void service_release(struct write *w, struct slice key)
{
    /* Missing only when somebody removed it by hand; deleting what is not there would fail the whole write. */
    if (service_taken(w, key))
        (void)write_delete(w, key);
}

static int service_invalid(const struct value *service, struct error *err, const char *field, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static int service_invalid(const struct value *service, struct error *err, const char *field, const char *fmt, ...)
{
    const char *name = value_str(value_path(service, "metadata", "name", NULL));
    va_list args;

    va_start(args, fmt);
    char *text CLEANUP_FREE = mem_vprintf(fmt, args);
    va_end(args);
    (void)error_set(err, ERROR_INVALID, "Service \"%s\" is invalid: %s: Invalid value: %s", name ? name : "", field,
                    text);
    error_add_cause(err, "FieldValueInvalid", field, "Invalid value: %s", text);
    return -(int)ERROR_INVALID;
}

/* The i-th of `count` to try: from a random start above the band, then the band. */
static uint32_t service_nth(uint32_t i, uint32_t start, uint32_t count, uint32_t band)
{
    uint32_t above = count - band;

    return i < above ? band + (start + i) % above : i - above;
}

static int service_draw_address(struct write *w, char ret_text[SERVICE_ADDRESS_MAX], struct error *err)
{
    const struct service_range *range = &w->front->server->services;
    uint32_t usable = range->count - 3; /* less network, broadcast and the first, which is the API server's */
    uint32_t band = range->count / 16 < 16 ? 16 : range->count / 16;
    uint32_t start = (uint32_t)random_below(usable);

    band = usable <= 16 ? 0 : band < SERVICE_ADDRESS_BAND ? band : SERVICE_ADDRESS_BAND;
    for (uint32_t i = 0; i < usable && i < SERVICE_PROBES_MAX; i++) {
        service_range_address(range, 2 + service_nth(i, start, usable, band), ret_text);
        if (!service_taken(w, service_address_key(w, ret_text)))
            return 0;
    }
    return error_set(err, ERROR_INTERNAL, "failed to allocate a serviceIP: range is full");
}

static int service_check_address(struct write *w, const struct value *service, const char *ip, struct error *err)
{
    const struct service_range *range = &w->front->server->services;

    if (service_range_index(range, ip) < 0)
        return service_invalid(service, err, "spec.clusterIPs",
                               "[\"%s\"]: failed to allocate IP %s: the provided IP (%s) is not in the valid range. "
                               "The range of valid IPs is %s",
                               ip, ip, ip, range->text);
    if (service_taken(w, service_address_key(w, ip)))
        return service_invalid(service, err, "spec.clusterIPs",
                               "[\"%s\"]: failed to allocate IP %s: provided IP is already allocated", ip, ip);
    return 0;
}

static void service_set_address(struct value *service, const char *ip)
{
    struct value *spec = value_need_object(service, "spec");
    struct value *list = value_new_array();
    struct value *families = value_new_array();

    value_append(list, value_new_str(ip));
    value_append(families, value_new_str("IPv4"));
    value_set_str(spec, "clusterIP", ip);
    value_set(spec, "clusterIPs", list);
    value_set(spec, "ipFamilies", families);
    if (!value_get(spec, "ipFamilyPolicy"))
        value_set_str(spec, "ipFamilyPolicy", "SingleStack");
}

/* There are only addresses of one family. A Service that has none of its own and selects nothing may say what it likes:
 * its endpoints are somebody else's. */
static int service_check_families(const struct value *service, struct error *err)
{
    const struct value *families = value_path(service, "spec", "ipFamilies", NULL);
    bool foreign = !strcmp(service_address(service), "None") && !value_path(service, "spec", "selector", NULL);

    if (slice_is(value_string(value_path(service, "spec", "ipFamilyPolicy", NULL)), "RequireDualStack") && !foreign)
        return service_invalid(service, err, "spec.ipFamilyPolicy",
                               "\"RequireDualStack\": this cluster is not configured for dual-stack services");
    for (size_t i = 0; !foreign && i < value_count(families); i++) {
        char *field CLEANUP_FREE = mem_printf("spec.ipFamilies[%zu]", i);

        if (!slice_is(value_string(value_at(families, i)), "IPv4"))
            return service_invalid(service, err, field, "\"%.*s\": not configured on this cluster",
                                   SLICE_ARGS(value_string(value_at(families, i))));
    }
    return 0;
}

static int service_allocate_address(struct write *w, struct value *service, const struct value *old, struct error *err)
{
    const char *before = service_has_address(old) ? service_address(old) : "";
    const char *wanted = service_has_address(service) ? service_address(service) : "";
    char drawn[SERVICE_ADDRESS_MAX];

    if (service && !service_has_address(service)) {
        static const char *const fields[] = {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"};

        for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
            (void)value_remove(value_need_object(service, "spec"), fields[i]);
    }
    if (*before && strcmp(before, wanted) != 0 && strcmp(before, "None") != 0)
        service_release(w, service_address_key(w, before));
    if (!service_has_address(service))
        return 0;
    if (!old && service_check_families(service, err) < 0)
        return -(int)ERROR_INVALID;
    if (!*wanted) {
        if (service_draw_address(w, drawn, err) < 0)
            return -(int)ERROR_INTERNAL;
        wanted = drawn;
    } else if (!strcmp(wanted, "None") || !strcmp(wanted, before)) {
        service_set_address(service, pool_strdup(w->pool, wanted));
        return 0;
    } else if (service_check_address(w, service, wanted, err) < 0) {
        return -(int)ERROR_INVALID;
    }
    wanted = pool_strdup(w->pool, wanted);
    service_set_address(service, wanted);
    return service_take(w, service_address_key(w, wanted), service, err);
}

/* A balancer that keeps to the nodes with endpoints asks each node, on a port of its own, whether it has some. */
static bool service_needs_health_port(const struct value *service)
{
    return service && !strcmp(service_type(service), "LoadBalancer") &&
           slice_is(value_string(value_path(service, "spec", "externalTrafficPolicy", NULL)), "Local");
}

static int64_t service_health_port(const struct value *service)
{
    return service_needs_health_port(service) ? value_int(value_path(service, "spec", "healthCheckNodePort", NULL)) : 0;
}

/* The node ports of a Service, each once. */
struct service_ports {
    int64_t list[SERVICE_PORTS_MAX];
    size_t count;
};

static bool service_ports_have(const struct service_ports *ports, int64_t port)
{
    for (size_t i = 0; i < ports->count; i++)
        if (ports->list[i] == port)
            return true;
    return false;
}

static bool service_ports_add(struct service_ports *ports, int64_t port)
{
    if (service_ports_have(ports, port))
        return true;
    if (ports->count == SERVICE_PORTS_MAX)
        return false;
    ports->list[ports->count++] = port;
    return true;
}

static bool service_ports_of(const struct value *service, struct service_ports *ret_ports)
{
    const struct value *list = service_has_ports(service) ? value_path(service, "spec", "ports", NULL) : NULL;

    for (size_t i = 0; i < value_count(list); i++) {
        int64_t port = value_int(value_get(value_at(list, i), "nodePort"));

        if (port && !service_ports_add(ret_ports, port))
            return false;
    }
    return !service_health_port(service) || service_ports_add(ret_ports, service_health_port(service));
}

static int64_t service_draw_port(struct write *w, const struct service_ports *used)
{
    uint32_t start = (uint32_t)random_below(SERVICE_PORT_COUNT);

    for (uint32_t i = 0; i < SERVICE_PORT_COUNT; i++) {
        int64_t port = SERVICE_PORT_FIRST + service_nth(i, start, SERVICE_PORT_COUNT, SERVICE_PORT_BAND);

        if (!service_ports_have(used, port) && !service_taken(w, service_port_key(w, port)))
            return port;
    }
    return 0;
}

static int service_check_port(struct write *w, const struct value *service, const char *field, int64_t port,
                              struct error *err)
{
    if (port < SERVICE_PORT_FIRST || port >= SERVICE_PORT_FIRST + SERVICE_PORT_COUNT)
        return service_invalid(service, err, field,
                               "%lld: provided port is not in the valid range. The range of valid ports is %d-%d",
                               (long long)port, SERVICE_PORT_FIRST, SERVICE_PORT_FIRST + SERVICE_PORT_COUNT - 1);
    if (service_taken(w, service_port_key(w, port)))
        return service_invalid(service, err, field, "%lld: provided port is already allocated", (long long)port);
    return 0;
}

/* Checks the ports that were asked for and are not held yet, then draws the rest. */
static int service_fill_ports(struct write *w, struct value *service, const struct service_ports *before,
                              struct service_ports *now, struct error *err)
{
    const struct value *list = value_path(service, "spec", "ports", NULL);

    for (size_t i = 0; i < value_count(list); i++) {
        int64_t port = value_int(value_get(value_at(list, i), "nodePort"));

        char *field CLEANUP_FREE = mem_printf("spec.ports[%zu].nodePort", i);

        if (port && !service_ports_have(before, port) && service_check_port(w, service, field, port, err) < 0)
            return -(int)ERROR_INVALID;
    }
    for (size_t i = 0; i < value_count(list); i++) {
        int64_t port = value_int(value_get(value_at(list, i), "nodePort"));

        if (port)
            continue;
        port = service_draw_port(w, now);
        if (!port)
            return error_set(err, ERROR_INTERNAL, "failed to allocate a nodePort: range is full");
        if (!service_ports_add(now, port))
            return service_invalid(service, err, "spec.ports", "%zu: too many node ports", value_count(list));
        value_set(value_at(list, i), "nodePort", value_new_int(port));
    }
    return 0;
}

static int service_fill_health_port(struct write *w, struct value *service, const struct service_ports *before,
                                    struct service_ports *now, struct error *err)
{
    int64_t port = service_health_port(service);

    if (!service_needs_health_port(service) || (port && service_ports_have(before, port)))
        return 0;
    if (port)
        return service_check_port(w, service, "spec.healthCheckNodePort", port, err);
    port = service_draw_port(w, now);
    if (!port || !service_ports_add(now, port))
        return error_set(err, ERROR_INTERNAL, "failed to allocate a HealthCheck NodePort: range is full");
    value_set(value_need_object(service, "spec"), "healthCheckNodePort", value_new_int(port));
    return 0;
}

static int service_allocate_ports(struct write *w, struct value *service, const struct value *old, struct error *err)
{
    struct service_ports before = {.count = 0};
    struct service_ports now = {.count = 0};

    if (!service_ports_of(old, &before) || !service_ports_of(service, &now))
        return service_invalid(service, err, "spec.ports", "too many node ports");
    if (service_has_ports(service)) {
        int r = service_fill_ports(w, service, &before, &now, err);

        if (r < 0 || (r = service_fill_health_port(w, service, &before, &now, err)) < 0)
            return r;
    }
    for (size_t i = 0; i < before.count; i++)
        if (!service_ports_have(&now, before.list[i]))
            service_release(w, service_port_key(w, before.list[i]));
    for (size_t i = 0; i < now.count; i++)
        if (!service_ports_have(&before, now.list[i]) &&
            service_take(w, service_port_key(w, now.list[i]), service, err) < 0)
            return -(int)ERROR_INVALID;
    return 0;
}

int service_allocate(struct write *w, struct value *object, const struct value *old, struct error *err)
{
    int r = service_allocate_address(w, object, old, err);

    return r < 0 ? r : service_allocate_ports(w, object, old, err);
}

void service_prepare_create(struct request *req, struct value *object)
{
    struct value *status = value_new_object();

    value_set(status, "loadBalancer", value_new_object());
    value_set(object, "status", status);
}

static void service_keep_health_port(struct value *spec, const struct value *object, const struct value *old)
{
    int64_t before = service_health_port(old);

    if (before && !value_int(value_get(spec, "healthCheckNodePort")) && service_needs_health_port(object))
        value_set(spec, "healthCheckNodePort", value_new_int(before));
}

static bool service_is_balanced(const struct value *service)
{
    return !strcmp(service_type(service), "LoadBalancer");
}

static bool service_is_reached_from_outside(const struct value *service)
{
    return service_has_ports(service) ||
           (service_has_address(service) && value_count(value_path(service, "spec", "externalIPs", NULL)));
}

/* A change of the type takes along what only the old type had use for, unless the client changed that as well
 * (upstream's dropTypeDependentFields); what is left is judged. */
static void service_drop_useless(struct value *object, const struct value *old)
{
    static const struct {
        const char *field;
        bool (*needed)(const struct value *service);
    } fields[] = {
        {"clusterIP", service_has_address},
        {"clusterIPs", service_has_address},
        {"ipFamilies", service_has_address},
        {"ipFamilyPolicy", service_has_address},
        {"healthCheckNodePort", service_needs_health_port},
        {"allocateLoadBalancerNodePorts", service_is_balanced},
        {"loadBalancerClass", service_is_balanced},
        {"externalTrafficPolicy", service_is_reached_from_outside},
    };
    struct value *spec = value_need_object(object, "spec");
    struct value *ports = value_get(spec, "ports");
    struct service_ports before = {.count = 0};
    bool same = true;

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const struct value *was = value_path(old, "spec", fields[i].field, NULL);

        if (was && fields[i].needed(old) && !fields[i].needed(object) &&
            value_equal(was, value_get(spec, fields[i].field)))
            (void)value_remove(spec, fields[i].field);
    }
    if (!service_has_ports(old) || service_has_ports(object) || !service_ports_of(old, &before))
        return;
    for (size_t i = 0; i < value_count(ports); i++) {
        int64_t port = value_int(value_get(value_at(ports, i), "nodePort"));

        same = same && (!port || service_ports_have(&before, port));
    }
    for (size_t i = 0; same && i < value_count(ports); i++)
        (void)value_remove(value_at(ports, i), "nodePort");
}

/* A client that does not send back what the server gave keeps it (upstream's patchAllocatedValues). */
int service_prepare_update(struct request *req, struct value *object, const struct value *old, const char *sub,
                           struct error *err)
{
    static const char *const fields[] = {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"};
    struct value *spec = value_need_object(object, "spec");
    const struct value *old_ports = value_path(old, "spec", "ports", NULL);
    struct value *ports = value_get(spec, "ports");

    if (*sub)
        return 0;
    service_keep_health_port(spec, object, old);
    service_drop_useless(object, old);
    if (service_has_address(object) && service_has_address(old) && !*service_address(object))
        for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
            if (value_path(old, "spec", fields[i], NULL))
                value_set(spec, fields[i], value_copy(value_path(old, "spec", fields[i], NULL)));
    for (size_t i = 0; service_has_ports(object) && service_has_ports(old) && i < value_count(ports); i++) {
        struct value *port = value_at(ports, i);

        for (size_t o = 0; !value_int(value_get(port, "nodePort")) && o < value_count(old_ports); o++) {
            const struct value *was = value_at(old_ports, o);

            if (value_int(value_get(was, "port")) == value_int(value_get(port, "port")) &&
                slice_equal(value_string(value_get(was, "protocol")), value_string(value_get(port, "protocol"))))
                value_set(port, "nodePort", value_new_int(value_int(value_get(was, "nodePort"))));
        }
    }
    return 0;
}
