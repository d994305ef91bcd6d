/* SPDX-License-Identifier: Apache-2.0 */
/* `knarr get`: the server prints tables (Accept: Table); other forms are made from the objects. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/print.h"
#include "cli/session.h"
#include "lib/encoding.h"
#include "lib/yaml.h"

#define ACCEPT_TABLE "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

struct get {
    struct session session;
    const char *kubeconfig;
    const char *namespace_;
    const char *selector;
    const char *field_selector;
    const char *output;
    bool all_namespaces;
    bool watch;
    bool no_headers;
    bool ignore_not_found;
    bool show_managed;
    const struct schema_kind *kind;
    struct table_printer printer;
    struct buf line; /* of a watch, until its end comes */
};

static bool wants_table(const struct get *g)
{
    return !g->output || !strcmp(g->output, "wide");
}

static char *list_query(const struct get *g, const char *name, const char *revision)
{
    BUF_LOCAL(q);

    if (g->selector) {
        buf_append_str(&q, "labelSelector=");
        percent_encode(&q, slice_str(g->selector));
    }
    if (g->field_selector || (name && revision)) {
        buf_append_str(&q, q.len ? "&fieldSelector=" : "fieldSelector=");
        char *by_name CLEANUP_FREE = name ? mem_printf("metadata.name=%s", name) : NULL;
        percent_encode(&q, slice_str(by_name ? by_name : g->field_selector));
    }
    if (revision)
        buf_printf(&q, "%swatch=true&resourceVersion=%s", q.len ? "&" : "", revision);
    return q.len ? buf_steal_str(&q) : NULL;
}

/* Who owns which field is longer than the object, and seldom the question. */
static void hide_managed_fields(const struct get *g, struct value *v)
{
    struct value *items = value_get(v, "items");

    if (g->show_managed)
        return;
    (void)value_remove(value_get(v, "metadata"), "managedFields");
    for (size_t i = 0; i < value_count(items); i++)
        (void)value_remove(value_get(value_at(items, i), "metadata"), "managedFields");
}

static int print_value(struct get *g, const struct value *v, struct error *err)
{
    BUF_LOCAL(out);
    BUF_LOCAL(json);
    const char *name = value_str(value_path(v, "metadata", "name", NULL));

    if (wants_table(g)) {
        table_printer_print(&g->printer, v, &out);
    } else if (!strcmp(g->output, "json")) {
        print_json(v, &out);
    } else if (!strcmp(g->output, "yaml")) {
        value_write(v, &json);
        if (yaml_from_json(buf_slice(&json), &out, err) < 0)
            return -(int)err->code;
    } else if (!strcmp(g->output, "name")) {
        const struct value *items = value_get(v, "items");

        for (size_t i = 0; i < value_count(items); i++)
            buf_printf(&out, "%s%s%s/%s\n", g->kind->singular, g->kind->group[0] ? "." : "", g->kind->group,
                       value_str(value_path(value_at(items, i), "metadata", "name", NULL)));
        if (!items)
            buf_printf(&out, "%s%s%s/%s\n", g->kind->singular, g->kind->group[0] ? "." : "", g->kind->group, name);
    } else if (!strncmp(g->output, "jsonpath=", 9)) {
        if (print_jsonpath(g->output + 9, v, &out, err) < 0)
            return -(int)err->code;
    } else {
        return error_set(err, ERROR_BAD_REQUEST,
                         "there is no output form \"%s\"; use wide, json, yaml, name or jsonpath=...", g->output);
    }
    return session_print(buf_slice(&out), err);
}

/* One request; the answer is printed and its revision (for a watch) returned in *ret_revision. */
static int get_once(struct get *g, const char *name, char **ret_revision, struct error *err)
{
    const char *ns = g->all_namespaces || !g->kind->namespaced ? NULL : g->namespace_;
    char *path CLEANUP_FREE = client_path(g->kind, ns, name, NULL);
    char *query CLEANUP_FREE = name ? NULL : list_query(g, NULL, NULL);
    struct client_request request = {
        .method = "GET", .path = path, .query = query, .accept = wants_table(g) ? ACCEPT_TABLE : NULL};
    struct value *v CLEANUP_VALUE = NULL;
    BUF_LOCAL(body);

    if (session_call(&g->session, &request, &body, err) < 0)
        return -(int)err->code;
    v = value_parse(buf_slice(&body), err);
    if (!v)
        return -(int)err->code;
    if (wants_table(g) && !value_count(value_get(v, "rows")) && !g->watch)
        (void)fprintf(stderr, ns ? "No resources found in %s namespace.\n" : "No resources found\n", ns);
    if (ret_revision) {
        const char *revision = value_str(value_path(v, "metadata", "resourceVersion", NULL));
        *ret_revision = mem_strdup(revision ? revision : "0");
    }
    hide_managed_fields(g, v);
    return print_value(g, v, err);
}

