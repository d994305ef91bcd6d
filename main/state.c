/* SPDX-License-Identifier: Apache-2.0 */
#include "main/state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/encoding.h"
#include "lib/folder.h"

#define STATE_YEAR          (365LL * 24 * 3600)
#define STATE_CA_YEARS      10
#define STATE_RENEW_PERCENT 80 /* of a certificate's life */
#define STATE_FILE_MAX      (1u << 20)

/* ---- files --------------------------------------------------------------------------------------------------------
 */

static int state_make_dir(const char *path, struct error *err)
{
    char *parent CLEANUP_FREE = mem_printf("%s/..", path);

    if (mkdir(path, 0700) == 0)
        return folder_sync(parent, err);
    return errno == EEXIST ? 0 : error_set_errno(err, errno, "making the folder %s", path);
}

int state_make_home(const char *home, struct error *err)
{
    return state_make_dir(home, err);
}

/* All of the text, or nothing: written beside it and renamed. */
static int state_write(const char *path, mode_t mode, struct slice text, struct error *err)
{
    char *temporary CLEANUP_FREE = mem_printf("%s.new", path);
    size_t done = 0;
    int fd;

    (void)unlink(temporary);
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return error_set_errno(err, errno, "writing %s", temporary);
    while (done < text.len) {
        ssize_t n = write(fd, text.data + done, text.len - done);

        if (n <= 0) {
            int number = errno;

            (void)close(fd);
            return error_set_errno(err, number, "writing %s", temporary);
        }
        done += (size_t)n;
    }
    if (fsync(fd) < 0 || close(fd) < 0 || rename(temporary, path) < 0)
        return error_set_errno(err, errno, "writing %s", path);
    return 0;
}

/* NULL when the file is not there (err untouched) or cannot be read (err set). */
static char *state_read(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    BUF_LOCAL(text);
    ssize_t n = 1;

    if (fd < 0) {
        if (errno != ENOENT)
            (void)error_set_errno(err, errno, "reading %s", path);
        return NULL;
    }
    while (n > 0 && text.len < STATE_FILE_MAX) {
        n = read(fd, buf_reserve(&text, 4096), 4096);
        if (n > 0)
            text.len += (size_t)n;
    }
    (void)close(fd);
    if (n < 0)
        (void)error_set(err, ERROR_IO, "reading %s failed", path);
    return n < 0 ? NULL : buf_steal_str(&text);
}

/* ---- certificates -------------------------------------------------------------------------------------------------
 */

static int state_load_ca(const char *pki, struct pki_pair *ret_ca, struct error *err)
{
    char *certificate_path CLEANUP_FREE = mem_printf("%s/ca.crt", pki);
    char *key_path CLEANUP_FREE = mem_printf("%s/ca.key", pki);
    ERROR_LOCAL(failed);

    ret_ca->certificate = state_read(certificate_path, &failed);
    ret_ca->key = state_read(key_path, &failed);
    if (error_is_set(&failed))
        return error_pass(err, &failed, NULL);
    if (ret_ca->certificate && ret_ca->key)
        return 0;
    if (ret_ca->certificate || ret_ca->key)
        return error_set(err, ERROR_IO,
                         "only one of %s and %s is there; bring the other back, or remove both to start "
                         "with a new cluster CA",
                         certificate_path, key_path);
    if (pki_make_ca("knarr-ca", clock_system(), STATE_CA_YEARS * STATE_YEAR, ret_ca, err) < 0)
        return -(int)ERROR_INTERNAL;
    if (state_write(key_path, 0600, slice_str(ret_ca->key), err) < 0 ||
        state_write(certificate_path, 0644, slice_str(ret_ca->certificate), err) < 0)
        return -(int)ERROR_IO;
    return folder_sync(pki, err);
}

/* Tokens of ServiceAccounts are signed with it, so it must be the same at every start. */
static int state_load_account_key(const char *pki, char **ret_key, struct error *err)
{
    char *path CLEANUP_FREE = mem_printf("%s/sa.key", pki);
    ERROR_LOCAL(failed);

    *ret_key = state_read(path, &failed);
    if (error_is_set(&failed))
        return error_pass(err, &failed, NULL);
    if (*ret_key)
        return 0;
    if (pki_make_key(ret_key, err) < 0)
        return -(int)ERROR_INTERNAL;
    return state_write(path, 0600, slice_str(*ret_key), err) < 0 ? -(int)ERROR_IO : folder_sync(pki, err);
}

static int state_make_serving(const struct state_options *o, const struct pki_pair *ca, struct pki_pair *ret_pair,
                              struct error *err)
{
    char host[256] = "localhost";
    const char *names[] = {"localhost",
                           host,
                           "kubernetes",
                           "kubernetes.default",
                           "kubernetes.default.svc",
                           "kubernetes.default.svc.cluster.local"};
    const char *addresses[5];
    struct pki_subject subject = {
        .common_name = "kube-apiserver", .dns_names = names, .dns_name_count = ARRAY_SIZE(names)};
    size_t count = 0;

