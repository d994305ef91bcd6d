/* SPDX-License-Identifier: Apache-2.0 */
/* The files of /etc that are the pod's and not the image's: hosts, resolv.conf, hostname. */
#include "agent/container.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/fs.h"
#include "agent/pod_spec.h"

#define ETC_MAX (1u << 20)

static void write_aliases(const struct value *pod, struct buf *out)
{
    const struct value *aliases = value_path(pod, "spec", "hostAliases", NULL);

    if (value_count(aliases))
        buf_append_str(out, "\n# Entries added by HostAliases.\n");
    for (size_t i = 0; i < value_count(aliases); i++) {
        const struct value *names = value_get(value_at(aliases, i), "hostnames");

        buf_append_slice(out, value_string(value_get(value_at(aliases, i), "ip")));
        for (size_t n = 0; n < value_count(names); n++) {
            buf_append_byte(out, '\t');
            buf_append_slice(out, value_string(value_at(names, n)));
        }
        buf_append_byte(out, '\n');
    }
}

static void write_hosts(const struct container_etc *e, const char *host_name, struct buf *out)
{
    const char *ip = e->sandbox->ip;

    if (pod_host_network(e->pod)) {
        buf_append_str(out, "# Kubernetes-managed hosts file (host network).\n");
        (void)fs_read("/etc/hosts", ETC_MAX, out, NULL);
    } else {
        char *full CLEANUP_FREE = pod_full_name(e->pod, e->dns->domain);

        buf_append_str(out, "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"
                            "::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n"
                            "fe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n");
        if (ip && full)
            buf_printf(out, "%s\t%s\t%s\n", ip, full, host_name);
        else if (ip)
            buf_printf(out, "%s\t%s\n", ip, host_name);
    }
    write_aliases(e->pod, out);
}

static int write_resolv(const struct container_etc *e, struct buf *out, struct str_list *warnings, struct error *err)
{
    RESOLV_CONF_LOCAL(host);
    RESOLV_CONF_LOCAL(own);

    if (resolv_conf_load_for_pods(e->resolv_conf, &host, err) < 0)
        return -1;
    resolv_conf_of_pod(e->pod, &host, e->dns, &own, warnings);
    resolv_conf_write(&own, out);
    return 0;
}

/* Rewrites in place: the file is bind-mounted into containers, which would keep a replaced one. */
static int rewrite(const char *dir, const char *name, struct slice text, struct error *err)
{
    char *path CLEANUP_FREE = mem_printf("%s/%s", dir, name);
    int fd CLEANUP_FD = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, text.data, text.len) != (ssize_t)text.len)
        return error_set_errno(err, errno, "writing %s", path);
    return 0;
}

int container_write_etc(const struct container_etc *e, struct str_list *warnings, struct error *err)
{
    char *dir CLEANUP_FREE = mem_printf("%s/etc", e->pod_dir);
    char *host_name CLEANUP_FREE = pod_host_name(e->pod);
    char *kernel_name CLEANUP_FREE = pod_kernel_name(e->pod, e->dns->domain, err);
    BUF_LOCAL(hosts);
    BUF_LOCAL(resolv);
    BUF_LOCAL(name);

    if (!kernel_name || fs_make_dirs(dir, 0755, err) < 0)
        return -1;
    write_hosts(e, host_name, &hosts);
    if (write_resolv(e, &resolv, warnings, err) < 0)
        return -1;
    buf_printf(&name, "%s\n", kernel_name);
    if (rewrite(dir, "hosts", buf_slice(&hosts), err) < 0 || rewrite(dir, "resolv.conf", buf_slice(&resolv), err) < 0)
        return -1;
    return rewrite(dir, "hostname", buf_slice(&name), err);
}
