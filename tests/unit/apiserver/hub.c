/* SPDX-License-Identifier: Apache-2.0 */
/* Who is looked at when something changes: those whom it concerns, however many others there are. Counts, not times. */
#include "tests/unit/test.h"

#include <stdio.h>

#include "api/custom.h"
#include "api/value.h"
#include "apiserver/hub.h"
#include "apiserver/hub_queue.h"

#define CROWD 10000

struct fixture {
    char dir[64];
    struct store *store;
    struct loop *loop;
    struct hub *hub;
    const struct schema_kind *pods;
    struct buf stored; /* of the pod, as it is */
    uint64_t done;     /* revision of the last commit */
};

/* A watcher that counts. */
struct listener {
    struct hub_watcher hub;
    struct fixture *fixture;
    size_t events;
    size_t flushes;
    size_t bookmarks;
    size_t redefined;
    bool asks; /* for a flush at each event */
};

static void on_event(struct hub_watcher *w, struct frame_event *event)
{
    struct listener *l = container_of(w, struct listener, hub);

    (void)event;
    l->events++;
    if (l->asks)
        hub_want_flush(l->fixture->hub, w);
}

static void on_flush(struct hub_watcher *w)
{
    container_of(w, struct listener, hub)->flushes++;
}

static void on_bookmark(struct hub_watcher *w)
{
    container_of(w, struct listener, hub)->bookmarks++;
}

static void on_redefined(struct hub_watcher *w)
{
    container_of(w, struct listener, hub)->redefined++;
}

static void on_stop(struct hub_watcher *w)
{
    (void)w;
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));
    struct store_options options = {.manual = true};

    value_init();
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/knarr-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    options.path = f->dir;
    assert_int_equal(store_open(&options, &f->store, NULL), 0);
    f->loop = loop_new(clock_system());
    f->hub = hub_new(f->store, f->loop);
    f->pods = registry_need_kind("", "pods");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    hub_free(f->hub);
    loop_free(f->loop);
    store_close(f->store);
    test_remove_folder(f->dir);
    buf_free(&f->stored);
    free(f);
    return 0;
}

static void committed(void *arg, uint64_t revision, size_t failed, const struct error *err)
{
    (void)failed;
    assert_null(err);
    ((struct fixture *)arg)->done = revision;
}

/* The pod b/x with this node and phase. `stale`: as an older schema would have written its header. */
static void put_pod(struct fixture *f, const char *node, const char *phase, bool stale)
{
    struct store_operation operation = {STORE_PUT, SLICE_LIT(REGISTRY_PREFIX "/pods/b/x")};
    BUF_LOCAL(meta);

    buf_reset(&f->stored);
    buf_printf(&f->stored,
               "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"x\",\"namespace\":\"b\"},"
               "\"spec\":{\"nodeName\":\"%s\"},\"status\":{\"phase\":\"%s\"}}",
               node, phase);
    object_encode_meta(f->pods, buf_slice(&f->stored), &meta);
    if (stale) {
        struct schema_kind other = *f->pods;
        const char *const none[] = {NULL};

        other.selectable = none;
        other.hash++;
        buf_reset(&meta);
        object_encode_meta(&other, buf_slice(&f->stored), &meta);
    }
    operation.meta = buf_slice(&meta);
    operation.value = buf_slice(&f->stored);
    store_commit(f->store, &(struct store_transaction){NULL, 0, &operation, 1}, committed, f);
    (void)store_step(f->store);
    loop_turn(f->loop, false);
}

static void put(struct fixture *f, const struct schema_kind *kind, const char *key, const char *stored)
{
    struct store_operation operation = {STORE_PUT, slice_str(key), .value = slice_str(stored)};
    BUF_LOCAL(meta);

    object_encode_meta(kind, slice_str(stored), &meta);
    operation.meta = buf_slice(&meta);
    store_commit(f->store, &(struct store_transaction){NULL, 0, &operation, 1}, committed, f);
    (void)store_step(f->store);
    loop_turn(f->loop, false);
}

static void listen(struct fixture *f, struct listener *l, const struct schema_kind *kind, const char *namespace_,
                   const char *fields)
{
    struct hub_interest interest = {.kind = kind, .namespace_ = slice_str(namespace_)};
    struct selector *selector = NULL;

    *l = (struct listener){.fixture = f, .hub = {.event = on_event, .flush = on_flush, .stop = on_stop}};
    l->hub.bookmark = on_bookmark;
    assert_int_equal(selector_parse_fields(kind, slice_str(fields), &selector, NULL), 0);
    interest.fields = selector;
    interest.name = selector_exact(selector, SLICE_LIT("metadata.name"));
    hub_add(f->hub, &l->hub);
    hub_attach(f->hub, &l->hub, &interest);
    selector_free(selector);
}

