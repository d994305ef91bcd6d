/* SPDX-License-Identifier: Apache-2.0 */
/* `knarr events`: what happened, oldest first; with -w what happens from now on too. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/event_list.h"
#include "cli/target.h"

struct events {
    struct session session;
    const char *kubeconfig;
    const char *namespace_;
    const char *for_; /* TYPE/NAME */
    const char *types;
    bool all_namespaces;
    bool watch;
    bool no_headers;
    struct buf line; /* of the watch, until its end comes */
};

static bool wanted(const struct events *e, const struct value *event)
{
    struct slice rest = slice_str(e->types ? e->types : "");
    struct slice type;

    if (!e->types)
        return true;
    while (slice_split(&rest, ',', &type))
        if (slice_equal_nocase(slice_trim(type), value_string(value_get(event, "type"))))
            return true;
    return false;
}

static int print_rows(const struct events *e, const struct value *items, bool header, struct error *err)
{
    BUF_LOCAL(out);
    COLUMNS_LOCAL(columns, e->all_namespaces ? 6 : 5);
    int64_t now = clock_wall_ns(clock_system());

    if (header && e->all_namespaces)
        columns_add(&columns, "NAMESPACE");
    if (header)
        columns_add_row(&columns, "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE", NULL);
    for (size_t i = 0; i < value_count(items); i++)
        if (wanted(e, value_at(items, i)))
            event_list_add_row(&columns, value_at(items, i), now, e->all_namespaces, true);
    columns_write(&columns, 0, &out);
    return session_print(buf_slice(&out), err);
}

static int watch_line(struct events *e, struct slice line, struct error *err)
{
    struct value *event CLEANUP_VALUE = value_parse(line, NULL);
    struct value *items CLEANUP_VALUE = value_new_array();
    struct slice type = value_string(value_get(event, "type"));

    if (!slice_is(type, "ADDED") && !slice_is(type, "MODIFIED"))
        return session_watch_failed(line, err);
    value_append(items, value_copy(value_get(event, "object")));
    return print_rows(e, items, false, err);
}

static int watch_data(void *arg, struct slice data, struct error *err)
{
    struct events *e = arg;
    ptrdiff_t end;
    int r = 0;

    buf_append_slice(&e->line, data);
    while (r == 0 && (end = slice_find(buf_slice(&e->line), '\n')) >= 0) {
        r = watch_line(e, slice_make(e->line.data, (size_t)end), err);
        buf_consume(&e->line, (size_t)end + 1);
    }
    return r;
}

static int watch(struct events *e, const char *ns, const char *selector, const char *revision, struct error *err)
{
    const struct schema_kind *kind = schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("Event"));
    char *path CLEANUP_FREE = client_path(kind, ns, NULL, NULL);
    char *fields CLEANUP_FREE = event_list_query(selector);
    char *query CLEANUP_FREE =
        mem_printf("watch=true&resourceVersion=%s%s%s", revision, fields ? "&" : "", fields ? fields : "");
    const struct client_request request = {.method = "GET", .path = path, .query = query};

    return session_stream(&e->session, &request, watch_data, e, err);
}

static int run(struct events *e, const char *selector, struct error *err)
{
    const char *ns = e->all_namespaces ? NULL : e->namespace_ ? e->namespace_ : e->session.config.namespace_;
    struct value *list CLEANUP_VALUE = event_list_fetch(&e->session, ns, selector, err);
    const struct value *items = value_get(list, "items");
    const char *revision = value_str(value_path(list, "metadata", "resourceVersion", NULL));

    if (!list)
        return session_fail(err);
    if (value_count(items) && print_rows(e, items, !e->no_headers, err) < 0)
        return session_fail(err);
    if (!value_count(items) && !e->watch)
        (void)fprintf(stderr, ns ? "No events found in %s namespace.\n" : "No events found.\n", ns);
    if (e->watch && watch(e, ns, selector, revision ? revision : "0", err) < 0)
        return session_fail(err);
    return 0;
}

int cli_events(int argc, char **argv)
{
    struct events e = {0};
    const struct flag flags[] = {
        SESSION_FLAGS(e.kubeconfig),
        {"namespace", 'n', FLAG_TEXT, &e.namespace_},
        {"all-namespaces", 'A', FLAG_BOOL, &e.all_namespaces},
        {"for", 0, FLAG_TEXT, &e.for_},
        {"types", 0, FLAG_TEXT, &e.types},
        {"watch", 'w', FLAG_BOOL, &e.watch},
        {"no-headers", 0, FLAG_BOOL, &e.no_headers},
        {NULL, 0, FLAG_BOOL, NULL},
    };
    struct arguments arguments;
    struct target target = {0};
    char *selector CLEANUP_FREE = NULL;
    ERROR_LOCAL(err);
    int code;

    if (!flags_parse(flags, argc, argv, &arguments))
        return 2;
    if (arguments.count || (e.for_ && !strchr(e.for_, '/'))) {
        (void)fprintf(stderr, "knarr events: takes flags only, and --for TYPE/NAME; see 'knarr help events'\n");
        return 2;
    }
    if (session_open(&e.session, e.kubeconfig, &err) < 0)
        return session_fail(&err);
    if (e.for_) {
        if (!target_read(&e.session, &(struct arguments){.items = {e.for_}, .count = 1}, &target)) {
            session_close(&e.session);
            return 1;
        }
        selector = event_list_selector(target.kind, target.single);
        e.all_namespaces = e.all_namespaces || !target.kind->namespaced;
    }
    code = run(&e, selector, &err);
    buf_free(&e.line);
    session_close(&e.session);
    return code;
}
