/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields and whole kinds that are stored but that nothing acts on yet (the schema marks them): whoever writes one is
 * told so in a Warning header, so that nobody believes in a setting that does nothing.
 */
#include "apiserver/request.h"

struct inert_step {
    const struct inert_step *up;
    struct slice name; /* of a field; data NULL = the next element */
};

static void inert_write_place(const struct inert_step *s, struct buf *out)
{
    if (!s)
        return;
    inert_write_place(s->up, out);
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

static void inert_value(struct request *req, const struct schema_field *f, const struct value *v,
                        const struct inert_step *at)
{
    const struct inert_step element = {at, SLICE_NONE};
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
        const struct inert_step step = {at, name};
        BUF_LOCAL(place);

        if (!f)
            continue;
        if (f->flags & SCHEMA_NOT_ENFORCED) {
            inert_write_place(&step, &place);
            request_warn(req, "%s is stored, but this server does not act on it", buf_cstr(&place));
        } else if (f->base == SCHEMA_OBJECT && f->type) {
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
