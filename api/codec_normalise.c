/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings a tree into the shape of its kind: known fields only and in schema order, types checked, nulls and the zeros
 * that upstream omits dropped, the zeros that it writes added. One recursive pass; the depth is bounded by the schema
 * and by VALUE_DEPTH_MAX of whoever made the tree.
 */
#include "api/codec_internal.h"

#include "api/structural.h"
#include "api/value_internal.h"

struct walk {
    const struct schema_kind *kind;
    struct codec_findings *findings;
    struct error *err;
};

/* How a value was reached: a chain on the stack, turned into text only when something is wrong. */
enum step_kind { STEP_FIELD, STEP_KEY, STEP_INDEX };
struct step {
    const struct step *up;
    const struct schema_type *parent; /* the type that has the field */
    struct slice name;                /* STEP_FIELD, STEP_KEY */
    size_t index;                     /* STEP_INDEX */
    enum step_kind kind;
};

/* "spec.containers[0].name"; with fields_only "spec.containers.name", as Go names places in errors. */
static void write_place(const struct step *s, bool fields_only, struct buf *out)
{
    if (!s)
        return;
    write_place(s->up, fields_only, out);
    if (s->kind == STEP_INDEX) {
        if (!fields_only)
            buf_printf(out, "[%zu]", s->index);
    } else if (s->kind == STEP_FIELD || !fields_only) {
        if (out->len)
            buf_append_byte(out, '.');
        buf_append_slice(out, s->name);
    }
}

static int fail_handled(const struct walk *w, const char *message)
{
    return error_set(w->err, ERROR_BAD_REQUEST, "%s in version \"%s\" cannot be handled as a %s: %s", w->kind->kind,
                     w->kind->version, w->kind->kind, message);
}

static int fail_type(const struct walk *w, const struct step *at, const struct schema_field *f, bool element,
                     const char *problem)
{
    BUF_LOCAL(place);
    BUF_LOCAL(type);
    char *message CLEANUP_FREE = NULL;
    const struct step *field = at;

    if (!slice_starts(slice_str(problem), SLICE_LIT("cannot unmarshal")))
        return fail_handled(w, problem);
    while (field && field->kind != STEP_FIELD)
        field = field->up;
    write_place(at, true, &place);
    message = mem_printf("json: %s into Go struct field %s.%s of type %s", problem, field ? field->parent->name : "",
                         buf_cstr(&place), codec_go_type(f, element, &type));
    return fail_handled(w, message);
}

static int normalise_object(const struct walk *w, const struct schema_type *type, struct value **object,
                            const struct step *at);

static const char *const wrong_kinds[] = {
    [VALUE_NULL] = "cannot unmarshal null",     [VALUE_BOOL] = "cannot unmarshal bool",
    [VALUE_INT] = "cannot unmarshal number",    [VALUE_REAL] = "cannot unmarshal number",
    [VALUE_STRING] = "cannot unmarshal string", [VALUE_ARRAY] = "cannot unmarshal array",
    [VALUE_OBJECT] = "cannot unmarshal object",
};

static int normalise_field(const struct walk *w, const struct schema_field *f, struct value **v, const struct step *at);

const struct schema_field *codec_alternative(const struct schema_type *type, const struct value *v)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *f = &type->fields[i];
        enum value_kind kind = f->shape == SCHEMA_LIST  ? VALUE_ARRAY
                               : f->base == SCHEMA_BOOL ? VALUE_BOOL
                                                        : VALUE_OBJECT;

        if (value_is(v, kind))
            return f;
    }
    return NULL;
}

static int normalise_either(const struct walk *w, const struct schema_field *f, bool element, struct value **v,
                            const struct step *at)
{
    const struct schema_field *alternative = codec_alternative(f->type, *v);

    if (!alternative)
        return fail_type(w, at, f, element, wrong_kinds[value_kind(*v)]);
    return normalise_field(w, alternative, v, at);
}

/* One value of the field: itself, or an element of its list or map. */
static int normalise_one(const struct walk *w, const struct schema_field *f, bool element, struct value **v,
                         const struct step *at)
{
    char *problem CLEANUP_FREE = NULL;

    if (f->base == SCHEMA_OBJECT) {
        if (!value_is(*v, VALUE_OBJECT))
            return fail_type(w, at, f, element, wrong_kinds[value_kind(*v)]);
        return normalise_object(w, f->type, v, at);
    }
    if (f->base == SCHEMA_EITHER)
        return normalise_either(w, f, element, v, at);
    if (!codec_normalise_scalar(f->base, v, &problem))
        return fail_type(w, at, f, element, problem);
    return 0;
}

