/* SPDX-License-Identifier: Apache-2.0 */
/* Stories of writes by several managers: what the object is afterwards, and who owns what. */
#include "tests/unit/test.h"

#include <time.h>

#include <stdio.h>
#include <sys/resource.h>

#include "api/apply.h"
#include "api/codec.h"
#include "api/managed.h"
#include "lib/clock.h"
#include "lib/random.h"

static struct value *json(const char *text)
{
    ERROR_LOCAL(err);
    struct value *v = value_parse(slice_str(text), &err);

    if (!v)
        fail_msg("%s: %s", text, error_text(&err));
    return v;
}

/* An object in the making, and its clock. */
struct story {
    const struct schema_kind *kind;
    struct value *object; /* without the list */
    struct value *list;
    int second;
};

static struct story story_begin(const char *group, const char *kind)
{
    struct story s = {.kind = schema_find_kind(slice_str(group), SLICE_LIT("v1"), slice_str(kind)),
                      .object = value_new_object()};

    assert_int_equal(codec_normalise(s.kind, s.object, CODEC_IGNORE, NULL, NULL), 0);
    return s;
}

static void story_end(struct story *s)
{
    value_free(s->object);
    value_free(s->list);
}

static int story_write(struct story *s, const char *manager, bool applies, bool force, const char *subresource,
                       const char *text, struct error *err)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    char now[32];
    struct managed_writer who = {manager, subresource, "v1", now, *subresource ? FIELDSET_STATUS : FIELDSET_MAIN};
    struct value *said CLEANUP_VALUE = json(text); /* the list borrows from it until it is written */
    struct value *object = NULL;
    struct managed m = {0};
    BUF_LOCAL(before);
    BUF_LOCAL(list);
    BUF_LOCAL(text_of);
    int r = 0;

    (void)snprintf(now, sizeof(now), "2026-01-01T00:00:%02dZ", ++s->second);
    if (s->list)
        value_write(s->list, &before);
    assert_int_equal(managed_parse(pool, buf_slice(&before), &m, NULL), 0);
    if (applies) {
        struct managed_apply a = {s->kind, "ns", "n", s->object, said, force};
        apply_drop_nulls(s->kind->type, said);
        r = managed_apply(pool, &m, &who, &a, &object, err);
        if (r == 0 && !value_equal(object, s->object))
            managed_touch(&m, &who);
        if (r < 0)
            return r;
    } else {
        assert_int_equal(codec_normalise(s->kind, said, CODEC_IGNORE, NULL, err), 0);
        managed_update(pool, &m, s->kind->type, &who, s->object, said);
        object = value_copy(said);
    }
    managed_write(&m, &list);
    codec_write(s->kind->type, object, &text_of);
    value_free(s->object);
    value_free(s->list);
    value_free(object);
    s->object = json(buf_cstr(&text_of));
    s->list = list.len ? json(buf_cstr(&list)) : NULL;
    return 0;
}

static void assert_json(const struct value *v, const char *expected)
{
    BUF_LOCAL(text);

    if (v)
        value_write(v, &text);
    assert_string_equal(buf_cstr(&text), expected);
}

/* "m1 A 2 {...}": manager, operation, second, fields; one line each. */
static void assert_owners(const struct story *s, const char *expected)
{
    BUF_LOCAL(text);

    for (size_t i = 0; i < value_count(s->list); i++) {
        const struct value *e = value_at(s->list, i);
        struct slice time = value_string(value_get(e, "time"));
        struct slice sub = value_string(value_get(e, "subresource"));

        buf_printf(&text, "%s%s%s%.*s %c %c ", text.len ? "\n" : "", value_str(value_get(e, "manager")),
                   sub.len ? "/" : "", SLICE_ARGS(sub), *value_str(value_get(e, "operation")), time.data[18]);
        value_write(value_get(e, "fieldsV1"), &text);
    }
    assert_string_equal(buf_cstr(&text), expected);
}

#define APPLY(s, m, text)  assert_int_equal(story_write(s, m, true, false, "", text, &err), 0)
#define FORCE(s, m, text)  assert_int_equal(story_write(s, m, true, true, "", text, &err), 0)
#define UPDATE(s, m, text) assert_int_equal(story_write(s, m, false, false, "", text, &err), 0)

