/* SPDX-License-Identifier: Apache-2.0 */
/* `knarr scale`: sets how many there are to be, through the scale subresource. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/target.h"

#define REPLICAS_MAX 1000000

static bool can_scale(const struct schema_kind *kind)
{
    for (size_t i = 0; i < kind->subresource_count; i++)
        if (!strcmp(kind->subresources[i].name, "scale"))
            return true;
    (void)fprintf(stderr, "error: %s cannot be scaled\n", kind->plural);
    return false;
}

static int scale_one(struct session *s, const struct schema_kind *kind, const char *ns, const char *name, long replicas)
{
    char *path CLEANUP_FREE = client_path(kind, ns, name, "scale");
    char *body CLEANUP_FREE = mem_printf("{\"spec\":{\"replicas\":%ld}}", replicas);
    const struct client_request request = {
        .method = "PATCH", .path = path, .content_type = "application/merge-patch+json", .body = slice_str(body)};
    ERROR_LOCAL(err);

    if (session_call(s, &request, NULL, &err) < 0)
        return session_fail(&err);
    (void)printf("%s%s%s/%s scaled\n", kind->singular, *kind->group ? "." : "", kind->group, name);
    return 0;
}

int cli_scale(int argc, char **argv)
{
    const char *kubeconfig = NULL;
    const char *namespace_ = NULL;
    long replicas = -1;
    const struct flag flags[] = {
        SESSION_FLAGS(kubeconfig),
        {"namespace", 'n', FLAG_TEXT, &namespace_},
        {"replicas", 0, FLAG_NUMBER, &replicas, .min = 0, .max = REPLICAS_MAX},
        {NULL, 0, FLAG_BOOL, NULL},
    };
    struct arguments arguments;
    struct session session;
    struct target target;
    ERROR_LOCAL(err);
    int code = 0;

    if (!flags_parse(flags, argc, argv, &arguments))
        return 2;
    if (!arguments.count || replicas < 0) {
        (void)fprintf(stderr, "knarr scale: name an object and how many: 'knarr scale deployment NAME --replicas N'\n");
        return 2;
    }
    if (session_open(&session, kubeconfig, &err) < 0)
        return session_fail(&err);
    const char *ns = namespace_ ? namespace_ : session.config.namespace_;
    if (!target_read(&session, &arguments, &target) || !can_scale(target.kind)) {
        code = 1;
        target.count = 0;
    } else if (target.single) {
        code = scale_one(&session, target.kind, ns, target.single, replicas);
    } else if (!target.count) {
        (void)fprintf(stderr, "knarr scale: name an object: 'knarr scale %s NAME --replicas N'\n", arguments.items[0]);
        code = 2;
    }
    for (size_t i = 0; i < target.count; i++)
        code |= scale_one(&session, target.kind, ns, target.names[i], replicas);
    session_close(&session);
    return code;
}
