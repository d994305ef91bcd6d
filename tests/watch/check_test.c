/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checker is checked: it takes right streams, and finds every single damage that is done to them, at every place.
 * The right streams are made here by playing the changes forward, which is not how the checker works.
 */
#include "tests/unit/test.h"

#include "tests/watch/check.h"

#define KEYS         60
#define NAMESPACES   5
#define KINDS        2
#define LABELS       3
#define NODES        5
#define TRANSACTIONS 150
#define SEEDS        2

struct object {
    bool present;
    struct record_change now;
};

static uint64_t seed;

static unsigned draw(unsigned below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((seed >> 33) % below);
}

static void make_changes(struct record *r)
{
    bool present[KEYS] = {false};
    uint32_t value = 0;

    r->namespaces = NAMESPACES;
    r->kinds = KINDS;
    r->keys = KEYS;
    r->last = 100;
    for (unsigned t = 0; t < TRANSACTIONS; t++) {
        unsigned count = 1 + draw(4), first = draw(KEYS);

        r->last += 1 + draw(2); /* other things happen too */
        for (unsigned i = 0; i < count; i++) {
            uint32_t key = (first + i * 7) % KEYS;
            bool gone = present[key] && draw(4) == 0;
            struct record_change change = {r->last, key, gone ? 0 : ++value, 0, 0};

            change.label = (uint8_t)draw(LABELS);
            change.node = (uint8_t)draw(NODES);
            present[key] = !gone;
            record_add_change(r, &change);
        }
    }
}

static bool selected(const struct record_selector *s, const struct object *o)
{
    return o->present && o->now.key % KINDS == s->kind &&
           (s->namespace_ < 0 || (int)(o->now.key % NAMESPACES) == s->namespace_) &&
           (s->key < 0 || (int)o->now.key == s->key) && (s->label < 0 || o->now.label == s->label) &&
           (s->node < 0 || o->now.node == s->node);
}

static void say(struct record_session *s, enum record_type type, const struct object *o, uint64_t revision)
{
    const struct record_event event = {revision, o->now.key, o->now.value, (uint8_t)type, o->now.label, o->now.node};

    record_add_event(s, &event);
}

static void mark(struct record_session *s, enum record_type type, uint64_t revision)
{
    const struct record_event event = {.revision = revision, .type = (uint8_t)type};

    record_add_event(s, &event);
}

static void say_list(struct record_session *s, const struct object *objects, uint64_t revision)
{
    for (unsigned n = 0; n < NAMESPACES; n++)
        for (unsigned key = n; key < KEYS; key += NAMESPACES)
            if (selected(&s->selector, &objects[key]))
                say(s, RECORD_ADDED, &objects[key], objects[key].now.revision);
    mark(s, RECORD_INITIAL_END, revision);
}

/* Plays everything and says what this watcher sees of it. */
static void play(const struct record *r, struct record_session *s)
{
    struct object objects[KEYS] = {0};
    bool listed = !s->list;

    for (size_t i = 0; i < r->change_count; i++) {
        const struct record_change *c = &r->changes[i];
        struct object before = objects[c->key];
        struct object *o = &objects[c->key];
        bool first = !i || r->changes[i - 1].revision != c->revision;

        if (first && c->revision > s->after && !listed) {
            say_list(s, objects, c->revision - 1);
            listed = true;
        } else if (first && i && c->revision > s->after && draw(12) == 0) {
            mark(s, RECORD_BOOKMARK, c->revision - draw(2) ? r->changes[i - 1].revision : c->revision - 1);
        }
        *o = (struct object){c->value != 0, *c};
        if (c->revision <= s->after)
            continue;
        if (selected(&s->selector, o))
            say(s, selected(&s->selector, &before) ? RECORD_MODIFIED : RECORD_ADDED, o, c->revision);
        else if (selected(&s->selector, &before))
            say(s, RECORD_DELETED, &before, c->revision);
    }
    mark(s, RECORD_BOOKMARK, r->last);
}

static void make_record(struct record *r)
{
    static const struct record_selector selectors[] = {
        {-1, -1, -1, -1, 0}, {2, -1, -1, -1, 0}, {-1, -1, 1, -1, 0},
        {-1, -1, -1, 3, 0},  {1, 5, -1, -1, 0},  {3, -1, 2, -1, 1},
    };

    make_changes(r);
    for (size_t i = 0; i < ARRAY_SIZE(selectors) * 2; i++) {
        struct record_session *s = record_add_session(r, (unsigned)i, &selectors[i / 2]);

        s->list = i % 2;
        s->after = r->changes[draw((unsigned)r->change_count / 2)].revision;
        play(r, s);
    }
}