/* An element that is null counts as the zero of its type, which for a time is null. */
static struct value *zero_element(const struct schema_field *f)
{
    struct schema_field one = *f;

    one.shape = SCHEMA_ONE;
    one.flags &= ~(uint32_t)SCHEMA_POINTER;
    return codec_zero(&one);
}

static int normalise_list(const struct walk *w, const struct schema_field *f, struct value *list, const struct step *at)
{
    struct step here = {.up = at, .kind = STEP_INDEX};

    for (here.index = 0; here.index < value_count(list); here.index++) {
        struct value *element = value_swap_at(list, here.index, value_new_null());
        int r;

        if (value_is(element, VALUE_NULL))
            element = zero_element(f); /* null itself needs no freeing */
        r = value_is(element, VALUE_NULL) ? 0 : normalise_one(w, f, true, &element, &here);
        value_replace_at(list, here.index, element);
        if (r < 0)
            return r;
    }
    return 0;
}

static int normalise_map(const struct walk *w, const struct schema_field *f, struct value *map, const struct step *at)
{
    struct step here = {.up = at, .kind = STEP_KEY};
    struct value_iter it = value_iter_start(map);
    struct value *child;

    while (value_iter_next(&it, &here.name, &child)) {
        struct value *element = value_iter_swap(&it, value_new_null());
        int r;

        if (value_is(element, VALUE_NULL))
            element = zero_element(f);
        r = value_is(element, VALUE_NULL) ? 0 : normalise_one(w, f, true, &element, &here);
        value_free(value_iter_swap(&it, element));
        if (r < 0)
            return r;
    }
    return 0;
}

static int normalise_field(const struct walk *w, const struct schema_field *f, struct value **v, const struct step *at)
{
    if (f->shape == SCHEMA_ONE)
        return normalise_one(w, f, false, v, at);
    if (f->shape == SCHEMA_LIST) {
        if (!value_is(*v, VALUE_ARRAY))
            return fail_type(w, at, f, false, wrong_kinds[value_kind(*v)]);
        return normalise_list(w, f, *v, at);
    }
    if (!value_is(*v, VALUE_OBJECT))
        return fail_type(w, at, f, false, wrong_kinds[value_kind(*v)]);
    return normalise_map(w, f, *v, at);
}

/* The value of a field as it is stored; NULL when it is left out. Takes *v and may replace it. */
static int normalise_member(const struct walk *w, const struct schema_field *f, struct value **v, const struct step *at)
{
    int r;

    if (value_is(*v, VALUE_NULL)) {
        value_free(*v);
        *v = f->flags & SCHEMA_EMIT_EMPTY ? codec_zero(f) : NULL;
    }
    if (!value_is(*v, VALUE_NULL)) {
        r = normalise_field(w, f, v, at);
        if (r < 0)
            return r;
    }
    if (*v && !(f->flags & SCHEMA_EMIT_EMPTY) && codec_is_omitted(f, *v)) {
        value_free(*v);
        *v = NULL;
    }
    return 0;
}

/* Moves the fields of `type` from one object to the other, in schema order. */
static int move_fields(const struct walk *w, const struct schema_type *type, struct value *from, struct value *to,
                       const struct step *at)
{
    uint64_t names = value_names(from);
    struct step here = {.up = at, .parent = type, .kind = STEP_FIELD};

    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *f = &type->fields[i];
        bool there = names & value_name_bit(f->name);
        struct value *v CLEANUP_VALUE = NULL;
        int r;

        if (!there && !(f->flags & (SCHEMA_INLINE | SCHEMA_EMIT_EMPTY)))
            continue;
        if (f->flags & SCHEMA_INLINE) {
            r = move_fields(w, f->type, from, to, at);
            if (r < 0)
                return r;
            continue;
        }
        here.name = slice_str(f->name);
        v = there ? value_take(from, f->name) : NULL;
        r = normalise_member(w, f, &v, &here);
        if (r < 0)
            return r;
        if (v)
            value_set(to, f->name, STEAL(v));
    }
    return 0;
}

/* ---- objects that are in order as they come ---- */

struct members {
    struct value_iter it;
    struct slice name; /* of the present one */
    struct value *v;
    bool more; /* there is one */
};

static struct members members_start(const struct value *object)
{
    struct members m = {.it = value_iter_start(object)};

    m.more = value_iter_next(&m.it, &m.name, &m.v);
    return m;
}

static bool members_at(const struct members *m, const struct schema_field *f)
{
    return m->more && m->name.data[0] == f->name[0] && slice_is(m->name, f->name);
}

