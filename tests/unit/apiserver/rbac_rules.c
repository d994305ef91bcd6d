/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiled index against a model that was written from the documentation alone: roles and bindings are drawn, then
 * every verb on every resource by every subject is asked of both. And comparing rules against trying every right there
 * is: a set holds another when whatever the other allows, it allows.
 */
#include "tests/unit/test.h"

#include <stdio.h>

#include "apiserver/rbac_index.h"

/* "other" texts stand in no rule: what holds for them holds for everything unnamed. */
static const char *const verbs[] = {"get", "list", "create", "delete", "other"};
static const char *const groups[] = {"", "apps", "other"};
static const char *const resources[] = {"pods",    "pods/log",          "pods/other",
                                        "secrets", "deployments/scale", "other/scale"};
static const char *const names[] = {"", "a", "other"};
static const char *const places[] = {"", "n1", "n2"};
static const char *const paths[] = {"/api", "/api/v1", "/apis", "/healthz", "/other"};

static const char *const rule_verbs[] = {"get", "list", "create", "*"};
static const char *const rule_groups[] = {"", "apps", "*"};
static const char *const rule_resources[] = {"pods", "pods/log", "secrets", "*/scale", "deployments/scale", "*"};
static const char *const rule_names[] = {"a", "b"};
static const char *const rule_paths[] = {"/api", "/api/*", "/api*", "/healthz", "*"};

static uint64_t seed;

static unsigned draw(unsigned below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % below;
}

/* ---- the model ----------------------------------------------------------------------------------------------------
 */

#define MODEL_LIST 3
struct model_rule {
    const char *verbs[MODEL_LIST], *groups[MODEL_LIST], *resources[MODEL_LIST], *names[MODEL_LIST], *paths[MODEL_LIST];
};
struct model_role {
    const char *place; /* "" = ClusterRole */
    unsigned number;
    struct model_rule rules[2];
};
struct model_binding {
    const char *place;
    unsigned number;
    const struct model_role *role; /* NULL = it names one that is not there */
    char subject;                  /* 'U', 'G', 'S' */
    const char *name;
};
struct model {
    struct model_role roles[8];
    struct model_binding bindings[14];
};

struct cell {
    const char *verb, *group, *resource, *name, *place, *path; /* resource NULL = a path */
};

static bool model_in(const char *const *list, const char *text, bool star)
{
    for (size_t i = 0; i < MODEL_LIST && list[i]; i++)
        if (!strcmp(list[i], text) || (star && !strcmp(list[i], "*")))
            return true;
    return false;
}

static bool model_resource(const char *const *list, const char *resource)
{
    const char *slash = strchr(resource, '/');
    char any[64];

    (void)snprintf(any, sizeof(any), "*%s", slash ? slash : "");
    return model_in(list, resource, true) || (slash && model_in(list, any, false));
}

static bool model_path(const char *const *list, const char *path)
{
    for (size_t i = 0; i < MODEL_LIST && list[i]; i++) {
        size_t len = strlen(list[i]);

        if (list[i][len - 1] == '*' ? !strncmp(path, list[i], len - 1) : !strcmp(path, list[i]))
            return true;
    }
    return false;
}

static bool model_rule_allows(const struct model_rule *r, const struct cell *c)
{
    if (!model_in(r->verbs, c->verb, true))
        return false;
    if (!c->resource)
        return model_path(r->paths, c->path);
    return model_in(r->groups, c->group, true) && model_resource(r->resources, c->resource) &&
           (!r->names[0] || model_in(r->names, c->name, false));
}

static bool model_is_subject(const struct model_binding *b, const struct user *user)
{
    char account[64];

    (void)snprintf(account, sizeof(account), "system:serviceaccount:n1:%s", b->name);
    if (b->subject == 'U')
        return !strcmp(b->name, user->name);
    if (b->subject == 'S')
        return !strcmp(account, user->name);
    for (size_t i = 0; i < user->group_count; i++)
        if (!strcmp(user->groups[i], b->name))
            return true;
    return false;
}