static void expect_right(const struct record *r)
{
    struct check_counts counts;
    BUF_LOCAL(what);

    if (check_record(r, 0, &counts, &what) < 0)
        fail_msg("%s", buf_cstr(&what));
}

static void expect_wrong(const struct record *r, const char *damage, const struct record_session *s, size_t at)
{
    struct check_counts counts;
    BUF_LOCAL(what);

    if (check_record(r, 1000, &counts, &what) == 0)
        fail_msg("not found: %s, watcher %u, event %zu", damage, s->watcher, at);
    assert_true(what.len > 0);
}

/* Does `damage` at every event of every session where it can be done (it says so), and undoes it. */
static size_t at_every_place(bool (*damage)(struct record_session *s, size_t at), const char *name)
{
    size_t done = 0;

    for (unsigned n = 1; n <= SEEDS; n++) {
        struct record r = {0};

        seed = n;
        make_record(&r);
        expect_right(&r);
        for (size_t i = 0; i < r.session_count; i++) {
            struct record_session *s = r.sessions[i];
            struct record_session kept = *s;

            for (size_t at = 0; at < kept.count; at++) {
                s->events = mem_calloc(kept.count + 1, sizeof(*s->events));
                s->cap = kept.count + 1;
                memcpy(s->events, kept.events, kept.count * sizeof(*s->events));
                if (damage(s, at)) {
                    expect_wrong(&r, name, s, at);
                    done++;
                }
                free(s->events);
                *s = kept;
            }
        }
        record_clear(&r);
    }
    return done;
}

static bool is_object(const struct record_session *s, size_t at)
{
    return at < s->count && s->events[at].type < RECORD_BOOKMARK;
}

static void take_out(struct record_session *s, size_t at)
{
    memmove(&s->events[at], &s->events[at + 1], (s->count - at - 1) * sizeof(*s->events));
    s->count--;
}

static bool leave_out(struct record_session *s, size_t at)
{
    if (!is_object(s, at))
        return false;
    take_out(s, at);
    return true;
}

static bool leave_out_mark_of_list(struct record_session *s, size_t at)
{
    if (s->events[at].type != RECORD_INITIAL_END)
        return false;
    take_out(s, at);
    return true;
}

static bool say_twice(struct record_session *s, size_t at)
{
    if (!is_object(s, at))
        return false;
    memmove(&s->events[at + 1], &s->events[at], (s->count - at) * sizeof(*s->events));
    s->count++;
    return true;
}

static bool say_late(struct record_session *s, size_t at)
{
    struct record_event event = s->events[at];

    if (!is_object(s, at) || at + 1 == s->count)
        return false;
    take_out(s, at);
    s->events[s->count++] = event;
    return true;
}

/* Two events, or an event and a bookmark in either order. */
static bool swap(struct record_session *s, size_t at)
{
    struct record_event event = s->events[at];

    if (at + 1 == s->count || (!is_object(s, at) && !is_object(s, at + 1)))
        return false;
    s->events[at] = s->events[at + 1];
    s->events[at + 1] = event;
    return true;
}

static bool split_by_the_end(struct record_session *s, size_t at)
{
    if (!at || !is_object(s, at) || !is_object(s, at - 1) || s->events[at].revision != s->events[at - 1].revision ||
        (s->list && s->events[at].type == RECORD_ADDED && s->events[at - 1].type == RECORD_ADDED))
        return false;
    s->count = at;
    s->end = RECORD_CLEAN;
    return true;
}

static bool split_by_a_bookmark(struct record_session *s, size_t at)
{
    if (!split_by_the_end(s, at))
        return false;
    s->end = RECORD_OPEN;
    s->events[at] = (struct record_event){.revision = s->events[at - 1].revision, .type = RECORD_BOOKMARK};
    s->count = at + 1;
    return true;
}

static bool wrong_type(struct record_session *s, size_t at)
{
    if (!is_object(s, at))
        return false;
    s->events[at].type = (uint8_t)((s->events[at].type + 1 + draw(2)) % RECORD_BOOKMARK);
    return true;
}

static bool wrong_value(struct record_session *s, size_t at)
{
    if (!is_object(s, at))
        return false;
    s->events[at].value++;
    return true;
}

static bool wrong_label(struct record_session *s, size_t at)
{
    if (!is_object(s, at))
        return false;
    s->events[at].label ^= 1;
    return true;
}

static bool of_somebody_else(struct record_session *s, size_t at)
{
    if (!is_object(s, at))
        return false;
    s->events[at].key = (s->events[at].key + 1) % KEYS;
    return true;
}

static bool wrong_revision(struct record_session *s, size_t at)
{
    if (!is_object(s, at))
        return false;
    s->events[at].revision++;
    return true;
}

