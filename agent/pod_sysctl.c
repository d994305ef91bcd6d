/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel settings of a pod (securityContext.sysctls). Only those of the kubelet's safe list are set: they belong to a
 * namespace of the pod's own and cannot hurt its neighbours. A pod that asks for another is turned down for good.
 */
#include "agent/pod_spec.h"

struct safe_sysctl {
    const char *name;
    bool ipc; /* of the IPC namespace; else of the network's */
};
static const struct safe_sysctl safe[] = {
    {"kernel.shm_rmid_forced", true},
    {"net.ipv4.ip_local_port_range", false},
    {"net.ipv4.tcp_syncookies", false},
    {"net.ipv4.ping_group_range", false},
    {"net.ipv4.ip_unprivileged_port_start", false},
    {"net.ipv4.ip_local_reserved_ports", false},
    {"net.ipv4.tcp_keepalive_time", false},
    {"net.ipv4.tcp_fin_timeout", false},
    {"net.ipv4.tcp_keepalive_intvl", false},
    {"net.ipv4.tcp_keepalive_probes", false},
    {"net.ipv4.tcp_rmem", false},
    {"net.ipv4.tcp_wmem", false},
};

char *pod_sysctl_name(const char *name)
{
    char *text = mem_strdup(name ? name : "");
    const char *first = strpbrk(text, "./");

    /* "net/ipv4/conf/eth0.1/x" is written with slashes because a dot is part of it. */
    if (!first || *first == '.')
        return text;
    for (char *p = text; *p; p++)
        *p = *p == '/' ? '.' : *p == '.' ? '/' : *p;
    return text;
}

static const struct safe_sysctl *find_safe(const char *name)
{
    for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++)
        if (!strcmp(safe[i].name, name))
            return &safe[i];
    return NULL;
}

char *pod_sysctl_forbidden(const struct value *pod)
{
    const struct value *list = value_path(pod, "spec", "securityContext", "sysctls", NULL);
    bool host_ipc = value_bool(value_path(pod, "spec", "hostIPC", NULL));

    for (size_t i = 0; i < value_count(list); i++) {
        char *name CLEANUP_FREE = pod_sysctl_name(object_text(value_at(list, i), "name"));
        const struct safe_sysctl *s = find_safe(name);

        if (!s)
            return mem_printf("forbidden sysctl: \"%s\" not allowlisted", name);
        if (s->ipc ? host_ipc : pod_host_network(pod))
            return mem_printf("forbidden sysctl: \"%s\" not allowed with host %s enabled", name,
                              s->ipc ? "ipc" : "net");
    }
    return NULL;
}