static bool model_allows(const struct model *m, const struct user *user, const struct cell *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(m->bindings); i++) {
        const struct model_binding *b = &m->bindings[i];

        if ((*b->place && strcmp(b->place, c->place) != 0) || !b->role || !model_is_subject(b, user))
            continue;
        for (size_t r = 0; r < ARRAY_SIZE(b->role->rules); r++)
            if (model_rule_allows(&b->role->rules[r], c))
                return true;
    }
    return false;
}

/* ---- drawing and writing it ---------------------------------------------------------------------------------------
 */

static void draw_list(const char **list, const char *const *from, size_t count, bool may_be_empty)
{
    size_t n = draw(MODEL_LIST + (may_be_empty ? 1 : 0)) + (may_be_empty ? 0 : 1);

    for (size_t i = 0; i < n; i++)
        list[i] = from[draw((unsigned)count)];
}

static struct model_rule draw_rule(bool cluster)
{
    struct model_rule r = {0};

    draw_list(r.verbs, rule_verbs, ARRAY_SIZE(rule_verbs), false);
    if (cluster && draw(4) == 0) {
        draw_list(r.paths, rule_paths, ARRAY_SIZE(rule_paths), false);
        return r;
    }
    draw_list(r.groups, rule_groups, ARRAY_SIZE(rule_groups), false);
    draw_list(r.resources, rule_resources, ARRAY_SIZE(rule_resources), false);
    if (draw(3) == 0)
        draw_list(r.names, rule_names, ARRAY_SIZE(rule_names), true);
    return r;
}

static void draw_model(struct model *m)
{
    static const char *const users[] = {"joe", "ann"};
    static const char *const some_groups[] = {"dev", "ops"};

    for (size_t i = 0; i < ARRAY_SIZE(m->roles); i++) {
        m->roles[i] = (struct model_role){.place = places[draw(ARRAY_SIZE(places))], .number = (unsigned)i};
        for (size_t r = 0; r < ARRAY_SIZE(m->roles[i].rules); r++)
            m->roles[i].rules[r] = draw_rule(!*m->roles[i].place);
    }
    for (size_t i = 0; i < ARRAY_SIZE(m->bindings); i++) {
        struct model_binding *b = &m->bindings[i];
        const struct model_role *role = &m->roles[draw(ARRAY_SIZE(m->roles))];

        *b = (struct model_binding){.number = (unsigned)i, .subject = "UGS"[draw(3)], .role = role};
        b->place = *role->place ? role->place : places[draw(ARRAY_SIZE(places))];
        b->name = b->subject == 'G' ? some_groups[draw(2)] : b->subject == 'S' ? "bot" : users[draw(2)];
        if (draw(8) == 0)
            b->role = NULL;
    }
}

static void write_list(struct buf *out, const char *name, const char *const *list)
{
    buf_printf(out, "%s\"%s\":[", out->data[out->len - 1] == '{' ? "" : ",", name);
    for (size_t i = 0; i < MODEL_LIST && list[i]; i++)
        buf_printf(out, "%s\"%s\"", i ? "," : "", list[i]);
    buf_append_byte(out, ']');
}

static void write_rules(struct buf *out, const struct model_rule *rules, size_t count)
{
    buf_append_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_append_str(out, i ? ",{" : "{");
        write_list(out, "verbs", rules[i].verbs);
        write_list(out, "apiGroups", rules[i].groups);
        write_list(out, "resources", rules[i].resources);
        write_list(out, "resourceNames", rules[i].names);
        write_list(out, "nonResourceURLs", rules[i].paths);
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, ']');
}

static struct rbac_index *make_index(const struct model *m)
{
    struct rbac_index *index = rbac_index_new();

