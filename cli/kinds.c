/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which kinds a command knows: the built-in ones, and those that the server tells of. It is asked once, and only when a
 * name is none of the built-in ones.
 */
#include <stdio.h>
#include <strings.h>

#include "api/custom.h"
#include "api/value.h"
#include "cli/session.h"

#define DISCOVERY "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

static void copy_member(struct value *to, const char *name, const struct value *from)
{
    if (from)
        value_set(to, name, value_copy(from));
}

static bool has_subresource(const struct value *resource, const char *name)
{
    const struct value *all = value_get(resource, "subresources");

    for (size_t i = 0; i < value_count(all); i++)
        if (slice_is(value_string(value_get(value_at(all, i), "subresource")), name))
            return true;
    return false;
}

/* A resource as the definition that it would come from, so that it becomes a kind as any other. */
static struct custom_kind *kind_of_resource(const struct value *group, const struct value *version,
                                            const struct value *resource)
{
    static const char *const subresources[] = {"status", "scale"};
    struct value *definition CLEANUP_VALUE = value_new_object();
    struct value *spec = value_need_object(definition, "spec");
    struct value *names = value_need_object(spec, "names");
    struct value *own = value_new_object();

    value_append(value_need_array(spec, "versions"), own);
    copy_member(spec, "group", value_path(group, "metadata", "name", NULL));
    copy_member(spec, "scope", value_get(resource, "scope"));
    copy_member(names, "plural", value_get(resource, "resource"));
    copy_member(names, "singular", value_get(resource, "singularResource"));
    copy_member(names, "kind", value_path(resource, "responseKind", "kind", NULL));
    copy_member(names, "shortNames", value_get(resource, "shortNames"));
    copy_member(own, "name", value_get(version, "version"));
    for (size_t i = 0; i < ARRAY_SIZE(subresources); i++)
        if (has_subresource(resource, subresources[i]))
            (void)value_need_object(value_need_object(own, "subresources"), subresources[i]);
    return custom_kind_head(definition, own);
}

static bool kinds_have(const struct session *s, struct slice group, struct slice version, struct slice plural)
{
    for (size_t i = 0; i < s->kind_count; i++) {
        const struct schema_kind *kind = custom_kind_schema(s->kinds[i]);

        if (slice_is(plural, kind->plural) && slice_is(group, kind->group) &&
            (!version.data || slice_is(version, kind->version)))
            return true;
    }
    return false;
}

static void kinds_add_version(struct session *s, const struct value *group, const struct value *version)
{
    const struct value *resources = value_get(version, "resources");

    for (size_t i = 0; i < value_count(resources); i++) {
        const struct value *r = value_at(resources, i);
        struct slice name = value_string(value_path(group, "metadata", "name", NULL));
        struct slice of = value_string(value_get(version, "version"));
        struct slice plural = value_string(value_get(r, "resource"));

        if (schema_find_resource(name, of, plural) || kinds_have(s, name, of, plural))
            continue;
        s->kinds = mem_grow(s->kinds, &s->kind_cap, s->kind_count + 1, sizeof(struct custom_kind *));
        s->kinds[s->kind_count++] = kind_of_resource(group, version, r);
    }
}

int session_ask_kinds(struct session *s, struct error *err)
{
    const struct client_request request = {.method = "GET", .path = "/apis", .accept = DISCOVERY};
    struct value *answer CLEANUP_VALUE = NULL;
    const struct value *groups;
    BUF_LOCAL(body);
    int r = session_call(s, &request, &body, err);

    if (r < 0)
        return r;
    s->asked = true;
    answer = value_parse(buf_slice(&body), NULL);
    groups = value_get(answer, "items");
    for (size_t i = 0; i < value_count(groups); i++) {
        const struct value *versions = value_get(value_at(groups, i), "versions");

        for (size_t k = 0; k < value_count(versions); k++)
            kinds_add_version(s, value_at(groups, i), value_at(versions, k));
    }
    return 0;
}

static int kinds_ask(struct session *s, struct error *err)
{
    return s->asked ? 0 : session_ask_kinds(s, err);
}

const struct schema_kind *session_next_kind(const struct session *s, size_t *at)
{
    while (*at < s->kind_count) {
        const struct schema_kind *kind = custom_kind_schema(s->kinds[*at]);
        struct session before = {.kinds = s->kinds, .kind_count = (*at)++};

        /* Versions of one resource stand in the order in which the server prefers them. */
        if (!kinds_have(&before, slice_str(kind->group), SLICE_NONE, slice_str(kind->plural)))
            return kind;
    }
    return NULL;
}

void session_forget_kinds(struct session *s)
{
    for (size_t i = 0; i < s->kind_count; i++)
        custom_kind_unref(s->kinds[i]);
    free(s->kinds);
}

static bool name_matches(const struct schema_kind *kind, const char *text)
{
    size_t plain = strcspn(text, ".");

    if (text[plain] && strcmp(text + plain + 1, kind->group) != 0)
        return false;
    char *name CLEANUP_FREE = mem_strndup(text, plain);
    if (!strcasecmp(name, kind->plural) || !strcasecmp(name, kind->singular) || !strcasecmp(name, kind->kind))
        return true;
    for (const char *const *s = kind->short_names; s && *s; s++)
        if (!strcasecmp(name, *s))
            return true;
    return false;
}

const struct schema_kind *session_kind(struct session *s, const char *text)
{
    size_t count;
    const struct schema_kind *const *kinds = schema_kinds(&count);
    ERROR_LOCAL(err);

    for (size_t i = 0; i < count; i++)
        if (schema_is_stored(kinds[i]) && !kinds[i]->no_metadata && name_matches(kinds[i], text))
            return kinds[i];
    if (kinds_ask(s, &err) < 0) {
        (void)session_fail(&err);
        return NULL;
    }
    for (size_t i = 0; i < s->kind_count; i++)
        if (name_matches(custom_kind_schema(s->kinds[i]), text))
            return custom_kind_schema(s->kinds[i]);
    (void)fprintf(stderr, "error: the server doesn't have a resource type \"%s\"\n", text);
    return NULL;
}

int session_find_kind(struct session *s, const char *api_version, const char *name, const struct schema_kind **ret_kind,
                      struct error *err)
{
    struct slice group, version;
    int r;

    schema_split_api_version(slice_str(api_version), &group, &version);
    *ret_kind = schema_find_kind(group, version, slice_str(name));
    if (*ret_kind)
        return 0;
    if (s && (r = kinds_ask(s, err)) < 0)
        return r;
    for (size_t i = 0; s && i < s->kind_count; i++) {
        const struct schema_kind *kind = custom_kind_schema(s->kinds[i]);

        if (slice_is(group, kind->group) && slice_is(version, kind->version) && !strcmp(name, kind->kind)) {
            *ret_kind = kind;
            return 0;
        }
    }
    return error_set(err, ERROR_BAD_REQUEST, "no matches for kind \"%s\" in version \"%s\"", name, api_version);
}