/* CROWD watchers of other things, the n-th of what `namespace_` and `fields` say of n. */
static struct listener *crowd(struct fixture *f, const char *namespace_, const char *fields)
{
    struct listener *all = mem_calloc(CROWD, sizeof(*all));

    for (size_t i = 0; i < CROWD; i++) {
        char *own_namespace CLEANUP_FREE = mem_printf("%s%zu", namespace_, i);
        char *own_fields CLEANUP_FREE = mem_printf("%s%zu", fields, i);

        listen(f, &all[i], f->pods, *namespace_ ? own_namespace : "", *fields ? own_fields : "");
    }
    return all;
}

static void disperse(struct fixture *f, struct listener *all)
{
    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(all[i].events, 0);
        hub_remove(f->hub, &all[i].hub);
    }
    free(all);
}

/* One who is concerned, among a crowd of others: he is looked at, nobody else. */
static void expect_alone(struct fixture *f, const char *namespace_, const char *fields, const char *crowd_namespace,
                         const char *crowd_fields)
{
    struct listener *others = crowd(f, crowd_namespace, crowd_fields);
    struct listener one;
    uint64_t before;

    listen(f, &one, f->pods, namespace_, fields);
    before = hub_visits(f->hub);
    put_pod(f, "n1", "Running", false);
    assert_int_equal(one.events, 1);
    assert_int_equal(hub_revision(f->hub), f->done);
    assert_int_equal(hub_visits(f->hub) - before, 1);
    hub_remove(f->hub, &one.hub);
    disperse(f, others);
}

static void test_only_the_concerned(void **state)
{
    struct fixture *f = *state;

    expect_alone(f, "", "spec.nodeName=n1", "", "spec.nodeName=other");       /* kubelets: their pods */
    expect_alone(f, "b", "metadata.name=x", "b", "metadata.name=y");          /* ... and single objects */
    expect_alone(f, "b", "", "other", "");                                    /* namespaces */
    expect_alone(f, "", "metadata.name=x", "", "metadata.name=y");            /* a name in any namespace */
    expect_alone(f, "b", "spec.nodeName=n1", "other", "spec.nodeName=other"); /* both */
    expect_alone(f, "", "", "", "spec.nodeName=other");                       /* everything */
}

/* What many ask for alike does not become the place where they stand. */
static void test_common_value_beside_a_rare_one(void **state)
{
    struct fixture *f = *state;

    expect_alone(f, "", "status.phase=Running,spec.nodeName=n1", "", "status.phase=Running,spec.nodeName=other");
    expect_alone(f, "", "spec.restartPolicy=,spec.nodeName=n1", "", "spec.restartPolicy=,spec.nodeName=other");
    expect_alone(f, "b", "status.phase=Running", "other", "status.phase=Running,spec.nodeName!=");
}

/* Who waits to fall back to the log is found without a look at all. */
static void test_flush(void **state)
{
    struct fixture *f = *state;
    struct listener *others = crowd(f, "", "spec.nodeName=other");
    struct listener one;
    uint64_t before;

    listen(f, &one, f->pods, "", "spec.nodeName=n1");
    one.asks = true;
    before = hub_visits(f->hub);
    put_pod(f, "n1", "Running", false);
    assert_int_equal(one.flushes, 1);
    assert_int_equal(hub_visits(f->hub) - before, 2);
    put_pod(f, "n2", "Running", false); /* leaves: still his */
    assert_int_equal(one.events, 2);
    put_pod(f, "n2", "Failed", false);
    assert_int_equal(one.events, 2);
    assert_int_equal(one.flushes, 2);
    hub_remove(f->hub, &one.hub);
    disperse(f, others);
}

/* However many batches there are, who got some of them is flushed once. */
static void test_one_flush_for_all_batches(void **state)
{
    struct fixture *f = *state;
    struct listener one;

    put_pod(f, "n1", "Pending", false); /* nobody wants it yet */
    put_pod(f, "n1", "Running", false);
    listen(f, &one, f->pods, "", "");
    one.asks = true;
    hub_catch_up(f->hub);
    assert_int_equal(one.events, 2);
    assert_int_equal(one.flushes, 1);
    hub_remove(f->hub, &one.hub);
}