    for (size_t i = 0; i < ARRAY_SIZE(m->roles); i++) {
        const struct model_role *r = &m->roles[i];
        BUF_LOCAL(json);

        buf_printf(&json, "{\"metadata\":{\"name\":\"r%u\",\"namespace\":\"%s\"},\"rules\":", r->number, r->place);
        write_rules(&json, r->rules, ARRAY_SIZE(r->rules));
        buf_append_byte(&json, '}');
        rbac_index_add(index, *r->place ? RBAC_ROLE : RBAC_CLUSTER_ROLE, buf_slice(&json));
    }
    for (size_t i = 0; i < ARRAY_SIZE(m->bindings); i++) {
        const struct model_binding *b = &m->bindings[i];
        BUF_LOCAL(json);

        buf_printf(
            &json,
            "{\"metadata\":{\"name\":\"b%u\",\"namespace\":\"%s\"},\"roleRef\":{\"kind\":\"%s\",\"name\":\"r%u\"}"
            ",\"subjects\":[{\"kind\":\"%s\",\"name\":\"%s\"%s}]}",
            b->number, b->place, b->role && *b->role->place ? "Role" : "ClusterRole", b->role ? b->role->number : 99,
            b->subject == 'U'   ? "User"
            : b->subject == 'G' ? "Group"
                                : "ServiceAccount",
            b->name, b->subject == 'S' ? ",\"namespace\":\"n1\"" : "");
        rbac_index_add(index, *b->place ? RBAC_BINDING : RBAC_CLUSTER_BINDING, buf_slice(&json));
    }
    rbac_index_finish(index);
    return index;
}

/* ---- the matrix ---------------------------------------------------------------------------------------------------
 */

static struct rbac_ask ask_of(const struct cell *c)
{
    struct slice rest = slice_str(c->resource ? c->resource : "");
    struct rbac_ask ask = {.is_resource = c->resource,
                           .verb = slice_str(c->verb),
                           .group = slice_str(c->group),
                           .name = slice_str(c->name),
                           .path = slice_str(c->path)};

    (void)slice_split(&rest, '/', &ask.resource);
    ask.subresource = rest;
    return ask;
}

static bool try_grant(void *arg, const struct rbac_grant *grant)
{
    const struct rbac_rules *rules = grant->binding->rules;

    for (size_t i = 0; rules && i < rules->count; i++)
        if (rbac_rule_allows(&rules->items[i], arg))
            return true;
    return false;
}

static bool next_cell(size_t *at, struct cell *ret)
{
    size_t i = *at;
    size_t all =
        ARRAY_SIZE(verbs) * ARRAY_SIZE(groups) * ARRAY_SIZE(resources) * ARRAY_SIZE(names) * ARRAY_SIZE(places);

    (*at)++;
    if (i >= all) {
        i -= all;
        *ret = (struct cell){verbs[i % ARRAY_SIZE(verbs)], "", NULL, "", "", ""};
        i /= ARRAY_SIZE(verbs);
        if (i >= ARRAY_SIZE(paths))
            return false;
        ret->path = paths[i];
        return true;
    }
    *ret = (struct cell){.verb = verbs[i % ARRAY_SIZE(verbs)], .path = ""};
    i /= ARRAY_SIZE(verbs);
    ret->group = groups[i % ARRAY_SIZE(groups)];
    i /= ARRAY_SIZE(groups);
    ret->resource = resources[i % ARRAY_SIZE(resources)];
    i /= ARRAY_SIZE(resources);
    ret->name = names[i % ARRAY_SIZE(names)];
    i /= ARRAY_SIZE(names);
    ret->place = places[i];
    return true;
}

static const char *const dev[] = {"dev"};
static const char *const ops_dev[] = {"ops", "dev"};
static const char *const none[] = {"nobody"};
static const struct user people[] = {
    {"joe", "", none, 1},
    {"joe", "", dev, 1},
    {"ann", "", ops_dev, 2},
    {"bob", "", none, 1},
    {"system:serviceaccount:n1:bot", "", none, 1},
    {"system:serviceaccount:n2:bot", "", none, 1},
};

