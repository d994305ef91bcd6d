/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Selectors as data: a list of requirements, all of which must hold, whatever grammar they were written in (label
 * text: selector_parse.c, field text: selector_fields.c, LabelSelector objects: here). Immutable once made, so that
 * watchers on several threads share one.
 *
 * Invariants: requirements are sorted by key; each has the number of values that its operator takes; a selector
 * marked `nothing` has no requirements and matches nothing.
 */
#include "api/selector_internal.h"

#include "api/scan.h"

const char *const selector_operator_texts[] = {
    [SELECTOR_IN] = "in",         [SELECTOR_NOT_IN] = "notin", [SELECTOR_EQUALS] = "=", [SELECTOR_DOUBLE_EQUALS] = "==",
    [SELECTOR_NOT_EQUALS] = "!=", [SELECTOR_GREATER] = ">",    [SELECTOR_LESS] = "<",   [SELECTOR_EXISTS] = "exists",
    [SELECTOR_NOT_EXISTS] = "!",
};

struct selector_requirement *selector_add(struct selector *s, struct slice key, enum selector_operator op)
{
    struct selector_requirement *r;

    s->requirements = mem_grow(s->requirements, &s->cap, s->count + 1, sizeof(*s->requirements));
    r = &s->requirements[s->count++];
    memset(r, 0, sizeof(*r));
    r->key = slice_dup(key);
    r->key_len = key.len;
    r->op = op;
    return r;
}

bool selector_has_value(const struct selector_requirement *r, struct slice value)
{
    for (size_t i = 0; i < r->value_count; i++)
        if (slice_equal(slice_make(r->values[i].text, r->values[i].len), value))
            return true;
    return false;
}

void selector_add_value(struct selector_requirement *r, struct slice value)
{
    struct selector_value *v;

    if (selector_has_value(r, value))
        return;
    r->values = mem_grow(r->values, &r->value_cap, r->value_count + 1, sizeof(*r->values));
    v = &r->values[r->value_count++];
    v->text = slice_dup(value);
    v->len = value.len;
}

static int compare_values(const void *a, const void *b)
{
    return strcmp(((const struct selector_value *)a)->text, ((const struct selector_value *)b)->text);
}

void selector_sort_values(struct selector_requirement *r)
{
    if (r->value_count > 1)
        qsort(r->values, r->value_count, sizeof(*r->values), compare_values);
}

/* Stable, so that equal keys keep the order in which they were written. */
void selector_sort(struct selector *s)
{
    for (size_t i = 1; i < s->count; i++) {
        struct selector_requirement moved = s->requirements[i];
        size_t at = i;

        for (; at > 0 && strcmp(s->requirements[at - 1].key, moved.key) > 0; at--)
            s->requirements[at] = s->requirements[at - 1];
        s->requirements[at] = moved;
    }
}

void selector_free(struct selector *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        struct selector_requirement *r = &s->requirements[i];

        for (size_t j = 0; j < r->value_count; j++)
            free(r->values[j].text);
        free(r->values);
        free(r->key);
    }
    free(s->requirements);
    free(s);
}

bool selector_is_empty(const struct selector *s)
{
    return !s->nothing && !s->count;
}

static bool compare_integers(const struct selector_requirement *r, struct slice value)
{
    int64_t have, want;

    if (!r->value_count || !slice_to_int64(value, &have) ||
        !slice_to_int64(slice_make(r->values[0].text, r->values[0].len), &want))
        return false;
    return r->op == SELECTOR_GREATER ? have > want : have < want;
}

static bool requirement_matches(const struct selector_requirement *r, struct slice value)
{
    bool there = value.data != NULL;

    switch (r->op) {
    case SELECTOR_IN:
    case SELECTOR_EQUALS:
    case SELECTOR_DOUBLE_EQUALS:
        return there && selector_has_value(r, value);
    case SELECTOR_NOT_IN:
    case SELECTOR_NOT_EQUALS:
        return !there || !selector_has_value(r, value);
    case SELECTOR_GREATER:
    case SELECTOR_LESS:
        return there && compare_integers(r, value);
    case SELECTOR_EXISTS:
        return there;
    case SELECTOR_NOT_EXISTS:
        return !there;
    }
    return false;
}

bool selector_matches(const struct selector *s, selector_lookup *lookup, void *arg)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct selector_requirement *r = &s->requirements[i];

        if (!requirement_matches(r, lookup(arg, slice_make(r->key, r->key_len))))
            return false;
    }
    return !s->nothing;
}

static struct slice lookup_tree(void *arg, struct slice key)
{
    const struct value *v = value_get_slice(arg, key);
    struct slice text = value_string(v);

    /* An empty text is there all the same. */
    return value_is(v, VALUE_STRING) && !text.data ? SLICE_LIT("") : text;
}

