/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/resolv_conf.h"

#include "agent/fs.h"
#include "agent/pod_spec.h"

#define SYSTEMD_FILE "/run/systemd/resolve/resolv.conf"
#define OPTION_NDOTS "ndots:5"

void resolv_conf_clear(struct resolv_conf *c)
{
    str_list_clear(&c->servers);
    str_list_clear(&c->searches);
    str_list_clear(&c->options);
}

/* ---- text ---- */

static bool next_word(struct slice *line, struct slice *ret_word)
{
    *line = slice_trim(*line);
    if (!line->len)
        return false;
    *ret_word = slice_make(line->data, 0);
    while (ret_word->len < line->len && line->data[ret_word->len] != ' ' && line->data[ret_word->len] != '\t')
        ret_word->len++;
    *line = slice_from(*line, ret_word->len);
    return true;
}

static void add_once(struct str_list *list, struct slice text)
{
    char *copy CLEANUP_FREE = slice_dup(text);

    if (*copy && !str_list_has(list, copy))
        str_list_take(list, STEAL(copy));
}

static void add_search(struct str_list *list, struct slice domain)
{
    if (domain.len > 1 && domain.data[domain.len - 1] == '.')
        domain.len--;
    add_once(list, domain);
}

static void read_line(struct slice line, struct resolv_conf *c)
{
    struct slice keyword;
    struct slice word;

    if (!next_word(&line, &keyword))
        return;
    if (slice_is(keyword, "nameserver") && next_word(&line, &word))
        add_once(&c->servers, word);
    if (slice_is(keyword, "search") || slice_is(keyword, "domain")) {
        /* The last such line counts. */
        str_list_clear(&c->searches);
        while (next_word(&line, &word))
            add_search(&c->searches, word);
    }
    while (slice_is(keyword, "options") && next_word(&line, &word))
        add_once(&c->options, word);
}

void resolv_conf_read(struct slice text, struct resolv_conf *ret_conf)
{
    struct slice line;

    while (slice_split(&text, '\n', &line)) {
        if (line.len && line.data[0] != '#' && line.data[0] != ';')
            read_line(line, ret_conf);
    }
}

static void write_words(struct buf *out, const char *keyword, const struct str_list *words)
{
    if (!words->count)
        return;
    buf_append_str(out, keyword);
    for (size_t i = 0; i < words->count; i++)
        buf_printf(out, " %s", words->items[i]);
    buf_append_byte(out, '\n');
}

void resolv_conf_write(const struct resolv_conf *c, struct buf *out)
{
    write_words(out, "search", &c->searches);
    for (size_t i = 0; i < c->servers.count; i++)
        buf_printf(out, "nameserver %s\n", c->servers.items[i]);
    write_words(out, "options", &c->options);
}

static bool is_loopback(const char *server)
{
    return !strncmp(server, "127.", 4) || !strcmp(server, "::1");
}

static bool only_loopback(const struct resolv_conf *c)
{
    for (size_t i = 0; i < c->servers.count; i++)
        if (!is_loopback(c->servers.items[i]))
            return false;
    return true;
}

int resolv_conf_load(const char *path, struct resolv_conf *ret_conf, struct error *err)
{
    BUF_LOCAL(text);
    ERROR_LOCAL(why);

    if (fs_read(path, RESOLV_FILE_MAX, &text, &why) < 0 && why.code != ERROR_NOT_FOUND)
        return error_pass(err, &why, NULL);
    resolv_conf_read(buf_slice(&text), ret_conf);
    return 0;
}

int resolv_conf_load_for_pods(const char *path, struct resolv_conf *ret_conf, struct error *err)
{
    int r = resolv_conf_load(path, ret_conf, err);

    if (r < 0 || !ret_conf->servers.count || !only_loopback(ret_conf) || !fs_exists(SYSTEMD_FILE))
        return r;
    resolv_conf_clear(ret_conf);
    return resolv_conf_load(SYSTEMD_FILE, ret_conf, err);
}

/* ---- a pod's ---- */

static void copy(const struct str_list *from, struct str_list *to)
{
    for (size_t i = 0; i < from->count; i++)
        add_once(to, slice_str(from->items[i]));
}

/* A resolver on the host's loopback is not there in a pod's network; the cluster's stands in for it, which asks it. */
static void copy_host(const struct resolv_conf *host, bool own_network, const char *stand_in, struct resolv_conf *c)
{
    for (size_t i = 0; i < host->servers.count; i++)
        if (!own_network || !is_loopback(host->servers.items[i]))
            add_once(&c->servers, slice_str(host->servers.items[i]));
        else if (stand_in)
            add_once(&c->servers, slice_str(stand_in));
    copy(&host->searches, &c->searches);
    copy(&host->options, &c->options);
}