static void test_matrix(void **state)
{
    struct model m;
    size_t cells = 0;
    size_t allowed = 0;

    for (unsigned round = 0; round < 14; round++) {
        struct rbac_index *index;

        seed = 1000 + round;
        draw_model(&m);
        index = make_index(&m);
        for (size_t p = 0; p < ARRAY_SIZE(people); p++) {
            struct cell c;

            for (size_t at = 0; next_cell(&at, &c); cells++) {
                struct rbac_ask ask = ask_of(&c);
                bool is = rbac_index_visit(index, &people[p], c.place, try_grant, &ask);

                allowed += is;
                if (is != model_allows(&m, &people[p], &c))
                    fail_msg("round %u: %s %s %s/%s \"%s\" in \"%s\" %s: %d", round, people[p].name, c.verb, c.group,
                             c.resource ? c.resource : "-", c.name, c.place, c.path, is);
            }
        }
        rbac_index_unref(index);
    }
    assert_true(cells >= 50000);
    assert_true(allowed > 500); /* the draw is not all refusals */
}

/* ---- comparing ----------------------------------------------------------------------------------------------------
 */

static struct rbac_rules read_rules(struct pool *pool, const struct model_rule *rules, size_t count)
{
    struct value *tree CLEANUP_VALUE = NULL;
    BUF_LOCAL(json);

    write_rules(&json, rules, count);
    tree = value_parse(buf_slice(&json), NULL);
    assert_non_null(tree);
    return rbac_rules_read(pool, tree);
}

static bool any_allows(const struct model_rule *rules, size_t count, const struct cell *c)
{
    for (size_t i = 0; i < count; i++)
        if (model_rule_allows(&rules[i], c))
            return true;
    return false;
}

/* Every right that `asked` names: its own texts as they stand, "*" by the "other" that is in the lists. */
static bool model_covers(const struct model_rule *held, size_t held_count, const struct model_rule *asked, size_t count)
{
    static const char *const more_names[] = {"", "a", "b", "other"};
    static const char *const more_resources[] = {
        "pods", "pods/log", "pods/other", "secrets", "deployments/scale", "other/scale", "other"};
    static const char *const more_paths[] = {"/api",      "/api/",    "/api/v1", "/apis",
                                             "/apiother", "/healthz", "/other",  "x"};

    for (size_t v = 0; v < ARRAY_SIZE(verbs); v++) {
        for (size_t p = 0; p < ARRAY_SIZE(more_paths); p++) {
            const struct cell c = {verbs[v], "", NULL, "", "", more_paths[p]};

            if (any_allows(asked, count, &c) && !any_allows(held, held_count, &c))
                return false;
        }
        for (size_t i = 0; i < ARRAY_SIZE(groups) * ARRAY_SIZE(more_resources) * ARRAY_SIZE(more_names); i++) {
            const struct cell c = {verbs[v],
                                   groups[i % 3],
                                   more_resources[i / 3 % ARRAY_SIZE(more_resources)],
                                   more_names[i / 3 / ARRAY_SIZE(more_resources)],
                                   "",
                                   ""};

            if (any_allows(asked, count, &c) && !any_allows(held, held_count, &c))
                return false;
        }
    }
    return true;
}

static void test_cover(void **state)
{
    size_t covered = 0;

    for (seed = 7; covered < 40;) {
        struct pool *pool CLEANUP_POOL = pool_new();
        struct model_rule held[4];
        struct model_rule asked[2];
        enum rbac_cover is;
        BUF_LOCAL(missing);

        for (size_t i = 0; i < ARRAY_SIZE(held); i++)
            held[i] = draw_rule(true);
        for (size_t i = 0; i < ARRAY_SIZE(asked); i++)
            asked[i] = draw_rule(true);
        is = rbac_rules_cover(read_rules(pool, held, ARRAY_SIZE(held)), read_rules(pool, asked, ARRAY_SIZE(asked)),
                              &missing);
        if ((is == RBAC_COVERED) != model_covers(held, ARRAY_SIZE(held), asked, ARRAY_SIZE(asked))) {
            write_rules(&missing, held, ARRAY_SIZE(held));
            write_rules(&missing, asked, ARRAY_SIZE(asked));
            fail_msg("%d: %s", is, buf_cstr(&missing));
        }
        assert_int_equal(is == RBAC_COVERED, missing.len == 0);
        covered += is == RBAC_COVERED;
    }
}

