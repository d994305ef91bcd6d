/* SPDX-License-Identifier: Apache-2.0 */
/* `knarr history`: what became of an object, by whom, as far back as the server keeps it. */
#include <stdio.h>

#include "cli/changed.h"
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/target.h"

#define FIELDS_MAX 4

static void add_row(struct columns *columns, const struct value *item, const struct value *before)
{
    const char *operation = value_str(value_get(item, "operation"));
    const char *user = value_str(value_get(item, "user"));
    const struct value *object = value_get(item, "object");
    const struct value *was = value_get(before, "object");
    BUF_LOCAL(fields);

    if (object && was)
        changed_fields(was, object, FIELDS_MAX, &fields);
    columns_add_row(columns, value_str(value_get(item, "resourceVersion")), value_str(value_get(item, "time")),
                    user && *user ? user : "<unknown>", value_str(value_get(item, "verb")),
                    fields.len      ? buf_cstr(&fields)
                    : object && was ? "<nothing>"
                                    : operation,
                    NULL);
}

static void print_history(const struct value *list)
{
    const struct value *items = value_get(list, "items");
    COLUMNS_LOCAL(columns, 5);

    columns_add_row(&columns, "REVISION", "TIME", "USER", "VERB", "CHANGED", NULL);
    for (size_t i = 0; i < value_count(items); i++)
        add_row(&columns, value_at(items, i), i + 1 < value_count(items) ? value_at(items, i + 1) : NULL);
    columns_print(&columns);
}

static int show(struct session *s, const struct schema_kind *kind, const char *ns, const char *name, long limit)
{
    char *path CLEANUP_FREE = client_path(kind, kind->namespaced ? ns : NULL, name, NULL);
    char *query CLEANUP_FREE = mem_printf("history=true&limit=%ld", limit);
    const struct client_request request = {.method = "GET", .path = path, .query = query};
    struct value *list CLEANUP_VALUE = NULL;
    ERROR_LOCAL(err);
    BUF_LOCAL(body);

    if (session_call(s, &request, &body, &err) < 0 || !(list = value_parse(buf_slice(&body), &err)))
        return session_fail(&err);
    if (!value_get(list, "items")) {
        (void)fprintf(stderr, "knarr history: this server keeps no history\n");
        return 1;
    }
    print_history(list);
    if (kind->history != SCHEMA_HISTORY_FULL)
        (void)fprintf(stderr,
                      "knarr history: the history of %s is not kept: these are the changes of the last minutes\n",
                      kind->plural);
    return 0;
}

int cli_history(int argc, char **argv)
{
    const char *kubeconfig = NULL;
    const char *namespace_ = NULL;
    long limit = 50;
    const struct flag flags[] = {
        SESSION_FLAGS(kubeconfig),
        {"namespace", 'n', FLAG_TEXT, &namespace_},
        {"limit", 0, FLAG_NUMBER, &limit, .min = 1, .max = 1000},
        {NULL, 0, FLAG_BOOL, NULL},
    };
    struct arguments arguments;
    struct session session;
    struct target target = {.count = 0};
    ERROR_LOCAL(err);
    int code;

    if (!flags_parse(flags, argc, argv, &arguments))
        return 2;
    if (session_open(&session, kubeconfig, &err) < 0)
        return session_fail(&err);
    if (arguments.count && !target_read(&session, &arguments, &target)) {
        code = 1;
    } else if (!target.single && target.count != 1) {
        (void)fprintf(stderr, "knarr history: name one object, such as 'knarr history deployment NAME'\n");
        code = 2;
    } else {
        code = show(&session, target.kind, namespace_ ? namespace_ : session.config.namespace_,
                    target.single ? target.single : target.names[0], limit);
    }
    session_close(&session);
    return code;
}
