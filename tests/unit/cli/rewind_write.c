/* SPDX-License-Identifier: Apache-2.0 */
/* How one step is written: on which conditions, and what follows a refusal. The server is a list of answers. */
#include "cli/rewind_write.h"

#include <stdio.h>

#include "tests/unit/test.h"

#define CALLS_MAX 8

struct answer {
    const char *method;
    const char *path;
    int status;
    const char *body;
};

static struct script {
    struct client_transport base;
    struct loop *loop;
    const struct answer *answers;
    size_t count;
    size_t next;
    char *bodies[CALLS_MAX];
    char *query;
    struct client_events pending;
    void *arg;
    const struct answer *due;
} script;

static void script_reply(void *arg)
{
    struct script *s = arg;

    s->pending.head(s->arg, s->due->status, "application/json", 0);
    s->pending.data(s->arg, slice_str(s->due->body));
    s->pending.end(s->arg, NULL);
}

static void *script_send(struct client_transport *t, const struct client_request *request,
                         const struct client_events *events, void *arg)
{
    struct script *s = container_of(t, struct script, base);

    assert_true(s->next < s->count);
    s->due = &s->answers[s->next];
    assert_string_equal(request->method, s->due->method);
    assert_string_equal(request->path, s->due->path);
    s->bodies[s->next++] = slice_dup(request->body);
    if (strcmp(request->method, "GET") != 0) {
        free(s->query);
        s->query = mem_strdup(request->query);
    }
    s->pending = *events;
    s->arg = arg;
    loop_post(s->loop, script_reply, s);
    return s;
}

static void script_cancel(struct client_transport *t, void *call)
{
    (void)t;
    (void)call;
}

static void script_free(struct client_transport *t)
{
    (void)t;
}

struct outcome {
    enum rewind_result result;
    enum error_code code;
    char why[128];
};

/* Writes one object with these answers, all of which must be asked for. */
static struct outcome write_one(struct rewind_writer *w, const char *then, const char *now,
                                const struct answer *answers, size_t count)
{
    static const struct client_transport_ops ops = {script_send, script_cancel, script_free};
    struct value *a CLEANUP_VALUE = then ? value_parse(slice_str(then), NULL) : NULL;
    struct value *b CLEANUP_VALUE = now ? value_parse(slice_str(now), NULL) : NULL;
    struct rewind_step step = {.kind = schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("ConfigMap")),
                               .then = a,
                               .now = b,
                               .action = !b  ? REWIND_CREATE
                                         : a ? REWIND_UPDATE
                                             : REWIND_DELETE};
    struct session session = {.loop = loop_new(clock_system())};
    struct outcome outcome = {.why = ""};
    char *why = NULL;
    ERROR_LOCAL(err);

    script = (struct script){
        .base.ops = &ops, .loop = session.loop, .answers = answers, .count = count, .query = script.query};
    session.client = client_new(session.loop, &script.base);
    w->session = &session;
    outcome.result = rewind_write(w, &step, &why, &err);
    outcome.code = err.code;
    (void)snprintf(outcome.why, sizeof(outcome.why), "%s", why ? why : "");
    free(why);
    assert_int_equal(script.next, count);
    client_free(session.client);
    loop_free(session.loop);
    return outcome;
}

static void forget_bodies(void)
{
    for (size_t i = 0; i < CALLS_MAX; i++)
        free(script.bodies[i]);
    free(script.query);
    memset(&script, 0, sizeof(script));
}

#define CM         "/api/v1/namespaces/ns/configmaps"
#define AT(u, r)   "\"metadata\":{\"name\":\"c\",\"namespace\":\"ns\",\"uid\":\"" u "\",\"resourceVersion\":\"" r "\""
#define HAS(k)     ",\"data\":{\"k\":\"" k "\"}}"
#define THEN       "{" AT("u", "1") "}" HAS("old")
#define NOW        "{" AT("u", "5") "}" HAS("new")
#define REFUSAL(r) "{\"kind\":\"Status\",\"reason\":\"" r "\",\"message\":\"no\"}"

