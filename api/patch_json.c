/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Patch (RFC 6902): a list of operations on a copy of the object, all or nothing. As upstream's library, negative
 * indexes count from the end and `test` of null holds where nothing is.
 *
 * Bounds: operations, bytes that copies and moves carry together (a patch of a kilobyte could otherwise double the
 * object on each line), and depth of the result at every step, since trees are walked recursively.
 */
#include "api/patch.h"

#include <stdio.h>

#define UNPROCESSABLE "the server rejected our request due to an error in our request"

/* A JSON pointer (RFC 6901), taken apart as it is walked. */
struct pointer {
    struct slice rest; /* starts with '/', or is empty: the end */
};

struct operation {
    struct value *document; /* what it works on; the pointer itself may be replaced */
    const struct value *patch;
    size_t *budget; /* bytes that may still be carried */
    struct error *err;
    size_t index;
};

/* One answer for all that is wrong with an operation; the cause says what it was. */
static int fail(const struct operation *o, const char *why)
{
    struct slice op = value_string(value_get(o->patch, "op"));
    struct slice path = value_string(value_get(o->patch, "path"));
    int rc = error_set(o->err, ERROR_INVALID, UNPROCESSABLE);

    error_add_cause(o->err, "FieldValueInvalid", "patch", "operation %zu (%.*s %.*s): %s", o->index, SLICE_ARGS(op),
                    SLICE_ARGS(path), why);
    return rc;
}

/* The next reference token, unescaped; false when an escape is neither ~0 nor ~1. */
static bool pointer_token(struct pointer *p, struct buf *out)
{
    size_t i;

    buf_reset(out);
    for (i = 1; i < p->rest.len && p->rest.data[i] != '/'; i++) {
        char c = p->rest.data[i];

        if (c == '~') {
            if (++i >= p->rest.len || (p->rest.data[i] != '0' && p->rest.data[i] != '1'))
                return false;
            c = p->rest.data[i] == '0' ? '~' : '/';
        }
        buf_append_byte(out, c);
    }
    p->rest = slice_from(p->rest, i);
    (void)buf_cstr(out);
    return true;
}

/* An index into an array of `count` elements. `-` is one behind the end; for adding, `count` is allowed too. */
static bool array_index(struct slice token, size_t count, bool adding, size_t *ret_index)
{
    size_t limit = count + adding;
    int64_t index;

    if (adding && slice_is(token, "-")) {
        *ret_index = count;
        return true;
    }
    if (!slice_to_int64(token, &index) || (token.len > 1 && token.data[0] == '0'))
        return false;
    if (index < 0)
        index += (int64_t)limit;
    if (index < 0 || (size_t)index >= limit)
        return false;
    *ret_index = (size_t)index;
    return true;
}

static struct value *child_of(struct value *parent, struct slice token)
{
    size_t index;

    if (value_is(parent, VALUE_OBJECT))
        return value_get_slice(parent, token);
    if (value_is(parent, VALUE_ARRAY) && array_index(token, value_count(parent), false, &index))
        return value_at(parent, index);
    return NULL;
}

/* Walks to the parent of what the member `which` points at. *ret_parent NULL: the whole document. `token` holds the
 * last reference token; *ret_depth counts the tokens. */
static int find_parent(struct operation *o, const char *which, struct value **ret_parent, struct buf *token,
                       size_t *ret_depth)
{
    const struct value *member = value_get(o->patch, which);
    struct pointer p = {value_string(member)};
    struct value *parent = NULL;
    size_t depth = 0;

    if (!value_is(member, VALUE_STRING) || (p.rest.len && p.rest.data[0] != '/'))
        return fail(o, "not a JSON pointer");
    while (p.rest.len) {
        parent = depth++ ? child_of(parent, buf_slice(token)) : o->document;
        if (!parent)
            return fail(o, "nothing on the way there");
        if (!pointer_token(&p, token))
            return fail(o, "bad escape in the JSON pointer");
    }
    *ret_parent = parent;
    *ret_depth = depth;
    return 0;
}

static struct value *find(struct operation *o, const char *which, int *ret_rc)
{
    BUF_LOCAL(token);
    struct value *parent = NULL;
    size_t depth;

    *ret_rc = find_parent(o, which, &parent, &token, &depth);
    if (*ret_rc < 0)
        return NULL;
    return parent ? child_of(parent, buf_slice(&token)) : o->document;
}