static bool bookmark_too_far(struct record_session *s, size_t at)
{
    if (s->events[at].type != RECORD_BOOKMARK)
        return false;
    s->events[at].revision = at + 1 < s->count ? s->events[at + 1].revision : s->events[at].revision + 1;
    return at + 1 == s->count || is_object(s, at + 1);
}

static bool expired_too_early(struct record_session *s, size_t at)
{
    if (!is_object(s, at) || s->list)
        return false;
    s->count = at + 1;
    s->end = RECORD_CUT;
    s->expired = true;
    s->compacted = s->events[at].revision;
    return true;
}

static bool too_much_unsent(struct record_session *s, size_t at)
{
    s->unsent_max = 1001;
    return at == 0;
}

static void test_every_damage_is_found(void **state)
{
    static const struct {
        const char *name;
        bool (*damage)(struct record_session *s, size_t at);
    } rows[] = {
        {"left out", leave_out},
        {"the end of a list left out", leave_out_mark_of_list},
        {"twice", say_twice},
        {"late", say_late},
        {"swapped", swap},
        {"a transaction split by the end", split_by_the_end},
        {"a transaction split by a bookmark", split_by_a_bookmark},
        {"wrong type", wrong_type},
        {"wrong value", wrong_value},
        {"wrong label", wrong_label},
        {"of another object", of_somebody_else},
        {"wrong revision", wrong_revision},
        {"a bookmark too far", bookmark_too_far},
        {"410 too early", expired_too_early},
        {"too much unsent", too_much_unsent},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (!at_every_place(rows[i].damage, rows[i].name))
            fail_msg("never done: %s", rows[i].name);
}

/* What is allowed is not taken for damage. */
static void test_right_ends(void **state)
{
    struct record r = {0};

    (void)state;
    seed = 7;
    make_record(&r);
    for (size_t i = 0; i < r.session_count; i++) {
        struct record_session *s = r.sessions[i];
        const struct record_session kept = *s;

        for (size_t at = 1; at < kept.count; at++) {
            s->count = at;
            s->end = RECORD_CUT;
            expect_right(&r);
            s->end = RECORD_CLEAN;
            if (s->events[at - 1].revision != s->events[at].revision)
                expect_right(&r);
            s->expired = true;
            s->compacted = s->events[at].revision + 1;
            if (s->events[at - 1].revision != s->events[at].revision)
                expect_right(&r);
            *s = kept;
        }
    }
    record_clear(&r);
}

static void test_resume(void **state)
{
    struct record r = {0};
    struct record_session *s = record_add_session(&r, 0, &(struct record_selector){-1, -1, -1, -1, 0});
    const struct object o = {0};

    (void)state;
    s->list = true;
    s->end = RECORD_CUT;
    say(s, RECORD_ADDED, &o, 3);
    assert_int_equal(record_resume(s), 0); /* half a list is none */
    mark(s, RECORD_INITIAL_END, 9);
    assert_int_equal(record_resume(s), 9);
    say(s, RECORD_ADDED, &o, 11);
    assert_int_equal(record_resume(s), 9); /* more of 11 may have been on its way */
    say(s, RECORD_ADDED, &o, 12);
    assert_int_equal(record_resume(s), 11);
    s->end = RECORD_CLEAN;
    assert_int_equal(record_resume(s), 12);
    record_clear(&r);
}

static void test_parse(void **state)
{
    struct record_event e;

    (void)state;
    assert_true(
        record_parse(SLICE_LIT("{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"resourceVersion\":\"12\","
                               "\"name\":\"p000034\",\"labels\":{\"app\":\"a2\"},\"annotations\":{\"v\":\"56\"}},"
                               "\"spec\":{\"nodeName\":\"n7\"}}}"),
                     &e));
    assert_int_equal(e.type, RECORD_DELETED);
    assert_int_equal(e.revision, 12);
    assert_int_equal(e.key, 34);
    assert_int_equal(e.label, 2);
    assert_int_equal(e.value, 56);
    assert_int_equal(e.node, 7);
    assert_true(record_parse(SLICE_LIT("{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\","
                                       "\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}"),
                             &e));
    assert_int_equal(e.type, RECORD_INITIAL_END);
    assert_true(record_parse(SLICE_LIT("{\"type\":\"ERROR\",\"object\":{\"code\":410}}"), &e));
    assert_false(record_parse(SLICE_LIT("{\"type\":\"ERROR\",\"object\":{\"code\":500}}"), &e));
    assert_false(record_parse(SLICE_LIT("{\"type\":\"ADDED\",\"object\":{\"metadata\":{}}}"), &e));
    assert_false(record_parse(SLICE_LIT("junk"), &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_damage_is_found),
        cmocka_unit_test(test_right_ends),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_parse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