    (void)gethostname(host, sizeof(host) - 1);
    addresses[count++] = "127.0.0.1";
    addresses[count++] = o->service_address;
    if (strcmp(o->advertise_address, "127.0.0.1") != 0)
        addresses[count++] = o->advertise_address;
    if (strcmp(o->address, "0.0.0.0") != 0 && strcmp(o->address, "::") != 0 &&
        strcmp(o->address, o->advertise_address) != 0 && strcmp(o->address, "127.0.0.1") != 0)
        addresses[count++] = o->address;
    subject.ip_addresses = addresses;
    subject.ip_address_count = count;
    return pki_make_leaf(ca, &subject, PKI_USAGE_SERVER, clock_system(), o->certificate_s, ret_pair, err);
}

static int state_make_client(const struct pki_pair *ca, const char *name, const char *group, int64_t seconds,
                             struct pki_pair *ret_pair, struct error *err)
{
    const struct pki_subject subject = {
        .common_name = name, .organizations = &group, .organization_count = group ? 1 : 0};

    return pki_make_leaf(ca, &subject, PKI_USAGE_CLIENT, clock_system(), seconds, ret_pair, err);
}

static void state_add_base64(struct buf *out, const char *key, const char *text)
{
    buf_append_str(out, key);
    base64_encode(out, slice_str(text));
    buf_append_byte(out, '\n');
}

static int state_write_kubeconfig(const struct state_options *o, struct state *state, struct error *err)
{
    struct pki_pair admin = {0};
    const char *server = strcmp(o->address, "0.0.0.0") != 0 && strcmp(o->address, "::") != 0 ? o->address : "127.0.0.1";
    BUF_LOCAL(text);
    int r = state_make_client(&state->ca, "kubernetes-admin", "system:masters", STATE_YEAR, &admin, err);

    if (r < 0)
        return r;
    buf_append_str(&text, "apiVersion: v1\nkind: Config\nclusters:\n- name: knarr\n  cluster:\n");
    state_add_base64(&text, "    certificate-authority-data: ", state->ca.certificate);
    buf_printf(&text, "    server: https://%s:%u\n", server, o->port);
    buf_append_str(&text, "users:\n- name: admin\n  user:\n");
    state_add_base64(&text, "    client-certificate-data: ", admin.certificate);
    state_add_base64(&text, "    client-key-data: ", admin.key);
    buf_append_str(&text, "contexts:\n- name: knarr\n  context:\n    cluster: knarr\n    user: admin\n"
                          "current-context: knarr\n");
    pki_pair_clear(&admin);
    return state_write(state->kubeconfig, 0600, buf_slice(&text), err);
}

int state_renew(const struct state_options *o, struct state *state, struct error *err)
{
    struct pki_info info CLEANUP(pki_info_clear) = {0};
    struct pki_pair serving = {0};
    struct pki_pair node_client = {0};
    int r = state_make_serving(o, &state->ca, &serving, err);

    if (r == 0)
        r = state_make_client(&state->ca, "kube-apiserver-kubelet-client", NULL, o->certificate_s, &node_client, err);
    if (r == 0)
        r = pki_read_certificate(slice_str(serving.certificate), &info, err);
    if (r < 0) {
        pki_pair_clear(&serving);
        pki_pair_clear(&node_client);
        return r;
    }
    pki_pair_clear(&state->serving);
    pki_pair_clear(&state->node_client);
    state->serving = serving;
    state->node_client = node_client;
    /* What ends with its CA cannot be renewed. */
    state->renew_ns = info.not_after_ns >= state->ca_end_ns
                          ? INT64_MAX
                          : info.not_before_ns + (info.not_after_ns - info.not_before_ns) / 100 * STATE_RENEW_PERCENT;
    return 0;
}

/* The CA and its end. */
static int state_find_ca(const char *pki, struct state *state, struct error *err)
{
    struct pki_info info CLEANUP(pki_info_clear) = {0};
    int r = state_load_ca(pki, &state->ca, err);

    if (r == 0)
        r = pki_read_certificate(slice_str(state->ca.certificate), &info, err);
    state->ca_end_ns = info.not_after_ns;
    return r;
}

int state_load(const struct state_options *o, struct state *state, struct error *err)
{
    char *pki CLEANUP_FREE = mem_printf("%s/pki", o->home);
    int r;

    *state = (struct state){.kubeconfig = mem_printf("%s/kubeconfig", o->home)};
    if ((r = state_make_dir(pki, err)) < 0 || (r = state_find_ca(pki, state, err)) < 0 ||
        (r = state_load_account_key(pki, &state->account_key, err)) < 0 || (r = state_renew(o, state, err)) < 0 ||
        (r = state_write_kubeconfig(o, state, err)) < 0)
        state_clear(state);
    return r;
}

void state_clear(struct state *state)
{
    pki_pair_clear(&state->ca);
    pki_pair_clear(&state->serving);
    pki_pair_clear(&state->node_client);
    pki_key_free(state->account_key);
    free(state->kubeconfig);
    *state = (struct state){0};
}

char *state_own_address(void)
{
    struct ifaddrs *all = NULL;
    char text[INET_ADDRSTRLEN] = "127.0.0.1";

    if (getifaddrs(&all) == 0) {
        for (struct ifaddrs *i = all; i; i = i->ifa_next) {
            if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || (i->ifa_flags & IFF_LOOPBACK) ||
                !(i->ifa_flags & IFF_UP))
                continue;
            (void)inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr, text, sizeof(text));
            break;
        }
        freeifaddrs(all);
    }
    return mem_strdup(text);
}
