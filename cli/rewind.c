/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `knarr rewind`: writes objects back as they were. All lists, of then and of now, are read before the first write; so
 * whoever may not see something hears it before anything has changed.
 */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/rewind_write.h"
#include "cli/span.h"
#include "lib/encoding.h"

#define PAGE       "500"
#define SPAN_MAX_S (365L * 24 * 3600)

struct rewind_target {
    const struct schema_kind *kind;
    const char *name; /* NULL = all */
};

struct rewind {
    struct session session;
    const char *kubeconfig;
    const char *namespace_;
    const char *to;
    bool all;
    bool dry_run;
    struct rewind_target *targets;
    size_t target_count;
    size_t target_cap;
    size_t kinds_seen; /* of the session's kinds that are not built in */
    bool named;        /* kinds were named */
    uint64_t revision; /* 0 = not known yet: the first list of the past tells it */
    char time[TIME_TEXT_MAX];
    uint64_t before; /* a revision just before the first write */
    struct rewind_plan plan;
    struct rewind_writer writer;
    size_t done[REWIND_LEAVE]; /* by action */
    size_t recreated;
    size_t definitions; /* that came back */
    size_t left;
    size_t failed;
};

/* ---- what is asked ---- */

static int wrong_usage(const char *text, const char *what)
{
    (void)fprintf(stderr, "knarr rewind: %s%s; see 'knarr help rewind'\n", text, what);
    return 2;
}

/* A revision, a time, or how long ago. */
static bool read_to(struct rewind *r)
{
    int64_t now_ns = clock_wall_ns(clock_system()), time_ns;
    int64_t span = 0;

    if (slice_to_uint64(slice_str(r->to), &r->revision))
        return r->revision > 0;
    if (!time_parse(slice_str(r->to), &time_ns)) {
        span = span_read(r->to, SPAN_MAX_S);
        time_ns = now_ns - span * NS_PER_S;
        if (!span)
            return false;
    }
    time_format_nano(time_ns, r->time);
    return true;
}

static void add_target(struct rewind *r, const struct schema_kind *kind, const char *name)
{
    r->targets = mem_grow(r->targets, &r->target_cap, r->target_count + 1, sizeof(*r->targets));
    r->targets[r->target_count++] = (struct rewind_target){kind, name};
}

/* "deployments", "configmap/x" or several with commas; `text` must stay. 0 or the exit code. */
static int add_named(struct rewind *r, const char *text)
{
    struct slice rest = slice_str(text);
    struct slice part;

    while (slice_split(&rest, ',', &part)) {
        struct slice name = part, type;
        const struct schema_kind *kind;
        bool one = slice_split(&name, '/', &type) && slice_find(part, '/') >= 0;
        char *word CLEANUP_FREE = slice_dup(type);

        kind = session_kind(&r->session, word);
        if (!kind)
            return 2;
        if (!rewind_kind_fits(kind))
            return wrong_usage(kind->plural, " say what was seen, not what is wanted, and are not rewound");
        if (one && (!name.len || rest.len))
            return wrong_usage(text, ": name one object as TYPE/NAME");
        add_target(r, kind, one ? name.data : NULL);
    }
    return 0;
}

static void add_fitting(struct rewind *r, const struct schema_kind *kind)
{
    if (rewind_kind_fits(kind) && (r->all || kind->namespaced))
        add_target(r, kind, NULL);
}

/* Those that users defined, as far as they are not among the targets yet. */
static int add_custom(struct rewind *r, struct error *err)
{
    const struct schema_kind *kind;

    if (session_ask_kinds(&r->session, err) < 0)
        return -(int)err->code;
    while ((kind = session_next_kind(&r->session, &r->kinds_seen)))
        add_fitting(r, kind);
    return 0;
}

static int read_targets(struct rewind *r, const struct arguments *arguments)
{
    size_t count;
    const struct schema_kind *const *kinds = schema_kinds(&count);
    ERROR_LOCAL(err);

    r->named = arguments->count;
    for (size_t i = 0; i < arguments->count; i++) {
        int code = add_named(r, arguments->items[i]);

        if (code)
            return code;
    }
    for (size_t i = 0; !r->named && i < count; i++)
        add_fitting(r, kinds[i]);
    return r->named || add_custom(r, &err) == 0 ? 0 : session_fail(&err);
}

/* ---- lists ---- */

