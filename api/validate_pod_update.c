/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an update of a pod may change: images, a shorter deadline, more tolerations, fewer scheduling gates; a binding
 * also gives it its node. Both specs are compared but for that; only what is refused is copied, to be told.
 */
#include "api/validate_internal.h"

#define ONLY                                                                                                           \
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"          \
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"                        \
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
#define CHANGED_SHOWN 20

static const char *const lists[] = {"containers", "initContainers"};

static void check_deadline_change(struct validator *v, const struct vpath *at, const struct value *now,
                                  const struct value *before)
{
    if (!before)
        return;
    if (!now)
        report_invalid(v, at, NULL, "must not update from a positive integer to nil value");
    else if (value_int(now) > value_int(before))
        report_invalid(v, at, now, "must be less than or equal to previous value");
}

/* Names that are left out of a comparison. */
struct names {
    const char *names[8];
    size_t count;
};

static bool names_have(const struct names *n, struct slice name)
{
    for (size_t i = 0; i < n->count; i++)
        if (slice_is(name, n->names[i]))
            return true;
    return false;
}

static void names_add(struct names *n, const char *name)
{
    n->names[n->count++] = name;
}

/* Whether the two objects have the same members with the same values, but for those names. */
static bool equal_but(const struct value *a, const struct value *b, const struct names *but)
{
    struct value_iter it = value_iter_start(a);
    size_t others = 0;
    struct slice name;
    struct value *member;

    while (value_iter_next(&it, &name, &member))
        if (!names_have(but, name)) {
            if (!value_equal(member, value_get_slice(b, name)))
                return false;
            others++;
        }
    it = value_iter_start(b);
    while (value_iter_next(&it, &name, &member))
        others -= !names_have(but, name);
    return others == 0;
}

static bool has_toleration(const struct value *list, const struct value *wanted)
{
    static const struct names may_change = {{"tolerationSeconds"}, 1};

    for (size_t i = 0; i < value_count(list); i++)
        if (equal_but(value_at(list, i), wanted, &may_change))
            return true;
    return false;
}

static void check_toleration_change(struct validator *v, const struct vpath *at, const struct value *now,
                                    const struct value *before)
{
    for (size_t i = 0; i < value_count(before) && i < 1000; i++)
        if (!has_toleration(now, value_at(before, i))) {
            report_forbidden(v, at, "existing toleration can not be modified except its tolerationSeconds");
            return;
        }
}

/* Containers may have other images; they are as many. */
static bool equal_containers(const struct value *now, const struct value *before)
{
    static const struct names may_change = {{"image"}, 1};

    for (size_t i = 0; i < value_count(now); i++)
        if (!equal_but(value_at(now, i), value_at(before, i), &may_change))
            return false;
    return true;
}

/* Gives `now` what `before` has at `name`, absence too. */
static void take_over(struct value *now, const struct value *before, const char *name)
{
    const struct value *had = value_get(before, name);

    if (had)
        value_set(now, name, value_copy(had));
    else
        value_remove(now, name);
}

/* "spec.containers[0].args": the first place where two trees differ below `at`, for each branch. */
static void write_changes(const struct vpath *at, const struct value *now, const struct value *before, size_t *shown,
                          struct buf *out)
{
    struct value_iter it = value_iter_start(value_is(now, VALUE_OBJECT) ? now : NULL);
    struct slice name;
    struct value *member;

    if (*shown >= CHANGED_SHOWN || value_equal(now, before))
        return;
    if (value_is(now, VALUE_OBJECT) && value_is(before, VALUE_OBJECT)) {
        while (value_iter_next(&it, &name, &member)) {
            struct vpath here = {.up = at, .step = VPATH_FIELD, .name = name};

            write_changes(&here, member, value_get_slice(before, name), shown, out);
        }
        it = value_iter_start(before);
        while (value_iter_next(&it, &name, &member)) {
            struct vpath here = {.up = at, .step = VPATH_FIELD, .name = name};

            if (!value_get_slice(now, name))
                write_changes(&here, NULL, member, shown, out);
        }
        return;
    }
    if (value_is(now, VALUE_ARRAY) && value_is(before, VALUE_ARRAY) && value_count(now) == value_count(before)) {
        for (size_t i = 0; i < value_count(now); i++)
            write_changes(VINDEX(at, i), value_at(now, i), value_at(before, i), shown, out);
        return;
    }
    buf_append_str(out, (*shown)++ ? ", " : "");
    {
        BUF_LOCAL(path);

        vpath_write(at, &path);
        buf_append_slice(out, buf_slice(&path));
    }
}