static void test_only_a_status_came_between(void **state)
{
    static const struct answer answers[] = {{"PUT", CM "/c", 409, REFUSAL("Conflict")},
                                            {"GET", CM "/c", 200, "{" AT("u", "6") "}" HAS("new")},
                                            {"PUT", CM "/c", 200, "{}"}};
    struct rewind_writer w = {.dry_run = false};

    assert_int_equal(write_one(&w, THEN, NOW, answers, ARRAY_SIZE(answers)).result, REWIND_DONE);
    assert_non_null(strstr(script.bodies[0], "\"resourceVersion\":\"5\""));
    assert_non_null(strstr(script.bodies[2], "\"resourceVersion\":\"6\""));
    assert_non_null(strstr(script.bodies[2], "\"k\":\"old\""));
    assert_null(strstr(script.query, "dryRun"));
    forget_bodies();
}

static void test_somebody_elses_wish_stays(void **state)
{
    static const struct answer wish[] = {{"PUT", CM "/c", 409, REFUSAL("Conflict")},
                                         {"GET", CM "/c", 200, "{" AT("u", "6") "}" HAS("newer")}};
    static const struct answer other[] = {{"DELETE", CM "/c", 409, REFUSAL("Conflict")},
                                          {"GET", CM "/c", 200, "{" AT("v", "6") "}" HAS("new")}};
    struct rewind_writer w = {.dry_run = true};
    struct outcome o = write_one(&w, THEN, NOW, wish, ARRAY_SIZE(wish));

    assert_int_equal(o.result, REWIND_FAILED);
    assert_int_equal(o.code, ERROR_CONFLICT);
    assert_non_null(strstr(script.query, "dryRun=All"));
    forget_bodies();
    o = write_one(&w, NULL, NOW, other, ARRAY_SIZE(other));
    assert_int_equal(o.result, REWIND_FAILED);
    assert_non_null(strstr(script.bodies[0], "\"preconditions\":{\"uid\":\"u\",\"resourceVersion\":\"5\"}"));
    forget_bodies();
}

static void test_a_conflict_does_not_last_for_ever(void **state)
{
    struct answer answers[CALLS_MAX + 1];
    struct rewind_writer w = {.dry_run = false};
    struct outcome o;

    for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
        answers[i] = i % 2 ? (struct answer){"GET", CM "/c", 200, NOW}
                           : (struct answer){"DELETE", CM "/c", 409, REFUSAL("Conflict")};
    o = write_one(&w, NULL, NOW, answers, 7);
    assert_int_equal(o.result, REWIND_FAILED);
    assert_int_equal(o.code, ERROR_CONFLICT);
    forget_bodies();
}

static void test_gone_already(void **state)
{
    static const struct answer answers[] = {{"DELETE", CM "/c", 404, REFUSAL("NotFound")}};
    struct rewind_writer w = {.dry_run = false};

    assert_int_equal(write_one(&w, NULL, NOW, answers, 1).result, REWIND_SAME);
    forget_bodies();
}

#define OWNED                                                                                                          \
    "{" AT("u", "1") ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"p\",\"uid\":\"old\"}]}" \
                     "}"

static void test_owners(void **state)
{
    static const struct answer there[] = {
        {"GET", "/api/v1/namespaces/ns/pods/p", 200, "{\"metadata\":{\"uid\":\"young\"}}"}, {"POST", CM, 201, "{}"}};
    static const struct answer gone[] = {{"GET", "/api/v1/namespaces/ns/pods/p", 404, REFUSAL("NotFound")}};
    struct rewind_writer w = {.dry_run = false};
    struct outcome o = write_one(&w, OWNED, NULL, there, ARRAY_SIZE(there));

    assert_int_equal(o.result, REWIND_DONE);
    assert_non_null(strstr(script.bodies[1], "\"uid\":\"young\""));
    assert_null(strstr(script.bodies[1], "\"old\""));
    forget_bodies();
    o = write_one(&w, OWNED, NULL, gone, ARRAY_SIZE(gone));
    assert_int_equal(o.result, REWIND_LEFT);
    assert_string_equal(o.why, "its owner Pod p is not there");
    forget_bodies();
}

