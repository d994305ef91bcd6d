/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans: many paths read in one pass. The paths are merged into a tree of steps (a member's name, or [] for every
 * element); running walks document and tree together and skips every member that no path wants. The tree is at most as
 * deep as the longest path, which is written by us, so recursion is bounded.
 */
#include "api/scan.h"

#define NO_PATH SIZE_MAX

struct step {
    char *name; /* NULL = [] */
    size_t name_len;
    size_t path; /* which path ends here, or NO_PATH */
    struct step *first_child;
    struct step *next; /* sibling */
    size_t children;
};

struct scan_plan {
    struct step root;
    size_t path_count;
};

static struct step *need_child(struct step *parent, const char *name, size_t name_len)
{
    struct step **link = &parent->first_child;

    for (; *link; link = &(*link)->next) {
        struct step *s = *link;

        if ((!name && !s->name) || (name && s->name && s->name_len == name_len && !memcmp(s->name, name, name_len)))
            return s;
    }
    *link = mem_zalloc(sizeof **link);
    (*link)->name = name ? mem_strndup(name, name_len) : NULL;
    (*link)->name_len = name_len;
    (*link)->path = NO_PATH;
    parent->children++;
    return *link;
}

struct scan_plan *scan_plan_new(const char *const *paths, size_t count)
{
    struct scan_plan *plan = mem_zalloc(sizeof *plan);

    if (count > SCAN_PATHS_MAX)
        mem_die(count); /* a plan is written in code, never made from input */
    plan->root.path = NO_PATH;
    plan->path_count = count;
    for (size_t i = 0; i < count; i++) {
        struct slice rest = slice_str(paths[i]);
        struct step *at = &plan->root;
        struct slice name;

        while (slice_split(&rest, '.', &name)) {
            bool every = slice_ends(name, SLICE_LIT("[]"));

            if (every)
                name.len -= 2;
            at = need_child(at, name.data, name.len);
            if (every)
                at = need_child(at, NULL, 0);
        }
        at->path = i;
    }
    return plan;
}

static void free_steps(struct step *s)
{
    while (s) {
        struct step *next = s->next;

        free_steps(s->first_child);
        free(s->name);
        free(s);
        s = next;
    }
}

void scan_plan_free(struct scan_plan *plan)
{
    if (!plan)
        return;
    free_steps(plan->root.first_child);
    free(plan);
}

struct run {
    void (*visit)(void *arg, size_t path, struct slice v);
    void *arg;
};

static void walk(const struct run *run, const struct step *at, struct slice v);

static void walk_elements(const struct run *run, const struct step *every, struct slice v)
{
    struct scan_cursor c = scan_open(v);
    struct slice element;

    while (scan_element(&c, &element))
        walk(run, every, element);
}

static void walk(const struct run *run, const struct step *at, struct slice v)
{
    struct scan_cursor c;
    struct slice key, value;
    size_t left = at->children;

    if (at->path != NO_PATH)
        run->visit(run->arg, at->path, v);
    if (!left)
        return;
    if (!at->first_child->name) {
        walk_elements(run, at->first_child, v);
        return;
    }
    c = scan_open(v);
    while (left && scan_member(&c, &key, &value)) {
        for (const struct step *s = at->first_child; s; s = s->next) {
            if (s->name && s->name_len == key.len && !memcmp(s->name, key.data, key.len)) {
                walk(run, s, value);
                left--;
                break;
            }
        }
    }
}

static void store_value(void *arg, size_t path, struct slice v)
{
    struct slice *values = arg;

    if (!values[path].data)
        values[path] = v;
}

void scan_run(const struct scan_plan *plan, struct slice document, struct slice *values)
{
    for (size_t i = 0; i < plan->path_count; i++)
        values[i] = SLICE_NONE;
    scan_visit(plan, document, store_value, values);
}

void scan_visit(const struct scan_plan *plan, struct slice document,
                void (*visit)(void *arg, size_t path, struct slice v), void *arg)
{
    struct run run = {visit, arg};

    walk(&run, &plan->root, document);
}

/* ---- without a plan -----------------------------------------------------------------------------------------------
 */

struct many {
    struct slice rests[SCAN_PATHS_MAX]; /* of the paths; data NULL = it ended here */
    struct slice *values;
};

/* The paths among `wanted` that go on with this name; they are moved behind it. */
static uint64_t many_enter(struct many *m, uint64_t wanted, struct slice name)
{
    uint64_t inside = 0;

    for (uint64_t left = wanted; left; left &= left - 1) {
        size_t i = (size_t)__builtin_ctzll(left);
        struct slice *rest = &m->rests[i];

        /* Most differ in their first byte. */
        if (!rest->len || !name.len || *rest->data != *name.data || !slice_starts(*rest, name) ||
            (rest->len > name.len && rest->data[name.len] != '.') || slice_find(name, '.') >= 0)
            continue;
        *rest = rest->len == name.len ? SLICE_NONE : slice_from(*rest, name.len + 1);
        inside |= (uint64_t)1 << i;
    }
    return inside;
}

static void many_walk(struct many *m, uint64_t wanted, struct slice object)
{
    struct scan_cursor c = scan_open(object);
    struct slice key, value;

    while (wanted && scan_member(&c, &key, &value)) {
        uint64_t inside = many_enter(m, wanted, key);

        wanted &= ~inside;
        for (uint64_t left = inside; left; left &= left - 1) {
            size_t i = (size_t)__builtin_ctzll(left);

            if (m->rests[i].data)
                continue;
            m->values[i] = value;
            inside &= ~((uint64_t)1 << i);
        }
        if (inside)
            many_walk(m, inside, value);
    }
}

void scan_get_many(struct slice document, const char *const *paths, size_t count, struct slice *values)
{
    struct many m = {.values = values};

    if (count > SCAN_PATHS_MAX)
        mem_die(count); /* as for a plan */
    for (size_t i = 0; i < count; i++) {
        m.rests[i] = slice_str(paths[i]);
        values[i] = SLICE_NONE;
    }
    if (count)
        many_walk(&m, UINT64_MAX >> (SCAN_PATHS_MAX - count), document);
}