static void test_shared_and_forced(void **state)
{
    struct story s = story_begin("", "ConfigMap");
    ERROR_LOCAL(err);

    APPLY(&s, "m1", "{\"data\":{\"a\":\"1\",\"b\":\"2\"}}");
    APPLY(&s, "m2", "{\"data\":{\"a\":\"1\"}}");
    assert_owners(&s, "m1 A 1 {\"f:data\":{\"f:a\":{},\"f:b\":{}}}\nm2 A 2 {\"f:data\":{\"f:a\":{}}}");
    assert_int_equal(story_write(&s, "m3", true, false, "", "{\"data\":{\"a\":\"9\",\"b\":\"9\"}}", &err),
                     -(int)ERROR_CONFLICT);
    assert_string_equal(error_text(&err),
                        "Apply failed with 3 conflicts: conflicts with \"m1\":\n- .data.a\n- .data.b\n"
                        "conflicts with \"m2\":\n- .data.a");
    assert_int_equal(err.cause_count, 3);
    assert_string_equal(err.causes[2].reason, "FieldManagerConflict");
    assert_string_equal(err.causes[2].message, "conflict with \"m2\"");
    assert_string_equal(err.causes[2].field, ".data.a");
    error_clear(&err);
    FORCE(&s, "m2", "{\"data\":{\"a\":\"9\"}}");
    assert_owners(&s, "m1 A 1 {\"f:data\":{\"f:b\":{}}}\nm2 A 4 {\"f:data\":{\"f:a\":{}}}");
    assert_int_equal(story_write(&s, "m1", true, false, "", "{\"data\":{\"a\":\"1\",\"b\":\"2\"}}", &err),
                     -(int)ERROR_CONFLICT);
    assert_string_equal(error_text(&err), "Apply failed with 1 conflict: conflict with \"m2\": .data.a");
    error_clear(&err);
    APPLY(&s, "m1", "{}");
    assert_json(value_get(s.object, "data"), "{\"a\":\"9\"}");
    assert_owners(&s, "m2 A 4 {\"f:data\":{\"f:a\":{}}}");
    APPLY(&s, "m2", "{}");
    assert_null(value_get(s.object, "data"));
    assert_null(s.list);
    story_end(&s);
}

static void test_updates_take(void **state)
{
    struct story s = story_begin("", "ConfigMap");
    ERROR_LOCAL(err);

    UPDATE(&s, "c", "{\"data\":{\"a\":\"1\",\"b\":\"2\"}}");
    assert_owners(&s, "c U 1 {\"f:data\":{\".\":{},\"f:a\":{},\"f:b\":{}}}");
    UPDATE(&s, "c", "{\"data\":{\"a\":\"1\",\"b\":\"2\"}}");
    assert_owners(&s, "c U 1 {\"f:data\":{\".\":{},\"f:a\":{},\"f:b\":{}}}");
    UPDATE(&s, "p", "{\"data\":{\"a\":\"1\",\"b\":\"3\",\"c\":\"4\"}}");
    assert_owners(&s, "c U 1 {\"f:data\":{\".\":{},\"f:a\":{}}}\np U 3 {\"f:data\":{\"f:b\":{},\"f:c\":{}}}");
    assert_int_equal(story_write(&s, "m", true, false, "", "{\"data\":{\"a\":\"X\",\"b\":\"3\"}}", &err),
                     -(int)ERROR_CONFLICT);
    assert_string_equal(error_text(&err), "Apply failed with 1 conflict: conflict with \"c\" using v1: .data.a");
    error_clear(&err);
    UPDATE(&s, "p", "{\"data\":{\"b\":\"3\"}}");
    assert_owners(&s, "c U 1 {\"f:data\":{}}\np U 3 {\"f:data\":{\"f:b\":{}}}");
    story_end(&s);
}

