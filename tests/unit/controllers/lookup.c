/* SPDX-License-Identifier: Apache-2.0 */
/* Who owns whom and who selects whom, by the indexes and by looking at everything, while objects come, change and go.
 */
#include "tests/unit/controllers/fixture.h"

#include <stdio.h>

#include "controllers/runner_internal.h"
#include "lib/random.h"

#define PODS   24
#define SETS   8
#define OWNERS 5

struct world {
    struct slot pods, sets;
    struct slot *slots[2];
    struct controllers controllers;
    struct run run;
    struct view *pod[PODS]; /* NULL = not there */
    struct view *set[SETS];
};

static void world_init(struct world *w)
{
    *w = (struct world){.pods.kind = &view_pods, .sets.kind = &view_replicasets};
    w->slots[0] = &w->pods;
    w->slots[1] = &w->sets;
    w->controllers.slots = w->slots;
    w->controllers.slot_count = ARRAY_SIZE(w->slots);
    w->run.controllers = &w->controllers;
}

/* As slot_changed: what was goes, what is comes. */
static void put(struct slot *slot, struct view **place, struct view *now)
{
    if (*place) {
        slot_unindex(slot, *place);
        selection_unindex(slot, *place);
        free(*place);
    }
    *place = now;
    if (now) {
        slot_index(slot, now);
        selection_index(slot, now);
    }
}

static void world_end(struct world *w)
{
    for (size_t i = 0; i < PODS; i++)
        put(&w->pods, &w->pod[i], NULL);
    for (size_t i = 0; i < SETS; i++)
        put(&w->sets, &w->set[i], NULL);
    assert_int_equal(w->pods.owners.count + w->pods.unowned.count + w->pods.all.count + w->sets.selectors.count, 0);
    slot_index_free(&w->pods);
    slot_index_free(&w->sets);
    selection_free(&w->pods);
    selection_free(&w->sets);
}

static void draw_labels(struct buf *out)
{
    const char *before = "";

    buf_append_byte(out, '{');
    for (char key = 'a'; key < 'd'; key++)
        if (random_below(2)) {
            buf_printf(out, "%s\"%c\":\"%d\"", before, key, (int)random_below(2));
            before = ",";
        }
    buf_append_byte(out, '}');
}

static struct view *draw_pod(size_t index)
{
    int first = (int)random_below(OWNERS);
    int controller = (int)random_below(3);
    BUF_LOCAL(text);

    buf_printf(&text, "{\"metadata\":{\"namespace\":\"n%d\",\"name\":\"p%zu\",\"uid\":\"p%zu\",\"ownerReferences\":[",
               (int)random_below(2), index, index);
    for (int i = 0, n = (int)random_below(4); i < n; i++)
        buf_printf(&text, "%s{\"uid\":\"s%d\"%s}", i ? "," : "", (first + i) % OWNERS,
                   i == controller ? ",\"controller\":true" : "");
    buf_append_str(&text, "],\"labels\":");
    draw_labels(&text);
    buf_append_str(&text, "}}");
    return view_of(&view_pods, buf_cstr(&text));
}

static struct view *draw_set(size_t index)
{
    BUF_LOCAL(text);

    buf_printf(&text,
               "{\"metadata\":{\"namespace\":\"n%d\",\"name\":\"s%zu\",\"uid\":\"s%zu\"},\"spec\":{\"selector\":{",
               (int)random_below(2), index, index);
    buf_append_str(&text, "\"matchLabels\":");
    draw_labels(&text);
    buf_append_str(&text, "}}}");
    return view_of(&view_replicasets, buf_cstr(&text));
}

static bool owns(const struct view *set, const struct view *pod)
{
    struct scan_cursor at = scan_open(view_raw(pod, VIEW_OWNERS));
    struct view_owner owner;

    while (view_next_owner(&at, &owner))
        if (slice_equal(owner.uid, view_text(set, VIEW_UID)))
            return true;
    return false;
}

static bool selects(const struct view *set, const struct view *pod)
{
    return slice_equal(view_text(set, VIEW_NAMESPACE), view_text(pod, VIEW_NAMESPACE)) &&
           view_has_members(view_raw(pod, VIEW_LABELS), scan_get(view_raw(set, RS_SELECTOR), "matchLabels"));
}

static void collect(void *arg, const struct view *v)
{
    view_array_add(arg, (struct view_list){&v, 1});
}

static size_t times(const struct view_array *found, const struct view *v)
{
    size_t count = 0;

    for (size_t i = 0; i < found->count; i++)
        count += found->items[i] == v;
    return count;
}

static void check_set(struct world *w, const struct view *set)
{
    struct view_list owned = run_owned(&w->run, &view_pods, view_text(set, VIEW_UID));
    struct view_array mine = {0}, selected = {0};

    view_array_add(&mine, owned);
    run_add_unowned(&w->run, &view_pods, set, &mine);
    run_each_selected(&w->run, &view_pods, set, collect, &selected);
    for (size_t i = 0; i < PODS; i++) {
        const struct view *pod = w->pod[i];
        struct view_owner owner;

        if (!pod)
            continue;
        assert_in_range(times(&mine, pod), owns(set, pod) || (selects(set, pod) && !view_controller(pod, &owner)), 1);
        assert_in_range(times(&selected, pod), selects(set, pod), 1);
    }
    free(mine.items);
    free(selected.items);
}

static void check_pod(struct world *w, const struct view *before, const struct view *now)
{
    struct view_array found = {0};

    run_each_selecting(&w->run, &view_replicasets, before, now, collect, &found);
    for (size_t i = 0; i < SETS; i++)
        if (w->set[i])
            assert_in_range(times(&found, w->set[i]),
                            (before && selects(w->set[i], before)) || (now && selects(w->set[i], now)), 1);
    free(found.items);
}

static void test_as_by_looking_at_everything(void **state)
{
    struct world w;

    (void)state;
    random_set_seed(1);
    world_init(&w);
    for (int round = 0; round < 1000; round++) {
        size_t pod = random_below(PODS), set = random_below(SETS);
        struct view *now = random_below(4) ? draw_pod(pod) : NULL;

        check_pod(&w, w.pod[pod], now);
        put(&w.pods, &w.pod[pod], now);
        if (!random_below(4))
            put(&w.sets, &w.set[set], random_below(4) ? draw_set(set) : NULL);
        for (size_t i = 0; i < SETS; i++)
            if (w.set[i])
                check_set(&w, w.set[i]);
    }
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_by_looking_at_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