/* What nobody watches does not wake the front; who comes later and needs it gets it, and nothing waits without bound.
 */
static void test_nobody_is_woken(void **state)
{
    struct fixture *f = *state;
    uint64_t before = hub_revision(f->hub);
    static char large[600000];
    struct listener one;

    put_pod(f, "n1", "Pending", false);
    put_pod(f, "n1", "Running", false);
    assert_int_equal(hub_revision(f->hub), before);
    listen(f, &one, f->pods, "", "");
    loop_turn(f->loop, false);
    assert_int_equal(hub_revision(f->hub), f->done);
    assert_int_equal(one.events, 2);
    hub_remove(f->hub, &one.hub);
    before = hub_revision(f->hub);
    for (int i = 0; i < 100; i++)
        put_pod(f, "n1", "Running", false);
    assert_true(hub_revision(f->hub) > before);
    before = hub_revision(f->hub);
    memset(large, 'x', sizeof(large) - 1);
    for (int i = 0; i < 4; i++) /* few, but large */
        put_pod(f, large, "Running", false);
    assert_true(hub_revision(f->hub) > before);
}

static void wait_ms(struct fixture *f, uint64_t ms)
{
    uint64_t until = loop_now_ms(f->loop) + ms;

    while (loop_now_ms(f->loop) < until)
        loop_turn(f->loop, true);
}

/* The patient hear at once of what is seldom; a stream of changes comes gathered, and whole. */
static void test_the_patient_get_a_stream_gathered(void **state)
{
    struct fixture *f = *state;
    struct listener one;
    size_t at_once = 0;
    uint64_t since;

    one = (struct listener){.fixture = f, .hub = {.event = on_event, .stop = on_stop, .patient = true}};
    hub_add(f->hub, &one.hub);
    hub_attach(f->hub, &one.hub, &(struct hub_interest){.kind = f->pods});
    put_pod(f, "n1", "Pending", false);
    assert_int_equal(one.events, 1);
    since = loop_now_ms(f->loop);
    for (size_t i = 0; i < 60; i++) {
        size_t before = one.events;

        put_pod(f, "n1", i % 2 ? "Running" : "Pending", false);
        at_once += one.events > before;
    }
    assert_true(at_once >= 10);
    if (loop_now_ms(f->loop) - since < 60) /* a slow disk makes it no stream */
        assert_true(at_once < 60);
    wait_ms(f, 20);
    assert_int_equal(one.events, 61);
    assert_int_equal(hub_revision(f->hub), f->done);
    hub_remove(f->hub, &one.hub);
}

/* ... but who is not patient gets each at once, and all that waited for the others with it. */
static void test_the_prompt_do_not_wait(void **state)
{
    struct fixture *f = *state;
    struct listener prompt;

    listen(f, &prompt, f->pods, "", "");
    for (size_t i = 0; i < 60; i++) {
        put_pod(f, "n1", i % 2 ? "Running" : "Pending", false);
        assert_int_equal(prompt.events, i + 1);
    }
    hub_remove(f->hub, &prompt.hub);
}

/* When many were written to, what comes next gathers, also for who is prompt, and comes by itself. */
static void test_events_for_many_gather(void **state)
{
    const size_t many = (size_t)HUB_MANY * HUB_GATHER_MS;
    struct fixture *f = *state;
    struct listener *all = mem_calloc(many, sizeof(*all));
    uint64_t since;

    for (size_t i = 0; i < many; i++) {
        listen(f, &all[i], f->pods, "", "");
        all[i].asks = true;
    }
    since = loop_now_ms(f->loop);
    put_pod(f, "n1", "Pending", false);
    assert_int_equal(all[0].events, 1);
    put_pod(f, "n1", "Running", false);
    put_pod(f, "n1", "Failed", false);
    hub_catch_up(f->hub);
    if (loop_now_ms(f->loop) - since < HUB_GATHER_MS) /* a slow disk has them come alone */
        assert_int_equal(all[0].events, 1);
    wait_ms(f, 2 * HUB_GATHER_MS);
    for (size_t i = 0; i < many; i++) {
        assert_int_equal(all[i].events, 3);
        hub_remove(f->hub, &all[i].hub);
    }
    free(all);
}

/* Written before a field could be selected: found all the same. */
static void test_stale_header(void **state)
{
    struct fixture *f = *state;
    struct listener one;

    put_pod(f, "n0", "Running", false);
    listen(f, &one, f->pods, "", "spec.nodeName=n1");
    put_pod(f, "n1", "Running", true);
    assert_int_equal(one.events, 1);
    put_pod(f, "n2", "Running", false);
    assert_int_equal(one.events, 2);
    hub_remove(f->hub, &one.hub);
}