static void test_lists(void **state)
{
    struct story s = story_begin("", "Pod");
    ERROR_LOCAL(err);

    APPLY(&s, "m1",
          "{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"x\",\"ports\":[{\"containerPort\":80}]}]}}");
    APPLY(&s, "m2", "{\"spec\":{\"containers\":[{\"name\":\"side\",\"image\":\"s\"}]}}");
    assert_json(value_path(s.object, "spec", "containers", NULL),
                "[{\"name\":\"a\",\"image\":\"x\",\"ports\":[{\"containerPort\":80}],\"resources\":{}},"
                "{\"name\":\"side\",\"image\":\"s\",\"resources\":{}}]");
    assert_int_equal(
        story_write(&s, "m2", true, false, "", "{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"y\"}]}}", &err),
        -(int)ERROR_CONFLICT);
    assert_string_equal(error_text(&err),
                        "Apply failed with 1 conflict: conflict with \"m1\": .spec.containers[name=\"a\"].image");
    error_clear(&err);
    /* A key that is left out counts with its default. */
    APPLY(&s, "m1",
          "{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"x\",\"ports\":[{\"containerPort\":80,\"protocol\":"
          "\"TCP\","
          "\"name\":\"web\"}]}]}}");
    assert_json(value_get(value_at(value_path(s.object, "spec", "containers", NULL), 0), "ports"),
                "[{\"name\":\"web\",\"containerPort\":80,\"protocol\":\"TCP\"}]");
    APPLY(&s, "m1", "{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"x\"}]}}");
    assert_json(value_at(value_path(s.object, "spec", "containers", NULL), 0),
                "{\"name\":\"a\",\"image\":\"x\",\"resources\":{}}");
    APPLY(&s, "m2", "{}");
    assert_int_equal(value_count(value_path(s.object, "spec", "containers", NULL)), 1);
    story_end(&s);
}

static void test_list_order(void **state)
{
    static const char *const rows[][3] = {
        {"[\"c\"]", "[\"d\"]", "[\"c\",\"d\"]"},
        {"[\"a\",\"b\",\"c\"]", "[\"c\",\"a\"]", "[\"b\",\"c\",\"a\"]"},
        {"[\"a\",\"b\",\"c\"]", "[\"x\",\"b\",\"y\"]", "[\"a\",\"x\",\"b\",\"c\",\"y\"]"},
        {"[\"a\"]", "[]", "[\"a\"]"},
        {"[\"a\",\"b\"]", "[\"b\",\"a\"]", "[\"b\",\"a\"]"},
        {"[\"a\",\"a\",\"b\"]", "[\"b\",\"c\"]", "[\"a\",\"a\",\"b\",\"c\"]"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *live_text CLEANUP_FREE = mem_printf("{\"metadata\":{\"finalizers\":%s}}", rows[i][0]);
        char *config_text CLEANUP_FREE = mem_printf("{\"metadata\":{\"finalizers\":%s}}", rows[i][1]);
        struct value *live CLEANUP_VALUE = json(live_text);
        struct value *config CLEANUP_VALUE = json(config_text);
        const struct schema_kind *kind = schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("ConfigMap"));
        struct value *out CLEANUP_VALUE = apply_merge(kind->type, live, config);

        assert_json(value_path(out, "metadata", "finalizers", NULL), rows[i][2]);
    }
}

static void test_atomic_and_zero(void **state)
{
    struct story s = story_begin("apps", "Deployment");
    ERROR_LOCAL(err);

    APPLY(&s, "m1", "{\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"minReadySeconds\":5}}");
    assert_owners(&s, "m1 A 1 {\"f:spec\":{\"f:minReadySeconds\":{},\"f:selector\":{}}}");
    /* A zero that upstream's JSON leaves out is a value all the same. */
    assert_int_equal(story_write(&s, "m2", true, false, "", "{\"spec\":{\"minReadySeconds\":0}}", &err),
                     -(int)ERROR_CONFLICT);
    assert_string_equal(error_text(&err), "Apply failed with 1 conflict: conflict with \"m1\": .spec.minReadySeconds");
    error_clear(&err);
    FORCE(&s, "m2", "{\"spec\":{\"minReadySeconds\":0}}");
    assert_null(value_path(s.object, "spec", "minReadySeconds", NULL));
    assert_owners(&s, "m1 A 1 {\"f:spec\":{\"f:selector\":{}}}\nm2 A 3 {\"f:spec\":{\"f:minReadySeconds\":{}}}");
    FORCE(&s, "m2", "{\"spec\":{\"selector\":{\"matchLabels\":{\"c\":\"d\"}}}}");
    assert_json(value_path(s.object, "spec", "selector", NULL), "{\"matchLabels\":{\"c\":\"d\"}}");
    /* Nulls say nothing. */
    APPLY(&s, "m2", "{\"spec\":{\"selector\":{\"matchLabels\":{\"c\":\"d\"}},\"replicas\":null}}");
    assert_owners(&s, "m2 A 4 {\"f:spec\":{\"f:selector\":{}}}");
    story_end(&s);
}

