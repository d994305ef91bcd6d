/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings a tree into the shape of its kind: known fields only, types checked, nulls and the zeros that upstream omits
 * dropped, the zeros that it writes added. Members stay where they are: their order is the writer's matter
 * (codec_write.c). One recursive pass; the depth is bounded by the schema and by VALUE_DEPTH_MAX of whoever made the
 * tree.
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

static int normalise_object(const struct walk *w, const struct schema_type *type, struct value *object,
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
        return normalise_object(w, f->type, *v, at);
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

/* Whether another value may come into the place of one: then it is out of its tree meanwhile. */
static bool may_replace(const struct schema_field *f)
{
    return f->base == SCHEMA_BYTES || f->base == SCHEMA_QUANTITY || f->base == SCHEMA_TIME ||
           f->base == SCHEMA_MICRO_TIME || f->base == SCHEMA_STRINGS || f->base == SCHEMA_EITHER;
}

static int normalise_list(const struct walk *w, const struct schema_field *f, struct value *list, const struct step *at)
{
    struct step here = {.up = at, .kind = STEP_INDEX};
    bool swap = may_replace(f);

    for (here.index = 0; here.index < value_count(list); here.index++) {
        struct value *element = value_at(list, here.index);
        int r;

        if (value_is(element, VALUE_NULL)) { /* which needs no freeing */
            element = zero_element(f);
            value_replace_at(list, here.index, element);
        }
        if (value_is(element, VALUE_NULL))
            continue;
        if (swap)
            element = value_swap_at(list, here.index, value_new_null());
        r = normalise_one(w, f, true, &element, &here);
        if (swap)
            value_replace_at(list, here.index, element);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The value of the member that value_iter_next gave, which is a list, a map or one value of the field. */
static int normalise_member(const struct walk *w, const struct schema_field *f, bool element, struct value_iter *it,
                            struct value *v, const struct step *at)
{
    bool swap = (element || f->shape == SCHEMA_ONE) && may_replace(f);
    int r;

    if (swap)
        v = value_iter_swap(it, value_new_null());
    r = element ? normalise_one(w, f, true, &v, at) : normalise_field(w, f, &v, at);
    if (swap)
        value_free(value_iter_swap(it, v));
    return r;
}

static int normalise_map(const struct walk *w, const struct schema_field *f, struct value *map, const struct step *at)
{
    struct step here = {.up = at, .kind = STEP_KEY};
    struct value_iter it = value_iter_start(map);
    struct value *child;
    int r = 0;

    while (r == 0 && value_iter_next(&it, &here.name, &child)) {
        if (value_is(child, VALUE_NULL)) {
            child = zero_element(f);
            value_free(value_iter_swap(&it, child));
        }
        if (!value_is(child, VALUE_NULL))
            r = normalise_member(w, f, true, &it, child, &here);
    }
    return r;
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

/* A zero that upstream writes, in its shape. */
static int make_zero(const struct walk *w, const struct schema_field *f, struct value **ret_zero, const struct step *at)
{
    *ret_zero = codec_zero(f);
    return value_is(*ret_zero, VALUE_NULL) ? 0 : normalise_field(w, f, ret_zero, at);
}

/* The member that value_iter_next gave, a known field. */
static int normalise_known(const struct walk *w, const struct schema_field *f, struct value_iter *it, struct value *v,
                           const struct step *at)
{
    struct value *zero CLEANUP_VALUE = NULL;
    int r;

    if (value_is(v, VALUE_NULL) && (f->flags & SCHEMA_EMIT_EMPTY)) {
        if ((r = make_zero(w, f, &zero, at)) == 0)
            value_free(value_iter_swap(it, STEAL(zero)));
        return r;
    }
    r = value_is(v, VALUE_NULL) ? 0 : normalise_member(w, f, false, it, v, at);
    if (r == 0 && !(f->flags & SCHEMA_EMIT_EMPTY) && codec_is_omitted(f, value_iter_value(it)))
        value_iter_remove(it);
    return r;
}

/* Adds the zeros that upstream writes; `names` are those of what the object has. */
static int add_zeros(const struct walk *w, const struct schema_type *type, struct value *object, uint64_t names,
                     const struct step *at)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *f = &type->fields[i];
        struct step here = {.up = at, .parent = type, .name = slice_str(f->name), .kind = STEP_FIELD};
        struct value *zero CLEANUP_VALUE = NULL;
        int r = 0;

        if (f->flags & SCHEMA_INLINE)
            r = add_zeros(w, f->type, object, names, at);
        else if ((f->flags & SCHEMA_EMIT_EMPTY) && !value_get_among(object, names, f->name) &&
                 (r = make_zero(w, f, &zero, &here)) == 0)
            value_set(object, f->name, STEAL(zero));
        if (r < 0)
            return r;
    }
    return 0;
}

/* What no field describes, in the order of the document. */
static void drop_unknown(const struct walk *w, const struct schema_type *type, struct value *object,
                         const struct step *at)
{
    struct value_iter it = value_iter_start(object);
    struct slice name;
    struct value *v;

    while (value_iter_next(&it, &name, &v)) {
        struct step here = {.up = at, .name = name, .kind = STEP_FIELD};
        BUF_LOCAL(place);

        if (schema_find_field(type, name))
            continue;
        write_place(&here, false, &place);
        codec_findings_add(w->findings, "unknown field \"%s\"", buf_cstr(&place));
        value_iter_remove(&it);
    }
}

static int normalise_members(const struct walk *w, const struct schema_type *type, struct value *object,
                             const struct step *at)
{
    struct value_iter it = value_iter_start(object);
    struct step here = {.up = at, .kind = STEP_FIELD};
    uint64_t names = 0;
    bool unknown = false;
    struct value *v;
    int r;

    while (value_iter_next(&it, &here.name, &v)) {
        const struct schema_field *f = schema_find_owned(type, here.name, &here.parent);

        names |= value_name_bit(here.name.data);
        unknown = unknown || !f;
        if (f && (r = normalise_known(w, f, &it, v, &here)) < 0)
            return r;
    }
    if ((r = add_zeros(w, type, object, names, at)) < 0)
        return r;
    if (unknown && !type->preserve_unknown)
        drop_unknown(w, type, object, at);
    return 0;
}

/* Of a custom resource: beside the fields stands what its definition describes. */
static int normalise_custom(const struct walk *w, const struct schema_type *type, struct value *object,
                            const struct step *at)
{
    struct value *known CLEANUP_VALUE = value_new_object();
    int r;

    for (size_t i = 0; i < type->field_count; i++) {
        struct value *v = value_take(object, type->fields[i].name);

        if (v)
            value_set(known, type->fields[i].name, v);
    }
    if ((r = normalise_members(w, type, known, at)) < 0)
        return r;
    structural_prune(type->structural, object, w->findings);
    value_move_members(known, object);
    value_move_members(object, known);
    return 0;
}

static int normalise_object(const struct walk *w, const struct schema_type *type, struct value *object,
                            const struct step *at)
{
    return type->structural ? normalise_custom(w, type, object, at) : normalise_members(w, type, object, at);
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
    int r = normalise_object(&w, kind->type, object, NULL);

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
    (void)make_zero(&w, f, &zero, &here); /* it fits its own type */
    value_set(object, name, STEAL(zero));
    codec_findings_clear(&findings);
}
