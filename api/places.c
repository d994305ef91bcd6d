/* SPDX-License-Identifier: Apache-2.0 */
#include "api/places.h"

/* ---- taking over ---- */

static bool same_items(const struct value *a, const struct value *b)
{
    if (!value_is(a, VALUE_ARRAY) || !value_is(b, VALUE_ARRAY) || value_count(a) != value_count(b))
        return false;
    for (size_t i = 0; i < value_count(a); i++)
        if (!slice_equal(value_string(value_get(value_at(a, i), "name")),
                         value_string(value_get(value_at(b, i), "name"))))
            return false;
    return true;
}

static void take_over(struct value *to, struct slice name, const struct value *v)
{
    struct value_iter it = value_iter_start(to);
    struct slice member;
    struct value *there;

    if (v) {
        value_set_slice(to, name, value_copy(v));
        return;
    }
    while (value_iter_next(&it, &member, &there))
        if (slice_equal(member, name)) {
            value_iter_remove(&it);
            return;
        }
}

static void take_one(struct value *to, const struct value *from, struct slice place)
{
    struct slice name;
    bool last = slice_find(place, '.') < 0;

    (void)slice_split(&place, '.', &name);
    const struct value *source = value_get_slice(from, name);
    struct value *target = value_get_slice(to, name);

    if (!last && value_is(source, VALUE_OBJECT) && value_is(target, VALUE_OBJECT)) {
        take_one(target, source, place);
    } else if (!last && same_items(source, target)) {
        for (size_t i = 0; i < value_count(source); i++)
            take_one(value_at(target, i), value_at(source, i), place);
    } else {
        take_over(to, name, source);
    }
}

void places_take(struct value *to, const struct value *from, const char *places)
{
    struct slice rest = slice_str(places);
    struct slice place;

    while (slice_split(&rest, ',', &place))
        take_one(to, from, place);
}

/* ---- keeping ---- */

enum reach { REACH_NOTHING, REACH_PART, REACH_ALL };

/* How much of what is at `path` the places mean. */
static enum reach places_reach(const char *places, struct slice path)
{
    struct slice rest = slice_str(places);
    enum reach reach = REACH_NOTHING;
    struct slice place;

    while (slice_split(&rest, ',', &place)) {
        if (slice_equal(place, path))
            return REACH_ALL;
        if (slice_starts(place, path) && place.data[path.len] == '.')
            reach = REACH_PART;
    }
    return reach;
}

static void keep_below(struct value *v, const char *places, struct buf *path);

static void keep_members(struct value *object, const char *places, struct buf *path, bool item)
{
    struct value_iter it = value_iter_start(object);
    size_t len = path->len;
    struct slice name;
    struct value *member;

    while (value_iter_next(&it, &name, &member)) {
        enum reach reach;

        buf_printf(path, "%s%.*s", len ? "." : "", SLICE_ARGS(name));
        reach = places_reach(places, buf_slice(path));
        if (reach == REACH_PART)
            keep_below(member, places, path);
        else if (reach == REACH_NOTHING && !(item && slice_is(name, "name")))
            value_iter_remove(&it);
        path->len = len;
    }
}

static void keep_below(struct value *v, const char *places, struct buf *path)
{
    if (value_is(v, VALUE_OBJECT))
        keep_members(v, places, path, false);
    for (size_t i = 0; value_is(v, VALUE_ARRAY) && i < value_count(v); i++)
        if (value_is(value_at(v, i), VALUE_OBJECT))
            keep_members(value_at(v, i), places, path, true);
}

void places_keep(struct value *object, const char *places)
{
    BUF_LOCAL(path);

    keep_below(object, places, &path);
}

/* ---- owning ---- */

static const struct fieldset *own_below(struct pool *pool, const struct fieldset *set, const char *places,
                                        struct buf *path)
{
    struct fieldset *out = pool_alloc(pool, sizeof(*out));
    size_t len = path->len;

    *out = (struct fieldset){0};
    for (size_t i = 0; set && i < set->count; i++) {
        const struct fieldset_entry *e = &set->entries[i];
        enum reach reach = REACH_PART; /* an item has the path of its list */

        if (e->step.kind == FIELDSET_FIELD) {
            buf_printf(path, "%s%.*s", len ? "." : "", SLICE_ARGS(e->step.text));
            reach = places_reach(places, buf_slice(path));
        }
        if (reach == REACH_ALL)
            fieldset_add(pool, out, e->step, e->member, e->below);
        else if (reach == REACH_PART)
            fieldset_add(pool, out, e->step, false, own_below(pool, e->below, places, path));
        path->len = len;
    }
    return out;
}

const struct fieldset *places_own(struct pool *pool, const struct fieldset *set, const char *places)
{
    BUF_LOCAL(path);

    return own_below(pool, set, places, &path);
}
