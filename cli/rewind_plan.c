/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/rewind_plan.h"

/* Values of the map of namespaces: addresses that say what became of one. */
static const char namespace_again[] = "its namespace was made anew since then";
static const char namespace_new[] = "it goes with its namespace";

const char *rewind_step_name(const struct rewind_step *step)
{
    return value_str(value_path(step->then ? step->then : step->now, "metadata", "name", NULL));
}

const char *rewind_step_namespace(const struct rewind_step *step)
{
    return value_str(value_path(step->then ? step->then : step->now, "metadata", "namespace", NULL));
}

bool rewind_kind_fits(const struct schema_kind *kind)
{
    const unsigned needed = SCHEMA_VERB_LIST | SCHEMA_VERB_CREATE | SCHEMA_VERB_UPDATE | SCHEMA_VERB_DELETE;

    return schema_is_stored(kind) && !kind->no_metadata && !kind->observed && kind->history == SCHEMA_HISTORY_FULL &&
           (kind->verbs & needed) == needed;
}

/* Whether it is a kind of ours: users may use the same word for theirs. */
static bool is_ours(const struct schema_kind *kind, const char *plural)
{
    return !kind->custom && !strcmp(kind->plural, plural);
}

/* ---- order ---- */

/* What others need comes first. Namespaces, what else lies in none (definitions before what they define), identities
 * and what pods read, rights; then all that has no place of its own; then what makes pods, then pods; and last what is
 * owned by another of these. */
static unsigned rank(const struct rewind_step *step)
{
    static const char *const first[] = {"",      "serviceaccounts",     "configmaps",  "secrets", "clusterroles",
                                        "roles", "clusterrolebindings", "rolebindings"};
    const struct schema_kind *kind = step->kind;

    if (step->action == REWIND_CREATE && value_count(value_path(step->then, "metadata", "ownerReferences", NULL)))
        return 100;
    if (kind->custom)
        return kind->namespaced ? 50 : 2;
    if (is_ours(kind, "namespaces"))
        return 0;
    for (unsigned i = 1; i < ARRAY_SIZE(first); i++)
        if (is_ours(kind, first[i]))
            return 2 + i;
    if (is_ours(kind, "pods"))
        return 52;
    if (schema_find_path(kind->type, "spec.template"))
        return 51;
    return kind->namespaced ? 50 : 1;
}

static int step_order(const void *a, const void *b)
{
    const struct rewind_step *x = a, *y = b;
    bool x_goes = x->action == REWIND_DELETE, y_goes = y->action == REWIND_DELETE;
    unsigned x_rank = rank(x), y_rank = rank(y);

    if (x_goes != y_goes)
        return x_goes ? -1 : 1;
    if (x_rank != y_rank)
        return (x_rank < y_rank) == x_goes ? 1 : -1;
    return x->number < y->number ? -1 : x->number > y->number;
}

void rewind_plan_sort(struct rewind_plan *plan)
{
    if (plan->count)
        qsort(plan->steps, plan->count, sizeof(*plan->steps), step_order);
}

/* ---- what is left alone ---- */

/* Endpoints have no owner; a label says who makes them. */
static char *owner_of(const struct value *object)
{
    const struct value *owners = value_path(object, "metadata", "ownerReferences", NULL);
    struct slice maker =
        value_string(value_path(object, "metadata", "labels", "endpoints.kubernetes.io/managed-by", NULL));

    for (size_t i = 0; i < value_count(owners); i++) {
        const struct value *owner = value_at(owners, i);

        if (value_bool(value_get(owner, "controller")))
            return mem_printf("owned by %s %s", value_str(value_get(owner, "kind")),
                              value_str(value_get(owner, "name")));
    }
    return maker.len ? mem_printf("made by %.*s", SLICE_ARGS(maker)) : NULL;
}

/* Tokens: a join token that was used up or revoked must not work again, and an account's token names a uid that does
 * not come back. */
static bool is_credential(const struct schema_kind *kind, const struct value *object)
{
    static const char *const types[] = {"bootstrap.kubernetes.io/token", "kubernetes.io/service-account-token"};
    struct slice type = value_string(value_get(object, "type"));

    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (!*kind->group && !strcmp(kind->kind, "Secret") && slice_is(type, types[i]))
            return true;
    return false;
}

static bool has_ended(const struct schema_kind *kind, const struct value *object)
{
    struct slice phase = value_string(value_path(object, "status", "phase", NULL));

    return is_ours(kind, "pods") && (slice_is(phase, "Succeeded") || slice_is(phase, "Failed"));
}

/* A namespace that is another one than then. */
static bool is_made_again(const struct rewind_plan *plan, const struct rewind_step *step)
{
    return is_ours(step->kind, "namespaces") &&
           map_get(&plan->namespaces, slice_str(rewind_step_name(step))) == namespace_again;
}