/* What was 1.0 is stored as 1, and is still what both say. */
static void test_a_number_is_shared(void **state)
{
    struct story s = story_begin("apps", "ControllerRevision");
    ERROR_LOCAL(err);

    APPLY(&s, "m1", "{\"data\":{\"a\":[1.0,2.5]},\"revision\":1}");
    APPLY(&s, "m2", "{\"data\":{\"a\":[1.0,2.5]}}");
    APPLY(&s, "m3", "{\"data\":{\"a\":[1,2.5]}}");
    assert_int_equal(story_write(&s, "m4", true, false, "", "{\"data\":{\"a\":[1.5,2.5]}}", &err),
                     -(int)ERROR_CONFLICT);
    assert_int_equal(value_count(s.list), 3);
    story_end(&s);
}

static void test_subresources(void **state)
{
    struct story s = story_begin("", "Pod");
    ERROR_LOCAL(err);

    UPDATE(&s, "u", "{\"spec\":{\"hostname\":\"h\"}}");
    assert_int_equal(story_write(&s, "u", false, false, "status",
                                 "{\"spec\":{\"hostname\":\"h\"},\"status\":{\"phase\":\"x\"}}", &err),
                     0);
    assert_owners(&s, "u U 1 {\"f:spec\":{\"f:hostname\":{}}}\nu/status U 2 {\"f:status\":{\"f:phase\":{}}}");
    assert_int_equal(story_write(&s, "m", true, false, "status", "{\"status\":{\"phase\":\"y\"}}", &err),
                     -(int)ERROR_CONFLICT);
    assert_string_equal(error_text(&err),
                        "Apply failed with 1 conflict: conflict with \"u\" with subresource \"status\" "
                        "using v1: .status.phase");
    story_end(&s);
}

/* Eleven updaters are ten: the two oldest are one. */
static void test_cap(void **state)
{
    struct story s = story_begin("", "ConfigMap");
    ERROR_LOCAL(err);
    BUF_LOCAL(data);

    for (int i = 0; i < 14; i++) {
        char name[16];
        char *text CLEANUP_FREE = NULL;

        buf_printf(&data, "%s\"k%02d\":\"v\"", i ? "," : "", i);
        text = mem_printf("{\"data\":{%s}}", buf_cstr(&data));
        (void)snprintf(name, sizeof(name), "w%02d", i);
        UPDATE(&s, name, text);
    }
    assert_int_equal(value_count(s.list), MANAGED_UPDATES_MAX);
    assert_string_equal(value_str(value_get(value_at(s.list, 0), "manager")), "ancient-changes");
    assert_json(value_get(value_at(s.list, 0), "fieldsV1"),
                "{\"f:data\":{\".\":{},\"f:k00\":{},\"f:k01\":{},\"f:k02\":{},\"f:k03\":{},\"f:k04\":{}}}");
    story_end(&s);
}

/* All within a second: some names stand before that of those who are one already. */
static void test_cap_beside_the_ancient(void **state)
{
    struct story s = story_begin("", "ConfigMap");
    BUF_LOCAL(text);

    for (int i = 0; i < MANAGED_UPDATES_MAX; i++)
        buf_printf(&text,
                   "%c{\"manager\":\"%s%d\",\"operation\":\"Update\",\"apiVersion\":\"v1\",\"fieldsType\":\"FieldsV1\","
                   "\"time\":\"2026-01-01T00:00:01Z\",\"fieldsV1\":{\"f:data\":{\"f:x%d\":{}}}}",
                   i ? ',' : '[', i < 2 ? "a" : "w", i, i);
    buf_append_str(&text, "]");
    s.list = json(buf_cstr(&text));
    value_set_str(value_at(s.list, 2), "manager", "ancient-changes");
    assert_int_equal(story_write(&s, "u", false, false, "", "{\"data\":{\"y\":\"1\"}}", NULL), 0);
    assert_owners(&s, "ancient-changes U 1 {\"f:data\":{\"f:x0\":{},\"f:x1\":{},\"f:x2\":{}}}\n"
                      "u U 1 {\"f:data\":{\".\":{},\"f:y\":{}}}\nw3 U 1 {\"f:data\":{\"f:x3\":{}}}\n"
                      "w4 U 1 {\"f:data\":{\"f:x4\":{}}}\nw5 U 1 {\"f:data\":{\"f:x5\":{}}}\n"
                      "w6 U 1 {\"f:data\":{\"f:x6\":{}}}\nw7 U 1 {\"f:data\":{\"f:x7\":{}}}\n"
                      "w8 U 1 {\"f:data\":{\"f:x8\":{}}}\nw9 U 1 {\"f:data\":{\"f:x9\":{}}}");
    story_end(&s);
}

