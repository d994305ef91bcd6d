/* SPDX-License-Identifier: Apache-2.0 */
/* `knarr top node|pod`: what is used now, of metrics.k8s.io, as kubectl shows it. */
#include <stdio.h>

#include "api/quantity.h"
#include "api/value.h"
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "lib/encoding.h"

#define MIB (1 << 20)

struct top {
    struct session session;
    const char *kubeconfig;
    const char *namespace_;
    const char *selector;
    const char *sort_by;
    bool all_namespaces;
    bool containers;
    bool no_headers;
    bool nodes;
    const char *name; /* NULL = all */
};

struct top_row {
    const char *namespace_;
    const char *name;
    const char *container; /* NULL = the whole */
    int64_t milli;
    int64_t bytes;
    size_t at;
};

struct top_rows {
    struct top_row *rows;
    size_t count;
    size_t cap;
};

static int64_t read_quantity(const struct value *resources, const char *name, bool milli)
{
    struct quantity q;

    if (quantity_parse(value_string(value_get(resources, name)), &q, NULL) < 0)
        return 0;
    return milli ? quantity_milli(&q) : quantity_value(&q);
}

static struct top_row *add_row(struct top_rows *t, const struct value *item)
{
    struct top_row *row;

    t->rows = mem_grow(t->rows, &t->cap, t->count + 1, sizeof(*t->rows));
    row = &t->rows[t->count];
    *row = (struct top_row){.namespace_ = value_str(value_path(item, "metadata", "namespace", NULL)),
                            .name = value_str(value_path(item, "metadata", "name", NULL)),
                            .at = t->count++};
    return row;
}

static void add_usage(struct top_row *row, const struct value *usage)
{
    row->milli += read_quantity(usage, "cpu", true);
    row->bytes += read_quantity(usage, "memory", false);
}

static void add_pod(struct top_rows *t, const struct value *item, bool by_container)
{
    const struct value *containers = value_get(item, "containers");
    struct top_row *row = by_container ? NULL : add_row(t, item);

    for (size_t i = 0; i < value_count(containers); i++) {
        if (by_container) {
            row = add_row(t, item);
            row->container = value_str(value_get(value_at(containers, i), "name"));
        }
        add_usage(row, value_get(value_at(containers, i), "usage"));
    }
}