static void add_cluster(const struct value *pod, const struct resolv_conf *host, const struct cluster_dns *dns,
                        struct resolv_conf *c)
{
    add_once(&c->servers, slice_str(dns->address));
    str_list_take(&c->searches, mem_printf("%s.svc.%s", pod_namespace(pod), dns->domain));
    str_list_take(&c->searches, mem_printf("svc.%s", dns->domain));
    str_list_add(&c->searches, dns->domain);
    copy(&host->searches, &c->searches);
    str_list_add(&c->options, OPTION_NDOTS);
}

/* An option of the same name takes the place of what is there. */
static void set_option(struct str_list *options, struct slice name, struct slice value)
{
    char *text = mem_printf("%.*s%s%.*s", SLICE_ARGS(name), value.len ? ":" : "", SLICE_ARGS(value));

    for (size_t i = 0; i < options->count; i++) {
        if (slice_equal(slice_make(options->items[i], strcspn(options->items[i], ":")), name)) {
            free(options->items[i]);
            options->items[i] = text;
            return;
        }
    }
    str_list_take(options, text);
}

static void add_config(const struct value *config, struct resolv_conf *c)
{
    const struct value *servers = value_get(config, "nameservers");
    const struct value *searches = value_get(config, "searches");
    const struct value *options = value_get(config, "options");

    for (size_t i = 0; i < value_count(servers); i++)
        add_once(&c->servers, value_string(value_at(servers, i)));
    for (size_t i = 0; i < value_count(searches); i++)
        add_search(&c->searches, value_string(value_at(searches, i)));
    for (size_t i = 0; i < value_count(options); i++) {
        const struct value *option = value_at(options, i);

        set_option(&c->options, value_string(value_get(option, "name")), value_string(value_get(option, "value")));
    }
}

static void cut(struct str_list *list, size_t count)
{
    while (list->count > count)
        free(list->items[--list->count]);
    if (list->items)
        list->items[list->count] = NULL;
}

static void warn_cut(const struct str_list *list, const char *what, struct str_list *warnings)
{
    BUF_LOCAL(text);

    buf_append_str(&text, what);
    for (size_t i = 0; i < list->count; i++)
        buf_printf(&text, " %s", list->items[i]);
    str_list_take(warnings, buf_steal_str(&text));
}

/* In upstream's words. */
static void fit(struct resolv_conf *c, struct str_list *warnings)
{
    size_t kept = 0;
    size_t chars = 0;

    if (c->servers.count > RESOLV_SERVERS_MAX) {
        cut(&c->servers, RESOLV_SERVERS_MAX);
        warn_cut(&c->servers,
                 "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is:",
                 warnings);
    }
    while (kept < c->searches.count && kept < RESOLV_SEARCHES_MAX &&
           chars + strlen(c->searches.items[kept]) + (kept > 0) <= RESOLV_SEARCH_CHARS_MAX)
        chars += strlen(c->searches.items[kept]) + (kept > 0), kept++;
    if (kept == c->searches.count)
        return;
    cut(&c->searches, kept);
    warn_cut(
        &c->searches,
        "Search Line limits were exceeded, some search paths have been omitted, the applied search line is:", warnings);
}

void resolv_conf_of_pod(const struct value *pod, const struct resolv_conf *host, const struct cluster_dns *dns,
                        struct resolv_conf *ret_conf, struct str_list *warnings)
{
    struct slice policy = value_string(value_path(pod, "spec", "dnsPolicy", NULL));
    bool own_network = !pod_host_network(pod);
    bool cluster = slice_is(policy, "ClusterFirstWithHostNet") ||
                   (own_network && (slice_is(policy, "ClusterFirst") || !policy.len));

    if (cluster && dns->address)
        add_cluster(pod, host, dns, ret_conf);
    else if (!slice_is(policy, "None"))
        copy_host(host, own_network, dns->address, ret_conf);
    if (cluster && !dns->address)
        str_list_take(warnings, mem_printf("The cluster has no DNS (Service kube-system/kube-dns): the pod cannot have "
                                           "policy %.*s and gets Default",
                                           SLICE_ARGS(policy)));
    add_config(value_path(pod, "spec", "dnsConfig", NULL), ret_conf);
    fit(ret_conf, warnings);
}
