/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pruning and defaulting by a structural schema. The depth of the recursion is that of the object, which
 * VALUE_DEPTH_MAX bounds. A value of another type than the schema's is left alone: validation says so.
 */
#include "api/structural_internal.h"

/* How a value was reached, turned into text only when something is told. */
struct place {
    const struct place *up;
    struct slice name; /* data NULL: an index */
    size_t index;
};

static void write_place(const struct place *p, struct buf *out)
{
    if (!p)
        return;
    write_place(p->up, out);
    if (!p->name.data)
        buf_printf(out, "[%zu]", p->index);
    else
        buf_printf(out, "%s%.*s", out->len ? "." : "", SLICE_ARGS(p->name));
}

static void note_unknown(struct codec_findings *findings, const struct place *at)
{
    BUF_LOCAL(text);

    if (!findings)
        return;
    write_place(at, &text);
    codec_findings_add(findings, "unknown field \"%s\"", buf_cstr(&text));
}

static bool is_own_name(struct slice name)
{
    return slice_is(name, "apiVersion") || slice_is(name, "kind") || slice_is(name, "metadata");
}

/* Which members every object has whatever its schema says. */
static bool is_implied(const struct structural *s, const struct place *at, struct slice name)
{
    return (!at || (s->flags & STRUCTURAL_EMBEDDED)) && is_own_name(name);
}

const struct schema_type *structural_metadata_type(void)
{
    const struct schema_kind *any = schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("ConfigMap"));

    return schema_find_field(any->type, SLICE_LIT("metadata"))->type;
}

static void prune_typed(const struct schema_type *type, struct value *v, const struct place *at,
                        struct codec_findings *findings);

/* The value of a field: an object, or what holds objects. */
static void prune_field(const struct schema_field *f, struct value *v, const struct place *at,
                        struct codec_findings *findings)
{
    struct value_iter it = value_iter_start(f->shape == SCHEMA_MAP && value_is(v, VALUE_OBJECT) ? v : NULL);
    struct place here = {.up = at};
    struct value *child;

    if (f->shape == SCHEMA_ONE)
        prune_typed(f->type, v, at, findings);
    while (value_iter_next(&it, &here.name, &child))
        prune_typed(f->type, child, &here, findings);
    here.name = SLICE_NONE;
    for (; f->shape == SCHEMA_LIST && value_is(v, VALUE_ARRAY) && here.index < value_count(v); here.index++)
        prune_typed(f->type, value_at(v, here.index), &here, findings);
}

static void prune_typed(const struct schema_type *type, struct value *v, const struct place *at,
                        struct codec_findings *findings)
{
    struct value_iter it = value_iter_start(value_is(v, VALUE_OBJECT) ? v : NULL);
    struct place here = {.up = at};
    struct value *child;

    while (value_iter_next(&it, &here.name, &child)) {
        const struct schema_field *f = schema_find_field(type, here.name);

        if (f && f->base == SCHEMA_OBJECT) {
            prune_field(f, child, &here, findings);
        } else if (!f) {
            note_unknown(findings, &here);
            value_iter_remove(&it);
        }
    }
}

static void prune(const struct structural *s, struct value *v, const struct place *at, struct codec_findings *findings)
{
    struct value_iter it = value_iter_start(value_is(v, VALUE_OBJECT) ? v : NULL);
    struct place here = {.up = at};
    struct value *child;

    while (value_iter_next(&it, &here.name, &child)) {
        const struct structural *known = structural_find(s, here.name);

        if (is_implied(s, at, here.name)) {
            if ((s->flags & STRUCTURAL_EMBEDDED) && slice_is(here.name, "metadata"))
                prune_typed(structural_metadata_type(), child, &here, findings);
            continue;
        }
        known = known ? known : s->each;
        if (known && value_is(child, VALUE_NULL) && !(known->flags & STRUCTURAL_NULLABLE)) {
            value_iter_remove(&it);
        } else if (known) {
            prune(known, child, &here, findings);
        } else if (!(s->flags & STRUCTURAL_PRESERVE)) {
            note_unknown(findings, &here);
            value_iter_remove(&it);
        }
    }
    here.name = SLICE_NONE;
    for (; s->each && value_is(v, VALUE_ARRAY) && here.index < value_count(v); here.index++)
        prune(s->each, value_at(v, here.index), &here, findings);
}

void structural_prune(const struct structural *s, struct value *object, struct codec_findings *findings)
{
    prune(s, object, NULL, findings);
}

static void fill_in(const struct structural *s, struct value *v, size_t *room)
{
    struct value_iter it;
    struct slice name;
    struct value *child;

    for (size_t i = 0; i < s->default_count && value_is(v, VALUE_OBJECT); i++) {
        const struct structural_default *d = &s->defaults[i];

        if (value_get_slice(v, d->property->name))
            continue;
        if (d->bytes > *room)
            *room = 0;
        if (!*room)
            return;
        *room -= d->bytes;
        value_set_slice(v, d->property->name, value_copy(d->property->schema->by_default));
    }
    it = value_iter_start(value_is(v, VALUE_OBJECT) ? v : NULL);
    while (value_iter_next(&it, &name, &child)) {
        const struct structural *known = structural_find(s, name);

        known = known ? known : s->each;
        if (known)
            fill_in(known, child, room);
    }
    for (size_t i = 0; s->each && value_is(v, VALUE_ARRAY) && i < value_count(v); i++)
        fill_in(s->each, value_at(v, i), room);
}

void structural_default(const struct structural *s, struct value *object)
{
    size_t room = STRUCTURAL_DEFAULTS_MAX;

    fill_in(s, object, &room);
}
