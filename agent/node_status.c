/* SPDX-License-Identifier: Apache-2.0 */
/* What a Node says of itself: facts of the machine in upstream's fields and words. */
#include "agent/node.h"

#include <stdio.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/fs.h"
#include "agent/image_manifest.h"
#include "lib/clock.h"

#define MIB             (1LL << 20)
#define PODS_MAX        110
#define MEMORY_RESERVED (100 * MIB) /* below that, the node is under pressure: upstream's eviction threshold */
#define IMAGES_MAX      50
#define KUBELET_VERSION "v1.35.0+knarr." KNARR_VERSION

void node_machine_clear(struct node_machine *m)
{
    free(m->machine_id);
    free(m->system_uuid);
    free(m->boot_id);
    free(m->kernel);
    free(m->os_image);
    *m = (struct node_machine){0};
}

static char *read_line(const char *path)
{
    BUF_LOCAL(text);

    if (fs_read(path, 4096, &text, NULL) < 0)
        return mem_strdup("");
    return slice_dup(slice_trim(buf_slice(&text)));
}

static char *read_os_image(void)
{
    static const struct slice key = {"PRETTY_NAME=", 12};
    BUF_LOCAL(text);
    struct slice rest;
    struct slice line;

    if (fs_read("/etc/os-release", 65536, &text, NULL) < 0)
        return mem_strdup("Linux");
    rest = buf_slice(&text);
    while (slice_split(&rest, '\n', &line)) {
        if (!slice_starts(line, key))
            continue;
        line = slice_from(line, key.len);
        if (line.len > 1 && line.data[0] == '"')
            line = slice_make(line.data + 1, line.len - 2);
        return slice_dup(line);
    }
    return mem_strdup("Linux");
}

void node_machine_read(const char *home, struct node_machine *ret_machine)
{
    struct utsname u = {0};
    struct sysinfo info = {0};
    struct statvfs fs = {0};
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    (void)uname(&u);
    (void)sysinfo(&info);
    (void)statvfs(home, &fs);
    *ret_machine = (struct node_machine){
        .machine_id = read_line("/etc/machine-id"),
        .system_uuid = read_line("/sys/class/dmi/id/product_uuid"),
        .boot_id = read_line("/proc/sys/kernel/random/boot_id"),
        .kernel = mem_strdup(u.release),
        .os_image = read_os_image(),
        .architecture = image_architecture(),
        .cpu_milli = (cpus > 0 ? cpus : 1) * 1000,
        .memory = (int64_t)info.totalram * info.mem_unit,
        .disk = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize,
    };
}

static void set_number(struct value *v, const char *name, int64_t number, const char *unit)
{
    char text[40];

    (void)snprintf(text, sizeof(text), "%lld%s", (long long)number, unit);
    value_set_str(v, name, text);
}

int64_t node_allocatable_memory(int64_t memory)
{
    return memory > MEMORY_RESERVED ? memory - MEMORY_RESERVED : memory;
}

static void set_resources(struct value *v, const struct node_machine *m, bool allocatable)
{
    int64_t memory = allocatable ? node_allocatable_memory(m->memory) : m->memory;

    if (m->cpu_milli % 1000)
        set_number(v, "cpu", m->cpu_milli, "m");
    else
        set_number(v, "cpu", m->cpu_milli / 1000, "");
    if (allocatable)
        set_number(v, "ephemeral-storage", m->disk / 10 * 9, "");
    else
        set_number(v, "ephemeral-storage", m->disk / 1024, "Ki");
    value_set_str(v, "hugepages-1Gi", "0");
    value_set_str(v, "hugepages-2Mi", "0");
    set_number(v, "memory", memory / 1024, "Ki");
    set_number(v, "pods", PODS_MAX, "");
}

struct node_condition {
    const char *type;
    bool status;
    const char *reason;
    const char *message;
};

static void add_condition(struct value *list, const struct node_condition *c, int64_t now_ns,
                          const struct value *before)
{
    const char *status = c->status ? "True" : "False";
    struct value *v = value_new_object();
    char now[TIME_TEXT_MAX];
    struct slice since = SLICE_NONE;

    time_format_seconds(now_ns, now);
    for (size_t i = 0; i < value_count(before); i++)
        if (slice_is(value_string(value_get(value_at(before, i), "type")), c->type) &&
            slice_is(value_string(value_get(value_at(before, i), "status")), status))
            since = value_string(value_get(value_at(before, i), "lastTransitionTime"));
    value_set_str(v, "type", c->type);
    value_set_str(v, "status", status);
    value_set_str(v, "lastHeartbeatTime", now);
    value_set(v, "lastTransitionTime", since.len ? value_new_string(since) : value_new_str(now));
    value_set_str(v, "reason", c->reason);
    value_set_str(v, "message", c->message);
    value_append(list, v);
}