static void list_query(const struct rewind *r, const char *name, bool past, const char *token, struct buf *query)
{
    buf_append_str(query, "limit=" PAGE);
    if (name) {
        char *selector CLEANUP_FREE = mem_printf("metadata.name=%s", name);

        buf_append_str(query, "&fieldSelector=");
        percent_encode(query, slice_str(selector));
    }
    if (past)
        buf_append_str(query, "&history=true");
    if (token) {
        buf_append_str(query, "&continue=");
        percent_encode(query, slice_str(token));
    } else if (past && r->revision) {
        buf_printf(query, "&resourceVersion=%llu", (unsigned long long)r->revision);
    } else if (past) {
        buf_append_str(query, "&time=");
        percent_encode(query, slice_str(r->time));
    }
}

/* One page; *token is that of the next one, or NULL. */
static int list_page(struct rewind *r, const struct rewind_target *target, const char *ns, bool past, char **token,
                     struct value *items, struct error *err)
{
    char *path CLEANUP_FREE = client_path(target->kind, ns, NULL, NULL);
    struct client_request request = {.method = "GET", .path = path};
    struct value *list CLEANUP_VALUE = NULL;
    uint64_t revision = 0;
    const char *next;
    BUF_LOCAL(query);
    BUF_LOCAL(body);

    list_query(r, target->name, past, *token, &query);
    request.query = buf_cstr(&query);
    if (session_call(&r->session, &request, &body, err) < 0 || !(list = value_parse(buf_slice(&body), err)))
        return -(int)err->code;
    (void)slice_to_uint64(value_string(value_path(list, "metadata", "resourceVersion", NULL)), &revision);
    if (past)
        r->revision = revision;
    else if (revision > r->before)
        r->before = revision;
    next = value_str(value_path(list, "metadata", "continue", NULL));
    free(*token);
    *token = next && *next ? mem_strdup(next) : NULL;
    struct value *page CLEANUP_VALUE = value_take(list, "items");
    for (size_t i = 0; i < value_count(page); i++)
        value_append(items, value_copy(value_at(page, i)));
    return 0;
}

/* The objects as they were or are; NULL with an error. */
static struct value *list_all(struct rewind *r, const struct rewind_target *target, const char *ns, bool past,
                              struct error *err)
{
    struct value *items = value_new_array();
    char *token = NULL;
    int result;

    do
        result = list_page(r, target, ns, past, &token, items, err);
    while (result == 0 && token);
    free(token);
    if (result == 0)
        return items;
    value_free(items);
    (void)error_wrap(err, past ? "reading what %s were" : "reading %s", target->kind->plural);
    return NULL;
}

static int add_kind(struct rewind *r, const struct rewind_target *target, struct error *err)
{
    const char *ns = target->kind->namespaced && !r->all ? r->namespace_ : NULL;
    struct value *then = list_all(r, target, ns, true, err);
    struct value *now = then ? list_all(r, target, ns, false, err) : NULL;

    if (!now) {
        value_free(then);
        return -(int)err->code;
    }
    rewind_plan_add(&r->plan, target->kind, then, now);
    return 0;
}

/* ---- namespaces ---- */

static const struct schema_kind *namespace_kind(void)
{
    return schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("Namespace"));
}

/* Which namespaces are other ones than then. */
static int learn_namespaces(struct rewind *r, struct error *err)
{
    const struct rewind_target target = {.kind = namespace_kind()};
    struct value *then CLEANUP_VALUE = list_all(r, &target, NULL, true, err);
    struct value *now CLEANUP_VALUE = then ? list_all(r, &target, NULL, false, err) : NULL;
    bool rewound = false;

    if (!now)
        return -(int)err->code;
    for (size_t i = 0; i < r->target_count; i++)
        rewound = rewound || (r->targets[i].kind == target.kind && !r->targets[i].name);
    rewind_plan_namespaces(&r->plan, then, now, rewound);
    return 0;
}

/* The one namespace that is rewound: when it is not there any more, it is made first. */
static int revive_namespace(struct rewind *r, struct error *err)
{
    const struct rewind_target target = {.kind = namespace_kind(), .name = r->namespace_};
    char *path CLEANUP_FREE = client_path(target.kind, NULL, r->namespace_, NULL);
    struct client_request request = {.method = "GET", .path = path};
    size_t steps = r->plan.count;

    if (session_call(&r->session, &request, NULL, err) == 0)
        return 0;
    if (err->code != ERROR_NOT_FOUND) {
        error_clear(err); /* who may not see the namespace may still see what lies in it */
        return 0;
    }
    error_clear(err);
    if (add_kind(r, &target, err) < 0)
        return -(int)err->code;
    if (r->plan.count == steps)
        return error_set(err, ERROR_NOT_FOUND, "namespace \"%s\" is not there, and was not there then", r->namespace_);
    return 0;
}