/* A custom kind whose objects can be selected by that field. */
static struct custom_kind *widgets(const char *field, const char *scope)
{
    char *text CLEANUP_FREE = mem_printf(
        "{\"metadata\":{\"uid\":\"%s\"},\"spec\":{\"group\":\"x.io\",\"scope\":\"%s\",\"names\":{\"plural\":"
        "\"widgets\",\"kind\":\"Widget\"},\"versions\":[{\"name\":\"v1\",\"selectableFields\":[{\"jsonPath\":\"%s\"}]}]"
        "}}",
        field, scope, field);
    struct value *definition CLEANUP_VALUE = value_parse(slice_str(text), NULL);

    return custom_kind_whole(definition, custom_version(definition, SLICE_LIT("v1")));
}

/* The kind that the last watcher left behind is not the one that the next is indexed by: it may be gone. */
static void test_a_kind_defined_anew(void **state)
{
    static const char widget[] = "{\"metadata\":{\"name\":\"x\",\"namespace\":\"b\"},\"spec\":{\"b\":\"1\"}}";
    struct fixture *f = *state;
    struct custom_kind *first = widgets(".spec.a", "Namespaced");
    struct custom_kind *second = widgets(".spec.b", "Namespaced");
    struct listener one, other;
    uint64_t before;

    listen(f, &one, custom_kind_schema(first), "", "spec.a=1");
    put(f, custom_kind_schema(first), REGISTRY_PREFIX "x.io/widgets/b/x", widget);
    assert_int_equal(one.events, 0);
    custom_kind_unref(first);
    put(f, custom_kind_schema(second), REGISTRY_PREFIX "x.io/widgets/b/x", widget); /* still `one`'s kind */
    hub_remove(f->hub, &one.hub);
    listen(f, &one, custom_kind_schema(second), "", "spec.b=1");
    listen(f, &other, custom_kind_schema(second), "", "spec.b=2");
    before = hub_visits(f->hub);
    put(f, custom_kind_schema(second), REGISTRY_PREFIX "x.io/widgets/b/x", widget);
    assert_int_equal(one.events, 1);
    assert_int_equal(hub_visits(f->hub) - before, 1);
    hub_remove(f->hub, &one.hub);
    hub_remove(f->hub, &other.hub);
    custom_kind_unref(second);
}

/* Defined anew in another scope, and watched before the front has heard of it: what comes is heard all the same. */
static void test_a_kind_in_another_scope(void **state)
{
    static const char widget[] = "{\"metadata\":{\"name\":\"x\"}}";
    struct fixture *f = *state;
    struct custom_kind *namespaced = widgets(".spec.a", "Namespaced");
    struct custom_kind *cluster = widgets(".spec.b", "Cluster");
    struct listener one, other;

    listen(f, &one, custom_kind_schema(namespaced), "", "");
    listen(f, &other, custom_kind_schema(cluster), "", "metadata.name=x");
    hub_remove(f->hub, &one.hub);
    put(f, custom_kind_schema(cluster), REGISTRY_PREFIX "x.io/widgets/x", widget);
    assert_int_equal(other.events, 1);
    hub_remove(f->hub, &other.hub);
    custom_kind_unref(namespaced);
    custom_kind_unref(cluster);
}

static void test_definitions_are_told(void **state)
{
    struct fixture *f = *state;
    struct listener one;

    one = (struct listener){.fixture = f, .hub = {.event = on_event, .redefined = on_redefined}};
    hub_add(f->hub, &one.hub);
    put_pod(f, "n1", "Running", false);
    assert_int_equal(one.redefined, 0);
    put(f, registry_need_kind("apiextensions.k8s.io", "customresourcedefinitions"),
        REGISTRY_PREFIX REGISTRY_DEFINITIONS "/a.b", "{\"metadata\":{\"name\":\"a.b\"}}");
    assert_int_equal(one.redefined, 1);
    hub_remove(f->hub, &one.hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_only_the_concerned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_common_value_beside_a_rare_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flush, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_flush_for_all_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events_for_many_gather, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_is_woken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_patient_get_a_stream_gathered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_prompt_do_not_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stale_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_kind_defined_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_kind_in_another_scope, setup, teardown),
        cmocka_unit_test_setup_teardown(test_definitions_are_told, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