bool selector_matches_labels(const struct selector *s, const struct value *labels)
{
    return selector_matches(s, lookup_tree, (void *)(uintptr_t)labels);
}

struct bytes_lookup {
    struct slice labels;
    struct buf scratch;
};

static struct slice lookup_bytes(void *arg, struct slice key)
{
    struct bytes_lookup *b = arg;
    struct scan_cursor cursor = scan_open(b->labels);
    struct slice name, value;

    while (scan_member(&cursor, &name, &value))
        if (slice_equal(name, key) && scan_is_string(value)) {
            buf_reset(&b->scratch);
            value = scan_text(value, &b->scratch);
            return value.data ? value : SLICE_LIT("");
        }
    return SLICE_NONE;
}

bool selector_matches_bytes(const struct selector *s, struct slice labels_json)
{
    struct bytes_lookup arg = {.labels = labels_json};
    bool matches = selector_matches(s, lookup_bytes, &arg);

    buf_free(&arg.scratch);
    return matches;
}

struct slice selector_exact(const struct selector *s, struct slice key)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct selector_requirement *r = &s->requirements[i];
        bool exact = r->op == SELECTOR_IN || r->op == SELECTOR_EQUALS || r->op == SELECTOR_DOUBLE_EQUALS;

        if (exact && r->value_count == 1 && slice_equal(slice_make(r->key, r->key_len), key))
            return slice_make(r->values[0].text, r->values[0].len);
    }
    return SLICE_NONE;
}

static void write_requirement(const struct selector_requirement *r, struct buf *out)
{
    bool set = r->op == SELECTOR_IN || r->op == SELECTOR_NOT_IN;

    if (r->op == SELECTOR_NOT_EXISTS)
        buf_append_byte(out, '!');
    buf_append(out, r->key, r->key_len);
    if (r->op == SELECTOR_EXISTS || r->op == SELECTOR_NOT_EXISTS)
        return;
    buf_printf(out, set ? " %s (" : "%s", selector_operator_texts[r->op]);
    for (size_t i = 0; i < r->value_count; i++) {
        if (i)
            buf_append_byte(out, ',');
        buf_append(out, r->values[i].text, r->values[i].len);
    }
    if (set) /* the empty value alone needs its comma: `in ()` would be no set at all */
        buf_append_str(out, r->value_count == 1 && !r->values[0].len ? ",)" : ")");
}

void selector_write(const struct selector *s, struct buf *out)
{
    for (size_t i = 0; i < s->count; i++) {
        if (i)
            buf_append_byte(out, ',');
        write_requirement(&s->requirements[i], out);
    }
}

/* One of matchExpressions. */
static int add_expression(struct selector *s, const struct value *expression, struct error *err)
{
    static const struct {
        const char *name;
        enum selector_operator op;
    } operators[] = {
        {"In", SELECTOR_IN},
        {"NotIn", SELECTOR_NOT_IN},
        {"Exists", SELECTOR_EXISTS},
        {"DoesNotExist", SELECTOR_NOT_EXISTS},
    };
    struct slice name = value_string(value_get(expression, "operator"));
    const struct value *values = value_get(expression, "values");
    struct selector_requirement *r;

    for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
        if (!slice_is(name, operators[i].name))
            continue;
        r = selector_add(s, value_string(value_get(expression, "key")), operators[i].op);
        for (size_t j = 0; j < value_count(values); j++)
            selector_add_value(r, value_string(value_at(values, j)));
        selector_sort_values(r);
        return selector_check_requirement(r, err);
    }
    return error_set(err, ERROR_BAD_REQUEST, "\"%.*s\" is not a valid label selector operator", SLICE_ARGS(name));
}

int selector_from_object(const struct value *label_selector, struct selector **ret_selector, struct error *err)
{
    struct selector *s CLEANUP_SELECTOR = mem_zalloc(sizeof(*s));
    const struct value *expressions = value_get(label_selector, "matchExpressions");
    struct value_iter it = value_iter_start(value_get(label_selector, "matchLabels"));
    struct slice name;
    struct value *value;
    int rc;

    s->nothing = !value_is(label_selector, VALUE_OBJECT);
    while (value_iter_next(&it, &name, &value)) {
        struct selector_requirement *r = selector_add(s, name, SELECTOR_EQUALS);

        selector_add_value(r, value_string(value));
        if ((rc = selector_check_requirement(r, err)) < 0)
            return rc;
    }
    for (size_t i = 0; i < value_count(expressions); i++)
        if ((rc = add_expression(s, value_at(expressions, i), err)) < 0)
            return rc;
    selector_sort(s);
    *ret_selector = STEAL(s);
    return 0;
}