static int make_plan(struct rewind *r, struct error *err)
{
    bool inside = false;

    for (size_t i = 0; i < r->target_count; i++)
        inside = inside || r->targets[i].kind->namespaced;
    if (inside && (r->all ? learn_namespaces : revive_namespace)(r, err) < 0)
        return -(int)err->code;
    for (size_t i = 0; i < r->target_count; i++)
        if (add_kind(r, &r->targets[i], err) < 0)
            return -(int)err->code;
    rewind_plan_sort(&r->plan);
    return 0;
}

/* ---- steps ---- */

/* "deployment.apps/web", with the namespace when there are several. */
static void step_title(const struct rewind *r, const struct rewind_step *step, struct buf *out)
{
    const struct schema_kind *kind = step->kind;
    const char *ns = rewind_step_namespace(step);

    buf_printf(out, "%s%s%s/%s", kind->singular, *kind->group ? "." : "", kind->group, rewind_step_name(step));
    if (r->all && ns)
        buf_printf(out, " -n %s", ns);
}

static void print_diff(const struct rewind *r, const struct rewind_step *step)
{
    char *name CLEANUP_FREE = mem_printf("%llu", (unsigned long long)r->revision);
    ERROR_LOCAL(err);
    BUF_LOCAL(diff);

    if (rewind_diff(step, name, &diff, &err) < 0)
        (void)session_fail(&err);
    if (diff.len)
        (void)fwrite(diff.data, 1, diff.len, stdout);
}

static void leave(struct rewind *r, const char *title, const char *why, bool failed)
{
    r->failed += failed;
    r->left += !failed;
    (void)printf("%s left alone: %s\n", title, why);
}

static bool is_definition(const struct schema_kind *kind)
{
    return !kind->custom && !strcmp(kind->kind, "CustomResourceDefinition");
}

static void take_step(struct rewind *r, const struct rewind_step *step)
{
    static const char *const words[] = {
        [REWIND_CREATE] = "created", [REWIND_UPDATE] = "rewound", [REWIND_DELETE] = "deleted"};
    enum rewind_result result;
    char *why CLEANUP_FREE = NULL;
    ERROR_LOCAL(err);
    BUF_LOCAL(title);

    step_title(r, step, &title);
    if (step->action == REWIND_LEAVE) {
        /* Of what is gone and followed its owner there is nothing to say. */
        if (step->now || step->failed)
            leave(r, buf_cstr(&title), step->why, step->failed);
        else
            r->left++;
        return;
    }
    result = rewind_write(&r->writer, step, &why, &err);
    if (r->dry_run && result != REWIND_SAME)
        print_diff(r, step);
    if (result == REWIND_FAILED) {
        r->failed++;
        (void)fflush(stdout);
        (void)error_wrap(&err, "%s", buf_cstr(&title));
        (void)session_fail(&err);
    } else if (result == REWIND_LEFT || result == REWIND_FIXED) {
        leave(r, buf_cstr(&title), why, result == REWIND_FIXED);
    } else if (result == REWIND_SAME) {
        r->plan.unchanged++;
    } else {
        r->recreated += result == REWIND_RECREATED;
        r->done[step->action] += result == REWIND_DONE;
        r->definitions += step->action == REWIND_CREATE && is_definition(step->kind);
        if (!r->dry_run)
            (void)printf("%s %s\n", buf_cstr(&title), result == REWIND_RECREATED ? "recreated" : words[step->action]);
    }
}

static int summary(const struct rewind *r)
{
    const size_t *done = r->done;
    size_t changes = done[REWIND_UPDATE] + done[REWIND_CREATE] + done[REWIND_DELETE] + r->recreated;

    (void)printf("%s to revision %llu: %zu rewound, %zu created, %zu deleted, %zu recreated; %zu unchanged, %zu left "
                 "alone, %zu failed\n",
                 r->dry_run ? "would go" : "went", (unsigned long long)r->revision, done[REWIND_UPDATE],
                 done[REWIND_CREATE], done[REWIND_DELETE], r->recreated, r->plan.unchanged, r->left, r->failed);
    if (!r->dry_run && changes)
        (void)printf("it was revision %llu before: --to %llu undoes this\n", (unsigned long long)r->before,
                     (unsigned long long)r->before);
    if (r->dry_run && r->definitions && !r->named)
        (void)printf("what lay in the kinds that would come back is not shown\n");
    if (r->dry_run)
        return r->failed ? 2 : changes > 0;
    return r->failed > 0;
}

