/* SPDX-License-Identifier: Apache-2.0 */
/* `knarr logs`. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/session.h"
#include "cli/target.h"
#include "lib/encoding.h"

struct logs {
    const char *kubeconfig;
    const char *namespace_;
    const char *container;
    long tail;  /* -1 = all */
    long since; /* seconds, 0 = all */
    bool follow;
    bool previous;
    bool timestamps;
};

static int print_data(void *arg, struct slice data, struct error *err)
{
    (void)arg;
    return session_print(data, err);
}

static char *logs_query(const struct logs *l)
{
    BUF_LOCAL(q);

    buf_append_str(&q, l->follow ? "follow=true" : "follow=false");
    if (l->container) {
        buf_append_str(&q, "&container=");
        percent_encode(&q, slice_str(l->container));
    }
    if (l->tail >= 0)
        buf_printf(&q, "&tailLines=%ld", l->tail);
    if (l->since > 0)
        buf_printf(&q, "&sinceSeconds=%ld", l->since);
    if (l->previous)
        buf_append_str(&q, "&previous=true");
    if (l->timestamps)
        buf_append_str(&q, "&timestamps=true");
    return buf_steal_str(&q);
}

int cli_logs(int argc, char **argv)
{
    struct logs l = {.tail = -1};
    const struct flag flags[] = {
        SESSION_FLAGS(l.kubeconfig),
        {"namespace", 'n', FLAG_TEXT, &l.namespace_},
        {"container", 'c', FLAG_TEXT, &l.container},
        {"follow", 'f', FLAG_BOOL, &l.follow},
        {"tail", 0, FLAG_NUMBER, &l.tail},
        {"since", 0, FLAG_NUMBER, &l.since},
        {"previous", 'p', FLAG_BOOL, &l.previous},
        {"timestamps", 0, FLAG_BOOL, &l.timestamps},
        {NULL, 0, FLAG_BOOL, NULL},
    };
    struct arguments arguments;
    struct session session;
    ERROR_LOCAL(err);
    const char *pod;
    int code;

    if (!flags_parse(flags, argc, argv, &arguments))
        return 2;
    if (arguments.count != 1) {
        (void)fprintf(stderr, "knarr logs: name one pod\n");
        return 2;
    }
    if (!(pod = target_pod("logs", arguments.items[0])))
        return 2;
    if (session_open(&session, l.kubeconfig, &err) < 0)
        return session_fail(&err);
    const struct schema_kind *pods = schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("Pod"));
    char *path CLEANUP_FREE = client_path(pods, l.namespace_ ? l.namespace_ : session.config.namespace_, pod, "log");
    char *query CLEANUP_FREE = logs_query(&l);
    struct client_request request = {.method = "GET", .path = path, .query = query, .accept = "*/*"};
    code = session_stream(&session, &request, print_data, NULL, &err) < 0 ? session_fail(&err) : 0;
    session_close(&session);
    return code;
}