/* Takes `v` over. */
static int put(struct operation *o, struct value *v, bool replacing)
{
    struct value *owned CLEANUP_VALUE = v;
    BUF_LOCAL(token);
    struct value *parent = NULL;
    size_t depth = 0, index;
    int rc = find_parent(o, "path", &parent, &token, &depth);

    if (rc < 0)
        return rc;
    if (depth + value_depth(owned) > VALUE_DEPTH_MAX)
        return fail(o, "nested too deeply");
    if (replacing && parent && !child_of(parent, buf_slice(&token)))
        return fail(o, "nothing to replace there");
    if (!parent) {
        value_free(o->document);
        o->document = STEAL(owned);
    } else if (value_is(parent, VALUE_OBJECT)) {
        value_set_slice(parent, buf_slice(&token), STEAL(owned));
    } else if (!value_is(parent, VALUE_ARRAY) ||
               !array_index(buf_slice(&token), value_count(parent), !replacing, &index)) {
        return fail(o, "no such place");
    } else if (replacing) {
        value_replace_at(parent, index, STEAL(owned));
    } else {
        value_insert(parent, index, STEAL(owned));
    }
    return 0;
}

static int remove_at(struct operation *o, const char *which)
{
    BUF_LOCAL(token);
    struct value *parent = NULL;
    size_t depth, index;
    int rc = find_parent(o, which, &parent, &token, &depth);

    if (rc < 0)
        return rc;
    if (value_is(parent, VALUE_OBJECT) && value_remove(parent, buf_cstr(&token)))
        return 0;
    if (!value_is(parent, VALUE_ARRAY) || !array_index(buf_slice(&token), value_count(parent), false, &index))
        return fail(o, "nothing to remove there");
    value_remove_at(parent, index);
    return 0;
}

static int run_add(struct operation *o)
{
    const struct value *v = value_get(o->patch, "value");

    return v ? put(o, value_copy(v), false) : fail(o, "it has no value");
}

static int run_replace(struct operation *o)
{
    const struct value *v = value_get(o->patch, "value");

    return v ? put(o, value_copy(v), true) : fail(o, "it has no value");
}

static int run_remove(struct operation *o)
{
    return remove_at(o, "path");
}

static int run_test(struct operation *o)
{
    const struct value *want = value_get(o->patch, "value");
    int rc;
    const struct value *have = find(o, "path", &rc);

    if (rc < 0)
        return rc;
    if (!have ? value_is(want, VALUE_NULL) : want && value_equal(have, want))
        return 0;
    return fail(o, have ? "the value is another" : "there is nothing to test");
}

/* The value at `from`, charged to the budget; NULL on failure. */
static struct value *carried(struct operation *o, int *ret_rc)
{
    BUF_LOCAL(text);
    struct value *v = find(o, "from", ret_rc);

    if (*ret_rc < 0)
        return NULL;
    if (!v) {
        *ret_rc = fail(o, "there is nothing at its `from`");
        return NULL;
    }
    value_write(v, &text);
    if (text.len > *o->budget) {
        *ret_rc = fail(o, "the patch copies too much");
        return NULL;
    }
    *o->budget -= text.len;
    return v;
}

static int run_copy(struct operation *o)
{
    int rc;
    struct value *v = carried(o, &rc);

    return v ? put(o, value_copy(v), false) : rc;
}

static int run_move(struct operation *o)
{
    struct slice from = value_string(value_get(o->patch, "from"));
    struct slice path = value_string(value_get(o->patch, "path"));
    struct value *v CLEANUP_VALUE = NULL;
    int rc;

    if (slice_starts(path, from) && path.len > from.len && path.data[from.len] == '/')
        return fail(o, "cannot move a value into itself");
    v = value_copy(carried(o, &rc));
    if (!v)
        return rc;
    if (slice_equal(from, path))
        return 0;
    if ((rc = remove_at(o, "from")) < 0)
        return rc;
    return put(o, STEAL(v), false);
}

static int run_operation(struct operation *o)
{
    static const struct {
        const char *name;
        int (*run)(struct operation *o);
    } operations[] = {
        {"add", run_add},   {"remove", run_remove}, {"replace", run_replace},
        {"move", run_move}, {"copy", run_copy},     {"test", run_test},
    };
    struct slice name = value_string(value_get(o->patch, "op"));

    for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
        if (slice_is(name, operations[i].name))
            return operations[i].run(o);
    return fail(o, "unknown operation");
}

int patch_json(const struct value *current, const struct value *patch, struct value **ret_result, struct error *err)
{
    size_t budget = PATCH_COPY_MAX;
    struct operation o = {.budget = &budget, .err = err};
    int rc = 0;

    if (!value_is(patch, VALUE_ARRAY))
        return error_set(err, ERROR_BAD_REQUEST, "json: cannot unmarshal %s into Go value of type jsonpatch.Patch",
                         value_is(patch, VALUE_OBJECT) ? "object" : "value");
    if (value_count(patch) > PATCH_OPERATIONS_MAX)
        return error_set(err, ERROR_TOO_LARGE, "The allowed maximum operations in a JSON patch is %d, got %zu",
                         PATCH_OPERATIONS_MAX, value_count(patch));
    o.document = value_copy(current);
    for (o.index = 0; o.index < value_count(patch) && rc == 0; o.index++) {
        o.patch = value_at(patch, o.index);
        rc = run_operation(&o);
    }
    if (rc < 0) {
        value_free(o.document);
        return rc;
    }
    *ret_result = o.document;
    return 0;
}