/* Whether the members stand where the schema has them, and it writes no others; steps over them. */
static bool members_ordered(const struct schema_type *type, struct members *m)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *f = &type->fields[i];

        if (f->flags & SCHEMA_INLINE) {
            if (!members_ordered(f->type, m))
                return false;
        } else if (members_at(m, f)) {
            m->more = value_iter_next(&m->it, &m->name, &m->v);
        } else if (f->flags & SCHEMA_EMIT_EMPTY) {
            return false;
        }
    }
    return true;
}

static bool is_ordered(const struct schema_type *type, const struct value *object)
{
    struct members m = members_start(object);

    return members_ordered(type, &m) && !m.more;
}

/* As move_fields, of an object whose members can stay where they are. */
static int normalise_ordered(const struct walk *w, const struct schema_type *type, struct members *m,
                             const struct step *at)
{
    struct step here = {.up = at, .parent = type, .kind = STEP_FIELD};

    for (size_t i = 0; m->more && i < type->field_count; i++) {
        const struct schema_field *f = &type->fields[i];
        int r = 0;

        if (f->flags & SCHEMA_INLINE) {
            r = normalise_ordered(w, f->type, m, at);
        } else if (members_at(m, f)) {
            struct value *v = value_iter_swap(&m->it, value_new_null());

            here.name = slice_str(f->name);
            r = normalise_member(w, f, &v, &here);
            if (v)
                value_free(value_iter_swap(&m->it, v));
            else
                value_iter_remove(&m->it);
            m->more = value_iter_next(&m->it, &m->name, &m->v);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

/* What is left after the known fields were moved: unknown, in the order of the document. */
static void report_unknown(const struct walk *w, struct value *rest, struct value *to, bool keep, const struct step *at)
{
    struct value_iter it = value_iter_start(rest);
    struct slice name;
    struct value *v;

    while (value_iter_next(&it, &name, &v)) {
        BUF_LOCAL(place);
        struct step here = {.up = at, .name = name, .kind = STEP_FIELD};

        if (keep) {
            value_set_slice(to, name, value_iter_swap(&it, value_new_null()));
            continue;
        }
        write_place(&here, false, &place);
        codec_findings_add(w->findings, "unknown field \"%s\"", buf_cstr(&place));
    }
}

static int normalise_object(const struct walk *w, const struct schema_type *type, struct value **object,
                            const struct step *at)
{
    struct value *to CLEANUP_VALUE = NULL;
    int r;

    if (!type->structural && is_ordered(type, *object)) {
        struct members m = members_start(*object);

        return normalise_ordered(w, type, &m, at);
    }
    to = value_new_object();
    r = move_fields(w, type, *object, to, at);
    if (r < 0)
        return r;
    if (type->structural)
        structural_prune(type->structural, *object, w->findings);
    report_unknown(w, *object, to, type->preserve_unknown || type->structural, at);
    value_free(*object);
    *object = STEAL(to);
    return 0;
}

static int refuse_findings(const struct walk *w)
{
    BUF_LOCAL(text);

    buf_append_str(&text, "strict decoding error: ");
    for (size_t i = 0; i < w->findings->count; i++)
        buf_printf(&text, "%s%s", i ? ", " : "", w->findings->texts[i]);
    return fail_handled(w, buf_cstr(&text));
}

int codec_normalise(const struct schema_kind *kind, struct value *object, enum codec_strictness strictness,
                    struct codec_findings *findings, struct error *err)
{
    struct codec_findings own = {0};
    struct walk w = {.kind = kind, .findings = findings ? findings : &own, .err = err};
    struct value *all = value_new_object();
    int r;

    /* The root keeps its identity: its members go out and come back. */
    value_move_members(all, object);
    r = normalise_object(&w, kind->type, &all, NULL);
    value_move_members(object, all);
    value_free(all);
    if (r == 0 && strictness == CODEC_STRICT && w.findings->count)
        r = refuse_findings(&w);
    codec_findings_clear(&own);
    return r;
}

void codec_reset_field(const struct schema_kind *kind, struct value *object, const char *name)
{
    const struct schema_field *f = schema_find_field(kind->type, slice_str(name));
    struct codec_findings findings = {0};
    struct walk w = {.kind = kind, .findings = &findings};
    struct step here = {.parent = kind->type, .name = slice_str(name), .kind = STEP_FIELD};
    struct value *zero CLEANUP_VALUE = NULL;

    if (!f || !(f->flags & SCHEMA_EMIT_EMPTY)) {
        (void)value_remove(object, name);
        return;
    }
    zero = codec_zero(f);
    if (!value_is(zero, VALUE_NULL))
        (void)normalise_field(&w, f, &zero, &here); /* a zero fits its own type */
    value_set(object, name, STEAL(zero));
    codec_findings_clear(&findings);
}
