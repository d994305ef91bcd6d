/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an update of a pod may change: images, a shorter deadline, more tolerations, fewer scheduling gates; a binding
 * also gives it its node. The check
 * takes both specs, makes the allowed parts equal in copies, and asks whether anything else still differs.
 */
#include "api/validate_internal.h"

#define ONLY                                                                                                           \
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"          \
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"                        \
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
#define CHANGED_SHOWN 20

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

static bool has_toleration(const struct value *list, const struct value *wanted)
{
    for (size_t i = 0; i < value_count(list); i++) {
        struct value *a CLEANUP_VALUE = value_copy(value_at(list, i));
        struct value *b CLEANUP_VALUE = value_copy(wanted);

        value_remove(a, "tolerationSeconds"); /* may be changed */
        value_remove(b, "tolerationSeconds");
        if (value_equal(a, b))
            return true;
    }
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

/* Gives `now` what `before` has at `name`, absence too. */
static void take_over(struct value *now, const struct value *before, const char *name)
{
    const struct value *had = value_get(before, name);

    if (had)
        value_set(now, name, value_copy(had));
    else
        value_remove(now, name);
}

static void take_over_images(struct value *now, const struct value *before)
{
    for (size_t i = 0; i < value_count(now); i++)
        take_over(value_at(now, i), value_at(before, i), "image");
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

void check_pod_update(struct validator *v)
{
    static const char *const lists[] = {"containers", "initContainers"};
    const struct vpath *at = VFIELD(NULL, "spec");
    const struct value *now = value_get(v->object, "spec");
    const struct value *before = value_get(v->old, "spec");
    struct value *copy CLEANUP_VALUE = NULL;
    BUF_LOCAL(why);
    size_t shown = 0;

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
    copy = value_is(now, VALUE_OBJECT) ? value_copy(now) : value_new_object();
    take_over_images(value_get(copy, "containers"), value_get(before, "containers"));
    take_over_images(value_get(copy, "initContainers"), value_get(before, "initContainers"));
    take_over(copy, before, "activeDeadlineSeconds");
    take_over(copy, before, "tolerations");
    if (!strcmp(v->subresource, "binding") && !value_string(value_get(before, "nodeName")).len)
        take_over(copy, before, "nodeName");
    if (!strcmp(v->subresource, "ephemeralcontainers")) {
        check_ephemeral_update(v);
        take_over(copy, before, "ephemeralContainers");
    }
    if (value_count(value_get(now, "schedulingGates")) < value_count(value_get(before, "schedulingGates")))
        take_over(copy, before, "schedulingGates");
    if (value_int(value_get(before, "terminationGracePeriodSeconds")) < 0 &&
        value_int(value_get(now, "terminationGracePeriodSeconds")) == 1)
        take_over(copy, before, "terminationGracePeriodSeconds");
    if (value_equal(copy, before))
        return;
    buf_append_str(&why, ONLY "\nchanged: ");
    write_changes(at, copy, before, &shown, &why);
    report_forbidden(v, at, buf_cstr(&why));
}
