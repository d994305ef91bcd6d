/* SPDX-License-Identifier: Apache-2.0 */
/* `knarr describe`: objects as text for people, each with its events. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/describe_write.h"
#include "cli/event_list.h"
#include "cli/target.h"
#include "lib/encoding.h"

struct describer {
    struct session session;
    const char *kubeconfig;
    const char *namespace_;
    const char *selector;
    bool all_namespaces;
    bool hide_events; /* --show-events=false */
    struct target target;
    size_t printed;
};

static void write_events(struct describer *d, const struct value *object, struct buf *out)
{
    const char *name = value_str(value_path(object, "metadata", "name", NULL));
    const char *ns = value_str(value_path(object, "metadata", "namespace", NULL));
    char *selector CLEANUP_FREE = event_list_selector(d->target.kind, name ? name : "");
    struct value *list CLEANUP_VALUE = event_list_fetch(&d->session, ns, selector, NULL);
    const struct value *items = value_get(list, "items");
    COLUMNS_LOCAL(columns, 4);

    /* Who may not see events sees the object all the same. */
    if (!value_count(items)) {
        buf_append_str(out, list ? "Events:         <none>\n" : "Events:         <not to be seen>\n");
        return;
    }
    buf_append_str(out, "Events:\n");
    columns_add_row(&columns, "Last Seen", "Type", "Reason", "Message", NULL);
    for (size_t i = 0; i < value_count(items); i++)
        event_list_add_row(&columns, value_at(items, i), clock_wall_ns(clock_system()), false, false);
    columns_write(&columns, 2, out);
}

static void print_one(struct describer *d, const struct value *object)
{
    BUF_LOCAL(out);

    if (d->printed++)
        buf_append_str(&out, "\n\n");
    describe_write(d->target.kind, object, clock_wall_ns(clock_system()), &out);
    if (!d->hide_events && strcmp(d->target.kind->kind, "Event") != 0)
        write_events(d, object, &out);
    (void)fwrite(out.data, 1, out.len, stdout);
}

/* name NULL = all. */
static int fetch_and_print(struct describer *d, const char *name)
{
    const char *own = d->namespace_ ? d->namespace_ : d->session.config.namespace_;
    const char *ns = d->target.kind->namespaced && !d->all_namespaces ? own : NULL;
    char *path CLEANUP_FREE = client_path(d->target.kind, ns, name, NULL);
    struct client_request request = {.method = "GET", .path = path};
    struct value *answer CLEANUP_VALUE = NULL;
    BUF_LOCAL(query);
    BUF_LOCAL(body);
    ERROR_LOCAL(err);

    if (!name && d->selector) {
        buf_append_str(&query, "labelSelector=");
        percent_encode(&query, slice_str(d->selector));
        request.query = buf_cstr(&query);
    }
    if (session_call(&d->session, &request, &body, &err) < 0 || !(answer = value_parse(buf_slice(&body), &err)))
        return session_fail(&err);
    if (name) {
        print_one(d, answer);
        return 0;
    }
    for (size_t i = 0; i < value_count(value_get(answer, "items")); i++)
        print_one(d, value_at(value_get(answer, "items"), i));
    if (!d->printed)
        (void)fprintf(stderr, ns ? "No resources found in %s namespace.\n" : "No resources found\n", ns);
    return 0;
}

int cli_describe(int argc, char **argv)
{
    struct describer d = {.printed = 0};
    bool show_events = true;
    const struct flag flags[] = {
        SESSION_FLAGS(d.kubeconfig),
        {"namespace", 'n', FLAG_TEXT, &d.namespace_},
        {"all-namespaces", 'A', FLAG_BOOL, &d.all_namespaces},
        {"selector", 'l', FLAG_TEXT, &d.selector},
        {"show-events", 0, FLAG_BOOL, &show_events},
        {NULL, 0, FLAG_BOOL, NULL},
    };
    struct arguments arguments;
    ERROR_LOCAL(err);
    int code = 0;

    if (!flags_parse(flags, argc, argv, &arguments))
        return 2;
    if (!arguments.count) {
        (void)fprintf(stderr, "knarr describe: name a type, such as 'knarr describe pod NAME'\n");
        return 2;
    }
    d.hide_events = !show_events;
    if (session_open(&d.session, d.kubeconfig, &err) < 0)
        return session_fail(&err);
    if (!target_read(&d.session, &arguments, &d.target))
        code = 1;
    else if (d.target.single || !d.target.count)
        code = fetch_and_print(&d, d.target.single);
    for (size_t i = 0; d.target.kind && i < d.target.count; i++)
        code |= fetch_and_print(&d, d.target.names[i]);
    session_close(&d.session);
    return code;
}