static enum rbac_cover cover(const char *held, const char *asked, struct buf *missing)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct value *h CLEANUP_VALUE = value_parse(slice_str(held), NULL);
    struct value *a CLEANUP_VALUE = value_parse(slice_str(asked), NULL);

    assert_non_null(h);
    assert_non_null(a);
    return rbac_rules_cover(rbac_rules_read(pool, h), rbac_rules_read(pool, a), missing);
}

static void test_missing_words(void **state)
{
    BUF_LOCAL(missing);

    assert_int_equal(
        cover("[{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\"]}]",
              "[{\"verbs\":[\"list\",\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"secrets\",\"pods\"]},"
              "{\"verbs\":[\"delete\",\"list\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\"]},"
              "{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"nodes\"],\"resourceNames\":[\"a\"]},"
              "{\"verbs\":[\"*\"],\"nonResourceURLs\":[\"*\"]}]",
              &missing),
        RBAC_NOT_COVERED);
    assert_string_equal(buf_cstr(&missing),
                        "{APIGroups:[\"\"], Resources:[\"nodes\"], ResourceNames:[\"a\"], Verbs:[\"get\"]}\n"
                        "{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"list\" \"delete\"]}\n"
                        "{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"list\" \"get\"]}\n"
                        "{NonResourceURLs:[\"*\"], Verbs:[\"*\"]}");
}

/* 40^4 combinations would take a front minutes. */
static void test_too_many(void **state)
{
    BUF_LOCAL(list);
    BUF_LOCAL(rules);
    BUF_LOCAL(missing);

    for (int i = 0; i < 40; i++)
        buf_printf(&list, "%s\"t%d\"", i ? "," : "", i);
    buf_printf(&rules, "[{\"verbs\":[%s],\"apiGroups\":[%s],\"resources\":[%s],\"resourceNames\":[%s]}]",
               buf_cstr(&list), buf_cstr(&list), buf_cstr(&list), buf_cstr(&list));
    assert_int_equal(cover("[]", buf_cstr(&rules), &missing), RBAC_COVER_TOO_MANY);
    assert_int_equal(
        cover("[{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"]}]", buf_cstr(&rules), &missing),
        RBAC_COVERED);
}

/* What cannot be read, and subjects of kinds that are not known, give nothing. */
static void test_strange_objects(void **state)
{
    struct rbac_index *index = rbac_index_new();
    struct pool *pool CLEANUP_POOL = pool_new();
    const struct rbac_grant *grants;

    rbac_index_add(
        index, RBAC_CLUSTER_ROLE,
        SLICE_LIT("{\"metadata\":{\"name\":\"r\"},\"rules\":[{\"verbs\":[\"*\"],\"nonResourceURLs\":[\"*\"]}]}"));
    rbac_index_add(index, RBAC_CLUSTER_BINDING, SLICE_LIT("{"));
    rbac_index_add(
        index, RBAC_CLUSTER_BINDING,
        SLICE_LIT("{\"metadata\":{\"name\":\"b\"},\"roleRef\":{\"kind\":\"ClusterRole\",\"name\":\"r\"},"
                  "\"subjects\":[{\"kind\":\"Robot\",\"name\":\"joe\"},{\"kind\":\"ServiceAccount\",\"name\":"
                  "\"joe\"},7]}"));
    rbac_index_add(
        index, RBAC_CLUSTER_BINDING,
        SLICE_LIT("{\"metadata\":{\"name\":\"c\"},\"roleRef\":{\"kind\":\"Role\",\"name\":\"r\"},\"subjects\":[{"
                  "\"kind\":\"User\",\"name\":\"joe\"},{\"kind\":\"Group\",\"name\":\"dev\"}]}"));
    rbac_index_finish(index);
    assert_int_equal(rbac_index_grants(index, pool, &people[1], "", &grants), 1); /* twice named, one binding */
    assert_string_equal(grants[0].binding->name, "c");
    assert_null(grants[0].binding->rules); /* a cluster binding cannot name a Role */
    assert_int_equal(rbac_index_rules(index, pool, &people[1], "n1").count, 0);
    rbac_index_unref(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),   cmocka_unit_test(test_cover),           cmocka_unit_test(test_missing_words),
        cmocka_unit_test(test_too_many), cmocka_unit_test(test_strange_objects),
    };

    value_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
