/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields and whole kinds that are stored but that nothing acts on yet (the schema marks them): whoever writes one is
 * told so in a Warning header, so that nobody believes in a setting that does nothing.
 */
#include "apiserver/request.h"

struct inert_step {
    const struct inert_step *up;
    struct slice name;              /* of a field; data NULL = the next element */
    const struct schema_type *type; /* whose field it is */
};

/* Of types that contain themselves (schemas) one place stands for all that are deeper: the first step that is of the
 * same type as this one. */
static const struct inert_step *inert_outermost(const struct inert_step *s)
{
    const struct inert_step *outer = s;

    for (const struct inert_step *up = s->up; up; up = up->up)
        if (s->type && up->type == s->type)
            outer = up;
    return outer;
}

static void inert_write_place(const struct inert_step *s, struct buf *out)
{
    const struct inert_step *outer = s ? inert_outermost(s) : NULL;

    if (!s)
        return;
    inert_write_place(outer->up, out);
    if (outer != s)
        buf_append_str(out, "..");
    if (!s->name.data) {
        buf_append_str(out, "[]");
        return;
    }
    if (out->len)
        buf_append_byte(out, '.');
    buf_append_slice(out, s->name);
}

static void inert_walk(struct request *req, const struct schema_type *type, const struct value *v,
                       const struct inert_step *at);

/* What is told by its form: a schema, a list of them, or what has no fields. */
static const struct schema_field *inert_alternative(const struct schema_type *either, const struct value *v)
{
    for (size_t i = 0; i < either->field_count; i++) {
        const struct schema_field *f = &either->fields[i];

        if (f->base == SCHEMA_OBJECT && value_is(v, f->shape == SCHEMA_LIST ? VALUE_ARRAY : VALUE_OBJECT))
            return f;
    }
    return NULL;
}

static void inert_value(struct request *req, const struct schema_field *f, const struct value *v,
                        const struct inert_step *at)
{
    const struct inert_step element = {at, SLICE_NONE, NULL};
    struct value_iter it = value_iter_start(v);
    struct slice name;
    struct value *member;

    if (f->shape == SCHEMA_ONE)
        inert_walk(req, f->type, v, at);
    for (size_t i = 0; f->shape == SCHEMA_LIST && i < value_count(v); i++)
        inert_walk(req, f->type, value_at(v, i), &element);
    while (f->shape == SCHEMA_MAP && value_iter_next(&it, &name, &member))
        inert_walk(req, f->type, member, &element);
}

static void inert_walk(struct request *req, const struct schema_type *type, const struct value *v,
                       const struct inert_step *at)
{
    struct value_iter it = value_iter_start(v);
    struct slice name;
    struct value *member;

    while (value_is(v, VALUE_OBJECT) && value_iter_next(&it, &name, &member)) {
        const struct schema_field *f = schema_find_field(type, name);
        const struct inert_step step = {at, name, type};
        BUF_LOCAL(place);

        if (!f)
            continue;
        if (f->flags & SCHEMA_NOT_ENFORCED) {
            inert_write_place(&step, &place);
            request_warn(req, "%s is stored, but this server does not act on it", buf_cstr(&place));
        } else if (f->base == SCHEMA_OBJECT && f->type) {
            inert_value(req, f, member, &step);
        } else if (f->base == SCHEMA_EITHER && f->shape == SCHEMA_ONE && (f = inert_alternative(f->type, member))) {
            inert_value(req, f, member, &step);
        }
    }
}

void request_warn_inert(struct request *req, const struct schema_kind *kind, const struct value *body)
{
    if (kind->inert && !*req->info.subresource)
        request_warn(req, "%s", kind->inert);
    inert_walk(req, kind->type, body, NULL);
}