static int watch_line(struct get *g, struct slice line, struct error *err)
{
    struct value *event CLEANUP_VALUE = value_parse(line, NULL);

    if (!event || slice_is(value_string(value_get(event, "type")), "BOOKMARK"))
        return 0;
    if (session_watch_failed(line, err) < 0)
        return -(int)err->code;
    hide_managed_fields(g, value_get(event, "object"));
    return print_value(g, value_get(event, "object"), err);
}

static int watch_data(void *arg, struct slice data, struct error *err)
{
    struct get *g = arg;
    ptrdiff_t end;
    int r = 0;

    buf_append_slice(&g->line, data);
    while (r == 0 && (end = slice_find(buf_slice(&g->line), '\n')) >= 0) {
        r = watch_line(g, slice_make(g->line.data, (size_t)end), err);
        buf_consume(&g->line, (size_t)end + 1);
    }
    return r;
}

static int get_watch(struct get *g, const char *name, const char *revision, struct error *err)
{
    const char *ns = g->all_namespaces || !g->kind->namespaced ? NULL : g->namespace_;
    char *path CLEANUP_FREE = client_path(g->kind, ns, NULL, NULL);
    char *query CLEANUP_FREE = list_query(g, name, revision);
    struct client_request request = {
        .method = "GET", .path = path, .query = query, .accept = wants_table(g) ? ACCEPT_TABLE : NULL};

    return session_stream(&g->session, &request, watch_data, g, err);
}

static int get_all(struct get *g, const struct arguments *names, struct error *err)
{
    char *revision CLEANUP_FREE = NULL;
    int failed = 0;

    if (names->count <= 1 && get_once(g, NULL, &revision, err) < 0)
        return session_fail(err);
    for (size_t i = 1; i < names->count; i++) {
        char **want = names->count == 2 ? &revision : NULL;

        if (get_once(g, names->items[i], want, err) < 0 && !(g->ignore_not_found && err->code == ERROR_NOT_FOUND))
            failed = session_fail(err);
    }
    if (g->watch && !failed && names->count <= 2 &&
        get_watch(g, names->count == 2 ? names->items[1] : NULL, revision, err) < 0)
        return session_fail(err);
    return failed;
}

/* "pods,services": one table after the other. */
static int get_types(struct get *g, const struct arguments *arguments, struct error *err)
{
    struct slice rest = slice_str(arguments->items[0]);
    struct slice part;
    int code = 0;

    for (bool first = true; slice_split(&rest, ',', &part); first = false) {
        char *type CLEANUP_FREE = slice_dup(part);

        g->kind = session_kind(&g->session, type);
        if (!g->kind)
            return 1;
        if (!first && wants_table(g))
            (void)printf("\n");
        g->printer = (struct table_printer){.wide = g->output && !strcmp(g->output, "wide"),
                                            .with_namespace = g->all_namespaces && g->kind->namespaced,
                                            .no_headers = g->no_headers};
        code |= get_all(g, arguments, err);
        table_printer_clear(&g->printer);
        error_clear(err);
    }
    return code;
}

int cli_get(int argc, char **argv)
{
    struct get g = {0};
    const struct flag flags[] = {
        SESSION_FLAGS(g.kubeconfig),
        {"namespace", 'n', FLAG_TEXT, &g.namespace_},
        {"all-namespaces", 'A', FLAG_BOOL, &g.all_namespaces},
        {"selector", 'l', FLAG_TEXT, &g.selector},
        {"field-selector", 0, FLAG_TEXT, &g.field_selector},
        {"output", 'o', FLAG_TEXT, &g.output},
        {"watch", 'w', FLAG_BOOL, &g.watch},
        {"no-headers", 0, FLAG_BOOL, &g.no_headers},
        {"ignore-not-found", 0, FLAG_BOOL, &g.ignore_not_found},
        {"show-managed-fields", 0, FLAG_BOOL, &g.show_managed},
        {NULL, 0, FLAG_BOOL, NULL},
    };
    struct arguments arguments;
    ERROR_LOCAL(err);
    int code;

    if (!flags_parse(flags, argc, argv, &arguments))
        return 2;
    if (!arguments.count) {
        (void)fprintf(stderr, "knarr get: name a type, such as 'knarr get pods'\n");
        return 2;
    }
    if (session_open(&g.session, g.kubeconfig, &err) < 0)
        return session_fail(&err);
    if (!g.namespace_)
        g.namespace_ = g.session.config.namespace_;
    code = get_types(&g, &arguments, &err);
    buf_free(&g.line);
    session_close(&g.session);
    return code;
}