/* NULL when nothing speaks against it; the caller frees. */
static char *reason_to_leave(const struct rewind_plan *plan, const struct rewind_step *step)
{
    const char *ns = rewind_step_namespace(step);
    const char *place = ns ? map_get(&plan->namespaces, slice_str(ns)) : NULL;
    char *owner = NULL;

    if (place)
        return mem_strdup(place);
    if (is_made_again(plan, step))
        return mem_strdup("it was made anew since then, and what it held before is not its own");
    if ((owner = owner_of(step->now)) || (owner = owner_of(step->then)))
        return owner;
    if (is_credential(step->kind, step->then) || is_credential(step->kind, step->now))
        return mem_strdup("a token; make a new one");
    if (!step->now && has_ended(step->kind, step->then))
        return mem_strdup("it had ended");
    return NULL;
}

/* ---- steps ---- */

static bool is_going(const struct value *object)
{
    return value_path(object, "metadata", "deletionTimestamp", NULL);
}

static void add_step(struct rewind_plan *plan, const struct rewind_step *step)
{
    plan->steps = mem_grow(plan->steps, &plan->cap, plan->count + 1, sizeof(*plan->steps));
    plan->steps[plan->count] = *step;
    plan->steps[plan->count].number = plan->count;
    plan->count++;
}

/* One object of which at least one side is there. */
static void add_object(struct rewind_plan *plan, const struct schema_kind *kind, const struct value *then,
                       const struct value *now)
{
    struct rewind_step step = {.kind = kind, .then = then, .now = now};

    if ((!now && is_going(then)) || (!then && is_going(now)))
        return; /* then it was about to go, or now it is */
    if (then && now && !is_going(now) && rewind_same(kind, then, now) && !is_made_again(plan, &step)) {
        plan->unchanged++;
        return;
    }
    step.action = !now ? REWIND_CREATE : then ? REWIND_UPDATE : REWIND_DELETE;
    step.why = reason_to_leave(plan, &step);
    if (!step.why && then && is_going(then))
        step.why = mem_strdup("it was being deleted then");
    if (!step.why && now && is_going(now)) {
        step.why = mem_strdup("it is being deleted; rewind again when it is gone");
        step.failed = true;
    }
    if (step.why)
        step.action = REWIND_LEAVE;
    add_step(plan, &step);
}

static void keep_tree(struct rewind_plan *plan, struct value *tree)
{
    plan->trees = mem_grow(plan->trees, &plan->tree_cap, plan->tree_count + 1, sizeof(struct value *));
    plan->trees[plan->tree_count++] = tree;
}

static char *key_of(const struct value *object)
{
    const char *ns = value_str(value_path(object, "metadata", "namespace", NULL));

    return mem_printf("%s/%s", ns ? ns : "", value_str(value_path(object, "metadata", "name", NULL)));
}

static void index_objects(struct map *map, const struct value *list)
{
    for (size_t i = 0; i < value_count(list); i++) {
        char *key CLEANUP_FREE = key_of(value_at(list, i));

        (void)map_put(map, slice_str(key), value_at(list, i));
    }
}

void rewind_plan_namespaces(struct rewind_plan *plan, const struct value *then, const struct value *now, bool rewound)
{
    struct map before = {.cap = 0};

    index_objects(&before, then);
    for (size_t i = 0; i < value_count(now); i++) {
        const struct value *object = value_at(now, i);
        struct slice name = value_string(value_path(object, "metadata", "name", NULL));
        char *key CLEANUP_FREE = key_of(object);
        const struct value *was = map_get(&before, slice_str(key));
        bool same = was &&
                    value_equal(value_path(was, "metadata", "uid", NULL), value_path(object, "metadata", "uid", NULL));

        if (was && !same)
            (void)map_put(&plan->namespaces, name, (void *)namespace_again);
        else if (!was && rewound)
            (void)map_put(&plan->namespaces, name, (void *)namespace_new);
    }
    map_clear(&before, NULL);
}

void rewind_plan_add(struct rewind_plan *plan, const struct schema_kind *kind, struct value *then, struct value *now)
{
    struct map present = {.cap = 0};

    keep_tree(plan, then);
    keep_tree(plan, now);
    index_objects(&present, now);
    for (size_t i = 0; i < value_count(then); i++) {
        char *key CLEANUP_FREE = key_of(value_at(then, i));

        add_object(plan, kind, value_at(then, i), map_remove(&present, slice_str(key)));
    }
    /* In their own order, not in the map's. */
    for (size_t i = 0; i < value_count(now); i++) {
        char *key CLEANUP_FREE = key_of(value_at(now, i));

        if (map_get(&present, slice_str(key)))
            add_object(plan, kind, NULL, value_at(now, i));
    }
    map_clear(&present, NULL);
}

void rewind_plan_clear(struct rewind_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        free(plan->steps[i].why);
    for (size_t i = 0; i < plan->tree_count; i++)
        value_free(plan->trees[i]);
    free(plan->steps);
    free(plan->trees);
    map_clear(&plan->namespaces, NULL);
    memset(plan, 0, sizeof(*plan));
}