static int fail_before(const struct rewind *r, const struct error *err)
{
    (void)session_fail(err);
    if (err->code == ERROR_FORBIDDEN)
        (void)fprintf(
            stderr, "knarr rewind: nothing was changed; it needs the verbs 'history' and 'list' on every kind that is "
                    "rewound: name the kinds that you have them for\n");
    return r->dry_run ? 2 : 1;
}

/* Definitions that came back are served at once: what they held comes back behind them. */
static int plan_again(struct rewind *r, struct error *err)
{
    struct rewind_plan next = {.unchanged = r->plan.unchanged, .namespaces = r->plan.namespaces};
    size_t known = r->target_count;

    r->plan.namespaces = (struct map){0};
    rewind_plan_clear(&r->plan);
    r->plan = next;
    if (add_custom(r, err) < 0)
        return -(int)err->code;
    for (size_t i = known; i < r->target_count; i++)
        if (add_kind(r, &r->targets[i], err) < 0)
            return -(int)err->code;
    rewind_plan_sort(&r->plan);
    return 0;
}

static void take_steps(struct rewind *r)
{
    for (size_t i = 0; i < r->plan.count; i++)
        take_step(r, &r->plan.steps[i]);
}

static int run(struct rewind *r)
{
    ERROR_LOCAL(err);

    if (make_plan(r, &err) < 0)
        return fail_before(r, &err);
    take_steps(r);
    if (r->definitions && !r->named && !r->dry_run) {
        if (plan_again(r, &err) == 0)
            take_steps(r);
        else
            r->failed += session_fail(&err) != 0;
    }
    return summary(r);
}

void cli_rewind_help(FILE *to)
{
    (void)fprintf(
        to,
        "  --to REV|TIME    a revision, a time (2006-01-02T15:04:05Z), or how long ago (90s, 10m, 2h, 1d)\n"
        "  TYPE[/NAME]      only these; without any, all kinds of the namespace, also those that users defined\n"
        "  -n NAMESPACE     that of the kubeconfig when it is not given\n"
        "  -A               all namespaces, and without TYPE what lies in none, too\n"
        "  --dry-run        shows what would change as a diff; the server checks it and changes nothing\n"
        "  --recreate       deletes what cannot be changed, and makes it anew as it was\n"
        "\n"
        "Changed objects are updated, deleted ones created (with a new uid), newer ones deleted, each only as long as\n"
        "nobody else changes it meanwhile. Status stays, and what the cluster keeps in metadata; labels and "
        "annotations\n"
        "are rewound. Left alone are: what a controller owns (it follows), tokens, pods that had ended, kinds that "
        "say\n"
        "what was seen (events, leases, nodes, certificate requests), and what lies in a namespace that was made "
        "anew.\n"
        "An object whose fixed fields differ is left alone and counts as failed, unless --recreate is given.\n"
        "It goes on after a failure. Exit code: 0 done, 1 something failed, 2 wrong usage;\n"
        "with --dry-run: 0 nothing would change, 1 something would, 2 something would fail.\n"
        "The past is seen with the verb 'history', as far back as the server keeps it.\n");
}

int cli_rewind(int argc, char **argv)
{
    struct rewind r = {.revision = 0};
    const struct flag flags[] = {
        SESSION_FLAGS(r.kubeconfig),
        {"to", 0, FLAG_TEXT, &r.to},
        {"namespace", 'n', FLAG_TEXT, &r.namespace_},
        {"all-namespaces", 'A', FLAG_BOOL, &r.all},
        {"dry-run", 0, FLAG_BOOL, &r.dry_run},
        {"recreate", 0, FLAG_BOOL, &r.writer.recreate},
        {NULL, 0, FLAG_BOOL, NULL},
    };
    struct arguments arguments;
    ERROR_LOCAL(err);
    int code;

    if (!flags_parse(flags, argc, argv, &arguments))
        return 2;
    if (!r.to)
        return wrong_usage("say where to with --to", "");
    if (!read_to(&r))
        return wrong_usage("--to is a revision, a time or how long ago, not ", r.to);
    if (r.all && r.namespace_)
        return wrong_usage("either -n or -A", "");
    if (session_open(&r.session, r.kubeconfig, &err) < 0)
        return session_fail(&err);
    if ((code = read_targets(&r, &arguments))) {
        free(r.targets);
        session_close(&r.session);
        return code;
    }
    if (!r.namespace_)
        r.namespace_ = r.session.config.namespace_;
    r.writer.session = &r.session;
    r.writer.dry_run = r.dry_run;
    code = run(&r);
    rewind_writer_clear(&r.writer);
    rewind_plan_clear(&r.plan);
    free(r.targets);
    session_close(&r.session);
    return code;
}
