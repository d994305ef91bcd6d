/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/changed.h"

struct changed {
    struct buf *out;
    size_t most;
    size_t count;
};

static bool is_noise(struct slice path)
{
    static const char *const names[] = {".metadata.resourceVersion", ".metadata.generation", ".metadata.managedFields"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (slice_is(path, names[i]))
            return true;
    return false;
}

static void changed_walk(struct changed *c, struct buf *path, const struct value *before, const struct value *now);

static void changed_member(struct changed *c, struct buf *path, struct slice name, const struct value *before,
                           const struct value *now)
{
    size_t len = path->len;

    /* A name with dots of its own ("kubernetes.io/x") stands in brackets. */
    if (slice_find(name, '.') >= 0)
        buf_printf(path, "[%.*s]", SLICE_ARGS(name));
    else
        buf_printf(path, ".%.*s", SLICE_ARGS(name));
    changed_walk(c, path, before, now);
    path->len = len;
}

static void changed_walk(struct changed *c, struct buf *path, const struct value *before, const struct value *now)
{
    struct value_iter it;
    struct slice name;
    struct value *member;

    if (value_is(before, VALUE_OBJECT) && value_is(now, VALUE_OBJECT)) {
        it = value_iter_start(now);
        while (value_iter_next(&it, &name, &member))
            changed_member(c, path, name, value_get_slice(before, name), member);
        it = value_iter_start(before);
        while (value_iter_next(&it, &name, &member))
            if (!value_get_slice(now, name))
                changed_member(c, path, name, member, NULL);
        return;
    }
    if ((before && now && value_equal(before, now)) || is_noise(buf_slice(path)))
        return;
    if (c->count++ < c->most)
        buf_printf(c->out, "%s%.*s", c->count > 1 ? ", " : "", SLICE_ARGS(buf_slice(path)));
}

void changed_fields(const struct value *before, const struct value *now, size_t most, struct buf *out)
{
    struct changed c = {.out = out, .most = most};
    BUF_LOCAL(path);

    changed_walk(&c, &path, before, now);
    if (c.count > most)
        buf_printf(out, " and %zu more", c.count - most);
}