/* Somebody was faster: he is left alone, except for what controllers put into a namespace that we made. */
static void test_it_is_there_already(void **state)
{
    static const struct answer answers[] = {
        {"POST", CM, 409, REFUSAL("AlreadyExists")}, {"GET", CM "/c", 200, NOW}, {"PUT", CM "/c", 200, "{}"}};
    static const struct answer same[] = {{"POST", CM, 409, REFUSAL("AlreadyExists")}, {"GET", CM "/c", 200, THEN}};
    struct rewind_writer w = {.dry_run = false};
    struct outcome o = write_one(&w, THEN, NULL, answers, 1);

    assert_int_equal(o.result, REWIND_FAILED);
    assert_int_equal(o.code, ERROR_ALREADY_EXISTS);
    forget_bodies();
    (void)map_put(&w.made, SLICE_LIT("ns"), &w);
    assert_int_equal(write_one(&w, THEN, NULL, answers, 3).result, REWIND_DONE);
    forget_bodies();
    assert_int_equal(write_one(&w, THEN, NULL, same, 2).result, REWIND_SAME);
    forget_bodies();
    rewind_writer_clear(&w);
}

#define FIXED                                                                                                          \
    "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"message\":\"no\",\"details\":{\"causes\":[{\"field\":\"data\","     \
    "\"message\":"                                                                                                     \
    "\"Forbidden: field is immutable\"}]}}"

static void test_fixed(void **state)
{
    static const struct answer answers[] = {{"PUT", CM "/c", 422, FIXED},
                                            {"POST", CM, 409, REFUSAL("AlreadyExists")},
                                            {"POST", CM, 422, REFUSAL("Invalid")},
                                            {"DELETE", CM "/c", 200, "{}"},
                                            {"GET", CM "/c", 404, REFUSAL("NotFound")},
                                            {"POST", CM, 201, "{}"}};
    static const struct answer no_right[] = {{"PUT", CM "/c", 422, FIXED}, {"POST", CM, 403, REFUSAL("Forbidden")}};
    static const struct answer no_room[] = {{"PUT", CM "/c", 422, FIXED},
                                            {"POST", CM, 409, REFUSAL("AlreadyExists")},
                                            {"POST", CM, 403, REFUSAL("Forbidden")}};
    static const struct answer late[] = {{"PUT", CM "/c", 422, FIXED},
                                         {"POST", CM, 409, REFUSAL("AlreadyExists")},
                                         {"POST", CM, 201, "{}"},
                                         {"DELETE", CM "/c", 200, "{}"},
                                         {"GET", CM "/c", 404, REFUSAL("NotFound")},
                                         {"POST", CM, 403, REFUSAL("Forbidden")},
                                         {"POST", CM, 201, "{}"}};
    static const struct answer invalid[] = {{"PUT", CM "/c", 422, REFUSAL("Invalid")}};
    struct rewind_writer w = {.dry_run = false};
    struct outcome o = write_one(&w, THEN, NOW, answers, 1);

    assert_int_equal(o.result, REWIND_FIXED);
    assert_string_equal(o.why, "data may not change; --recreate deletes it and makes it anew");
    forget_bodies();
    w.recreate = true;
    assert_int_equal(write_one(&w, THEN, NOW, answers, 6).result, REWIND_RECREATED);
    forget_bodies();
    /* Nothing is deleted that could not be made. */
    assert_int_equal(write_one(&w, THEN, NOW, no_right, 2).result, REWIND_FAILED);
    assert_string_equal(script.query, "fieldManager=knarr-rewind&dryRun=All");
    forget_bodies();
    assert_int_equal(write_one(&w, THEN, NOW, no_room, 3).result, REWIND_FAILED);
    assert_non_null(strstr(script.bodies[2], "\"generateName\":\"c-\""));
    forget_bodies();
    /* ... and what can be made no more once it is deleted is put back as it was before. */
    assert_int_equal(write_one(&w, THEN, NOW, late, 7).result, REWIND_FAILED);
    assert_non_null(strstr(script.bodies[5], "\"old\""));
    assert_non_null(strstr(script.bodies[6], "\"new\""));
    forget_bodies();
    /* Refused for another reason: nothing is deleted. */
    assert_int_equal(write_one(&w, THEN, NOW, invalid, 1).result, REWIND_FAILED);
    forget_bodies();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_a_status_came_between),
        cmocka_unit_test(test_somebody_elses_wish_stays),
        cmocka_unit_test(test_a_conflict_does_not_last_for_ever),
        cmocka_unit_test(test_gone_already),
        cmocka_unit_test(test_owners),
        cmocka_unit_test(test_it_is_there_already),
        cmocka_unit_test(test_fixed),
    };

    value_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