static int by_cpu(const void *a, const void *b)
{
    const struct top_row *x = a;
    const struct top_row *y = b;

    if (x->milli != y->milli)
        return x->milli > y->milli ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int by_memory(const void *a, const void *b)
{
    const struct top_row *x = a;
    const struct top_row *y = b;

    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* One object or a list; the caller frees. */
static struct value *fetch(struct top *t, const struct schema_kind *kind, struct error *err)
{
    const char *ns = t->namespace_ ? t->namespace_ : t->session.config.namespace_;
    char *path CLEANUP_FREE = client_path(kind, kind->namespaced && !t->all_namespaces ? ns : NULL, t->name, NULL);
    struct client_request request = {.method = "GET", .path = path};
    BUF_LOCAL(query);
    BUF_LOCAL(body);

    if (t->selector) {
        buf_append_str(&query, "labelSelector=");
        percent_encode(&query, slice_str(t->selector));
        request.query = buf_cstr(&query);
    }
    return session_call(&t->session, &request, &body, err) < 0 ? NULL : value_parse(buf_slice(&body), err);
}

static const struct value *item_at(const struct value *answer, size_t i)
{
    const struct value *items = value_get(answer, "items");

    return items ? value_at(items, i) : i ? NULL : answer;
}

static const struct value *find_node(const struct value *nodes, const char *name)
{
    const struct value *node;

    for (size_t i = 0; (node = item_at(nodes, i)); i++)
        if (slice_is(value_string(value_path(node, "metadata", "name", NULL)), name))
            return node;
    return NULL;
}

static void add_share(struct columns *c, int64_t used, int64_t of)
{
    if (of > 0)
        columns_addf(c, "%lld%%", (long long)(used * 100 / of));
    else
        columns_add(c, "<unknown>");
}

static void print_nodes(const struct top *t, const struct top_rows *rows, const struct value *nodes)
{
    COLUMNS_LOCAL(columns, 5);

    if (!t->no_headers)
        columns_add_row(&columns, "NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)", NULL);
    for (size_t i = 0; i < rows->count; i++) {
        const struct top_row *row = &rows->rows[i];
        const struct value *has = value_path(find_node(nodes, row->name), "status", "allocatable", NULL);

        columns_add(&columns, row->name);
        columns_addf(&columns, "%lldm", (long long)row->milli);
        add_share(&columns, row->milli, read_quantity(has, "cpu", true));
        columns_addf(&columns, "%lldMi", (long long)(row->bytes / MIB));
        add_share(&columns, row->bytes, read_quantity(has, "memory", false));
    }
    columns_print(&columns);
}

static void print_pods(const struct top *t, const struct top_rows *rows)
{
    COLUMNS_LOCAL(columns, 3 + (size_t)t->all_namespaces + (size_t)t->containers);

    if (!t->no_headers && t->all_namespaces)
        columns_add(&columns, "NAMESPACE");
    if (!t->no_headers && t->containers)
        columns_add_row(&columns, "POD", "NAME", "CPU(cores)", "MEMORY(bytes)", NULL);
    else if (!t->no_headers)
        columns_add_row(&columns, "NAME", "CPU(cores)", "MEMORY(bytes)", NULL);
    for (size_t i = 0; i < rows->count; i++) {
        const struct top_row *row = &rows->rows[i];

        if (t->all_namespaces)
            columns_add(&columns, row->namespace_);
        columns_add(&columns, row->name);
        if (t->containers)
            columns_add(&columns, row->container);
        columns_addf(&columns, "%lldm", (long long)row->milli);
        columns_addf(&columns, "%lldMi", (long long)(row->bytes / MIB));
    }
    columns_print(&columns);
}

static int run(struct top *t, struct error *err)
{
    struct slice group = SLICE_LIT("metrics.k8s.io");
    struct slice version = SLICE_LIT("v1beta1");
    const struct schema_kind *kind =
        schema_find_kind(group, version, t->nodes ? SLICE_LIT("NodeMetrics") : SLICE_LIT("PodMetrics"));
    struct value *answer CLEANUP_VALUE = fetch(t, kind, err);
    struct value *nodes CLEANUP_VALUE =
        answer && t->nodes ? fetch(t, schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("Node")), err) : NULL;
    struct top_rows rows = {0};
    const struct value *item;

    if (!answer || (t->nodes && !nodes))
        return session_fail(err);
    for (size_t i = 0; (item = item_at(answer, i)); i++) {
        if (t->nodes)
            add_usage(add_row(&rows, item), value_get(item, "usage"));
        else
            add_pod(&rows, item, t->containers);
    }
    if (t->sort_by && rows.count)
        qsort(rows.rows, rows.count, sizeof(*rows.rows), !strcmp(t->sort_by, "cpu") ? by_cpu : by_memory);
    if (!rows.count)
        (void)fprintf(stderr, "No usage is known: nothing runs, or no node has answered.\n");
    else if (t->nodes)
        print_nodes(t, &rows, nodes);
    else
        print_pods(t, &rows);
    free(rows.rows);
    return 0;
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (!strcmp(text, *words))
            return true;
    return false;
}

int cli_top(int argc, char **argv)
{
    static const char *const node_words[] = {"node", "nodes", "no", NULL};
    static const char *const pod_words[] = {"pod", "pods", "po", NULL};
    struct top t = {0};
    const struct flag flags[] = {
        SESSION_FLAGS(t.kubeconfig),
        {"namespace", 'n', FLAG_TEXT, &t.namespace_},
        {"all-namespaces", 'A', FLAG_BOOL, &t.all_namespaces},
        {"selector", 'l', FLAG_TEXT, &t.selector},
        {"sort-by", 0, FLAG_CHOICE, &t.sort_by, .choices = "cpu memory"},
        {"containers", 0, FLAG_BOOL, &t.containers},
        {"no-headers", 0, FLAG_BOOL, &t.no_headers},
        {NULL, 0, FLAG_BOOL, NULL},
    };
    struct arguments arguments;
    ERROR_LOCAL(err);
    int code;

    if (!flags_parse(flags, argc, argv, &arguments))
        return 2;
    t.nodes = arguments.count && is_one_of(arguments.items[0], node_words);
    if (!arguments.count || arguments.count > 2 || (!t.nodes && !is_one_of(arguments.items[0], pod_words))) {
        (void)fprintf(stderr, "knarr top: 'knarr top node [NAME]' or 'knarr top pod [NAME]'\n");
        return 2;
    }
    t.name = arguments.count > 1 ? arguments.items[1] : NULL;
    if (session_open(&t.session, t.kubeconfig, &err) < 0)
        return session_fail(&err);
    code = run(&t, &err);
    session_close(&t.session);
    return code;
}
