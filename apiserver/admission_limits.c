/* SPDX-License-Identifier: Apache-2.0 */
/* LimitRanger: what the LimitRanges of a namespace add to pods and refuse of pods and claims (api/limit_range.h). */
#include "api/limit_range.h"
#include "apiserver/admission_internal.h"
#include "apiserver/folder_cache.h"
#include "apiserver/meta.h"
#include "apiserver/registry.h"

struct limits {
    const struct admission *a;
    struct buf object; /* JSON of what is checked */
    struct buf why;
};

static int limits_each(const struct admission *a, store_visit_item *visit, void *arg, struct error *err)
{
    struct slice folder = registry_prefix(a->req->pool, registry_need_kind("", "limitranges"), a->namespace_);

    return folder_cache_list(a->req->front->folders, folder, visit, arg, err);
}

static int limits_apply(void *arg, const struct store_item *item)
{
    const struct admission *a = arg;
    struct value *range CLEANUP_VALUE = value_parse(item->value, NULL);

    if (range)
        limit_range_apply_defaults(range, a->object);
    return 0;
}

int admit_limit_defaults(const struct admission *a, struct error *err)
{
    struct value *metadata = value_get(a->object, "metadata");
    const struct value *notes = value_get(metadata, "annotations");
    struct value *before CLEANUP_VALUE = notes ? value_copy(notes) : NULL;

    if (limits_each(a, limits_apply, (void *)a, err) < 0)
        return -(int)err->code;
    /* A resize says nothing in metadata, not even what was filled in. */
    if (*a->subresource && before)
        value_set(metadata, "annotations", STEAL(before));
    else if (*a->subresource)
        (void)value_remove(metadata, "annotations");
    return 0;
}

static int limits_check(void *arg, const struct store_item *item)
{
    struct limits *l = arg;

    if (!l->object.len)
        value_write(l->a->object, &l->object);
    return !limit_range_check(l->a->req->pool, item->value, l->a->req->kind->kind, buf_slice(&l->object), &l->why);
}

int admit_limits(const struct admission *a, struct error *err)
{
    struct limits l = {.a = a};
    int r;

    if (a->old && meta_is_deleting(a->old))
        return 0;
    r = limits_each(a, limits_check, &l, err);
    if (r > 0)
        r = admission_forbid(a, err, "%s", buf_cstr(&l.why));
    buf_free(&l.object);
    buf_free(&l.why);
    return r;
}

int admit_limit_range(const struct admission *a, struct error *err)
{
    static const char *const types[] = {"Container", "Pod", "PersistentVolumeClaim"};
    const struct value *limits = value_path(a->object, "spec", "limits", NULL);

    for (size_t i = 0; i < value_count(limits); i++) {
        struct slice type = value_string(value_get(value_at(limits, i), "type"));
        bool known = false;

        for (size_t k = 0; k < ARRAY_SIZE(types); k++)
            known = known || slice_is(type, types[k]);
        if (!known)
            request_warn(a->req, "spec.limits[%zu] is stored, but nothing is limited by type \"%.*s\"", i,
                         SLICE_ARGS(type));
    }
    return 0;
}