static bool lengths_differ(const struct value *now, const struct value *before, const char *name)
{
    return value_count(value_get(now, name)) != value_count(value_get(before, name));
}

/* What else than images may change, by where it is written and what it was. */
static struct names changeable(const struct validator *v, const struct value *now, const struct value *before)
{
    struct names names = {{"activeDeadlineSeconds", "tolerations"}, 2};

    if (!strcmp(v->subresource, "binding") && !value_string(value_get(before, "nodeName")).len)
        names_add(&names, "nodeName");
    if (!strcmp(v->subresource, "ephemeralcontainers"))
        names_add(&names, "ephemeralContainers");
    if (value_count(value_get(now, "schedulingGates")) < value_count(value_get(before, "schedulingGates")))
        names_add(&names, "schedulingGates");
    if (value_int(value_get(before, "terminationGracePeriodSeconds")) < 0 &&
        value_int(value_get(now, "terminationGracePeriodSeconds")) == 1)
        names_add(&names, "terminationGracePeriodSeconds");
    return names;
}

static bool is_allowed(const struct value *now, const struct value *before, const struct names *may_change)
{
    struct names apart = *may_change;

    names_add(&apart, "containers");
    names_add(&apart, "initContainers");
    return equal_but(now, before, &apart) &&
           equal_containers(value_get(now, "containers"), value_get(before, "containers")) &&
           equal_containers(value_get(now, "initContainers"), value_get(before, "initContainers"));
}

/* Makes the allowed parts equal in a copy, and names what still differs. */
static void refuse_change(struct validator *v, const struct vpath *at, const struct value *now,
                          const struct value *before, const struct names *may_change)
{
    struct value *copy CLEANUP_VALUE = value_is(now, VALUE_OBJECT) ? value_copy(now) : value_new_object();
    BUF_LOCAL(why);
    size_t shown = 0;

    for (size_t i = 0; i < may_change->count; i++)
        take_over(copy, before, may_change->names[i]);
    for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
        for (size_t i = 0; i < value_count(value_get(copy, lists[l])); i++)
            take_over(value_at(value_get(copy, lists[l]), i), value_at(value_get(before, lists[l]), i), "image");
    buf_append_str(&why, ONLY "\nchanged: ");
    write_changes(at, copy, before, &shown, &why);
    report_forbidden(v, at, buf_cstr(&why));
}

void check_pod_update(struct validator *v)
{
    const struct vpath *at = VFIELD(NULL, "spec");
    const struct value *now = value_get(v->object, "spec");
    const struct value *before = value_get(v->old, "spec");
    struct names may_change;

    if (!strcmp(v->subresource, "resize")) {
        check_pod_resize(v);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        if (lengths_differ(now, before, lists[i])) {
            report_forbidden(v, VFIELD(at, lists[i]),
                             i ? "pod updates may not add or remove init containers"
                               : "pod updates may not add or remove containers");
            return;
        }
    check_deadline_change(v, VFIELD(at, "activeDeadlineSeconds"), value_get(now, "activeDeadlineSeconds"),
                          value_get(before, "activeDeadlineSeconds"));
    check_toleration_change(v, VFIELD(at, "tolerations"), value_get(now, "tolerations"),
                            value_get(before, "tolerations"));
    if (!strcmp(v->subresource, "ephemeralcontainers"))
        check_ephemeral_update(v);
    may_change = changeable(v, now, before);
    if (!is_allowed(now, before, &may_change))
        refuse_change(v, at, now, before, &may_change);
}