static void set_conditions(struct value *status, const struct node_machine *m, const struct node_view *view,
                           const struct value *before)
{
    bool memory = view->memory_available < MEMORY_RESERVED;
    bool disk = view->disk_available < m->disk / 10;
    const struct node_condition conditions[] = {
        {"MemoryPressure", memory, memory ? "KubeletHasInsufficientMemory" : "KubeletHasSufficientMemory",
         memory ? "kubelet has insufficient memory available" : "kubelet has sufficient memory available"},
        {"DiskPressure", disk, disk ? "KubeletHasDiskPressure" : "KubeletHasNoDiskPressure",
         disk ? "kubelet has disk pressure" : "kubelet has no disk pressure"},
        {"PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available"},
        {"Ready", view->network_ready, view->network_ready ? "KubeletReady" : "KubeletNotReady",
         view->network_ready ? "kubelet is posting ready status"
                             : "container runtime network not ready: the node has no podCIDR yet"},
    };
    struct value *list = value_need_array(status, "conditions");

    for (size_t i = 0; i < ARRAY_SIZE(conditions); i++)
        add_condition(list, &conditions[i], view->now_ns, value_get(before, "conditions"));
}

static void add_address(struct value *list, const char *type, const char *address)
{
    struct value *v = value_new_object();

    value_set_str(v, "type", type);
    value_set_str(v, "address", address);
    value_append(list, v);
}

static void set_info(struct value *status, const struct node_machine *m)
{
    const struct {
        const char *name;
        const char *text;
    } texts[] = {
        {"machineID", m->machine_id},
        {"systemUUID", m->system_uuid},
        {"bootID", m->boot_id},
        {"kernelVersion", m->kernel},
        {"osImage", m->os_image},
        {"containerRuntimeVersion", "knarr://" KNARR_VERSION},
        {"kubeletVersion", KUBELET_VERSION},
        {"kubeProxyVersion", ""},
        {"operatingSystem", "linux"},
        {"architecture", m->architecture},
    };
    struct value *info = value_need_object(status, "nodeInfo");

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        value_set_str(info, texts[i].name, texts[i].text);
}

static void set_images(struct value *status, const struct image_store *store)
{
    struct value *list = value_need_array(status, "images");

    map_for_each (e, &store->images) {
        const struct image *image = e->value;
        struct value *v;
        struct value *names;

        if (value_count(list) >= IMAGES_MAX)
            return;
        v = value_new_object();
        names = value_need_array(v, "names");
        if (image->digest)
            value_append(names, value_new_str(image->digest));
        value_append(names, value_new_str(image->name));
        value_set(v, "sizeBytes", value_new_int(image->size));
        value_append(list, v);
    }
}

struct value *node_status_make(const struct node_machine *machine, const struct node_view *view,
                               const struct value *before)
{
    struct value *status = value_new_object();
    struct value *addresses;

    set_resources(value_need_object(status, "capacity"), machine, false);
    set_resources(value_need_object(status, "allocatable"), machine, true);
    set_conditions(status, machine, view, before);
    addresses = value_need_array(status, "addresses");
    add_address(addresses, "InternalIP", view->ip);
    add_address(addresses, "Hostname", view->name);
    value_set(value_need_object(value_need_object(status, "daemonEndpoints"), "kubeletEndpoint"), "Port",
              value_new_int(view->port));
    set_info(status, machine);
    if (view->images)
        set_images(status, view->images);
    return status;
}

bool node_status_same(const struct value *a, const struct value *b)
{
    struct value *x CLEANUP_VALUE = a ? value_copy(a) : value_new_null();
    struct value *y CLEANUP_VALUE = b ? value_copy(b) : value_new_null();
    struct value *const both[] = {x, y};

    for (size_t s = 0; s < ARRAY_SIZE(both); s++) {
        const struct value *list = value_get(both[s], "conditions");

        for (size_t i = 0; i < value_count(list); i++)
            (void)value_remove(value_at(list, i), "lastHeartbeatTime");
    }
    return value_equal(x, y);
}