/* Memory that the process had at its most, in MiB. */
static long most_memory(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss >> 10;
}

/* A large set and many small ones beside it: what somebody sends who wants it to cost much. */
static void test_many_beside_a_large_one(void **state)
{
    struct story s = story_begin("", "ConfigMap");
    struct value *first;
    long before = most_memory();
    BUF_LOCAL(text);

    buf_append_str(&text, "[");
    for (int i = 0; i < MANAGED_ENTRIES_MAX; i++) {
        buf_printf(&text,
                   "%s{\"manager\":\"m%d\",\"operation\":\"%s\",\"apiVersion\":\"v1\",\"fieldsType\":\"FieldsV1\","
                   "\"time\":\"2026-01-01T00:%02d:%02dZ\",\"fieldsV1\":{\"f:data\":{\"f:x%d\":{}",
                   i ? "," : "", i, i % 2 ? "Apply" : "Update", i / 60, i % 60, i);
        for (int k = 0; i < 2 && k < 40000; k++)
            buf_printf(&text, ",\"f:%d\":{}", k);
        buf_append_str(&text, "}}}");
    }
    buf_append_str(&text, "]");
    s.list = json(buf_cstr(&text));
    (void)story_write(&s, "u", false, false, "", "{\"data\":{\"a\":\"1\"}}", NULL);
    assert_int_equal(value_count(s.list), MANAGED_ENTRIES_MAX / 2 + 10);
    first = value_at(s.list, MANAGED_ENTRIES_MAX / 2);
    assert_true(slice_is(value_string(value_get(first, "manager")), "ancient-changes"));
    assert_int_equal(story_write(&s, "m3", true, false, "", "{\"data\":{\"b\":\"1\"}}", NULL), 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they keep what was freed, and a shadow */
    assert_in_range(most_memory() - before, 0, 300);
#else
    (void)before;
#endif
    story_end(&s);
}

static double cpu_seconds(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What one apply sets and the next one does not goes in one pass. */
static void test_a_long_list_goes(void **state)
{
    struct story s = story_begin("", "ConfigMap");
    double start;
    BUF_LOCAL(text);

    buf_append_str(&text, "{\"metadata\":{\"finalizers\":[");
    for (int i = 0; i < 200000; i++)
        buf_printf(&text, "%s\"a/%d\"", i ? "," : "", i);
    buf_append_str(&text, "]}}");
    assert_int_equal(story_write(&s, "m", true, false, "", buf_cstr(&text), NULL), 0);
    start = cpu_seconds();
    assert_int_equal(story_write(&s, "m", true, false, "", "{\"metadata\":{\"finalizers\":[\"a/7\",\"a/9\"]}}", NULL),
                     0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(cpu_seconds() - start < 3);
#else
    (void)start;
#endif
    assert_int_equal(value_count(value_path(s.object, "metadata", "finalizers", NULL)), 2);
    story_end(&s);
}

/* kubectl takes over what its client-side apply set and nobody changed since. */
static void test_last_applied(void **state)
{
    struct story s = story_begin("", "ConfigMap");
    ERROR_LOCAL(err);

    UPDATE(&s, "kubectl-client-side-apply",
           "{\"metadata\":{\"annotations\":{\"kubectl.kubernetes.io/"
           "last-applied-configuration\":\"{\\\"data\\\":{\\\"a\\\":"
           "\\\"1\\\"}}\"}},\"data\":{\"a\":\"1\",\"b\":\"1\"}}");
    assert_int_equal(story_write(&s, "other", true, false, "", "{\"data\":{\"a\":\"2\"}}", &err), -(int)ERROR_CONFLICT);
    error_clear(&err);
    APPLY(&s, "kubectl", "{\"data\":{\"a\":\"2\"}}");
    assert_json(value_get(s.object, "data"), "{\"a\":\"2\",\"b\":\"1\"}");
    assert_string_equal(value_str(value_path(s.object, "metadata", "annotations",
                                             "kubectl.kubernetes.io/last-applied-configuration", NULL)),
                        "{\"data\":{\"a\":\"2\"},\"metadata\":{\"annotations\":{}}}\n");
    assert_int_equal(story_write(&s, "kubectl", true, false, "", "{\"data\":{\"b\":\"2\"}}", &err),
                     -(int)ERROR_CONFLICT);
    story_end(&s);
}

static void test_bad_lists(void **state)
{
    static const char *const rows[] = {
        "[{\"manager\":\"x\"}]",
        "[{\"manager\":\"x\",\"operation\":\"Foo\",\"apiVersion\":\"v1\",\"fieldsType\":\"FieldsV1\"}]",
        "[{\"manager\":\"x\",\"operation\":\"Apply\",\"fieldsType\":\"FieldsV1\"}]",
        "[{\"manager\":\"x\",\"operation\":\"Apply\",\"apiVersion\":\"v1\",\"fieldsType\":\"FieldsV2\"}]",
        "[{\"operation\":\"Apply\",\"apiVersion\":\"v1\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"x\":{}}}]",
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pool *pool CLEANUP_POOL = pool_new();
        struct managed m = {0};

        if (managed_parse(pool, slice_str(rows[i]), &m, NULL) != -(int)ERROR_BAD_REQUEST)
            fail_msg("%s was taken", rows[i]);
    }
}

static void test_reset(void **state)
{
    struct value *none CLEANUP_VALUE = json("[]");
    struct value *one CLEANUP_VALUE = json("[{}]");
    struct value *some CLEANUP_VALUE = json("[{\"manager\":\"x\"}]");

    assert_true(managed_is_reset(none));
    assert_true(managed_is_reset(one));
    assert_false(managed_is_reset(some));
    assert_false(managed_is_reset(NULL));
}

/* A random configuration of a Pod. */
static void draw(struct buf *out)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    const char *before = "";

    buf_append_str(out, "{\"metadata\":{\"labels\":{");
    for (size_t i = 0; i < 4; i++)
        if (random_below(2)) {
            buf_printf(out, "%s\"%s\":\"%d\"", before, names[i], (int)random_below(3));
            before = ",";
        }
    buf_append_str(out, "}},\"spec\":{\"containers\":[");
    before = "";
    for (size_t i = 0; i < 4; i++)
        if (random_below(2)) {
            buf_printf(out, "%s{\"name\":\"%s\",\"image\":\"%d\"%s}", before, names[i], (int)random_below(2),
                       random_below(2) ? ",\"tty\":true" : "");
            before = ",";
        }
    buf_printf(out, "]%s}}", random_below(2) ? ",\"hostname\":\"h\"" : "");
}

/* Whatever was applied and updated before: an apply that went through changes nothing when it is done again; what it
 * sets is there; and its manager owns just what it says. */
static void test_apply_properties(void **state)
{
    static const char *const managers[] = {"m1", "m2", "m3"};

    for (int round = 0; round < 60; round++) {
        struct story s = story_begin("", "Pod");

        for (int i = 0; i < 8; i++) {
            const char *manager = managers[random_below(3)];
            struct value *object CLEANUP_VALUE = NULL;
            struct value *list CLEANUP_VALUE = NULL;
            struct value *merged CLEANUP_VALUE = NULL;
            struct value *config CLEANUP_VALUE = NULL;
            bool applies = random_below(4) > 0;
            ERROR_LOCAL(err);
            BUF_LOCAL(text);

            draw(&text);
            s.second = 0;
            if (story_write(&s, manager, applies, random_below(2) == 0, "", buf_cstr(&text), &err) < 0 || !applies)
                continue;
            object = value_copy(s.object);
            list = s.list ? value_copy(s.list) : NULL;
            assert_int_equal(story_write(&s, manager, true, false, "", buf_cstr(&text), &err), 0);
            assert_true(value_equal(object, s.object));
            assert_true(value_equal(list, s.list));
            config = json(buf_cstr(&text));
            merged = apply_merge(s.kind->type, s.object, config);
            assert_int_equal(codec_normalise(s.kind, merged, CODEC_IGNORE, NULL, NULL), 0);
            assert_true(value_equal(merged, s.object));
        }
        story_end(&s);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared_and_forced),
        cmocka_unit_test(test_updates_take),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_list_order),
        cmocka_unit_test(test_atomic_and_zero),
        cmocka_unit_test(test_a_number_is_shared),
        cmocka_unit_test(test_subresources),
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_cap_beside_the_ancient),
        cmocka_unit_test(test_many_beside_a_large_one),
        cmocka_unit_test(test_a_long_list_goes),
        cmocka_unit_test(test_last_applied),
        cmocka_unit_test(test_bad_lists),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_apply_properties),
    };

    value_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
