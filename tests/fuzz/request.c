/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a whole API server, path and query and body: "VERB PATH?QUERY\nBODY", VERB one of g (GET), d (DELETE),
 * c (POST), u (PUT), and of PATCH m, s, j, a (merge, strategic, JSON, apply). All but GET change nothing: they are dry
 * runs. No answer is 500, and what says it is JSON is.
 */
#include "tests/unit/apiserver/harness.h"

#include "api/value.h"
#include "tests/fuzz/fuzz.h"

#define TURNS_MAX 100

static struct harness harness;

static void stop(void)
{
    harness_stop(&harness);
}

static struct harness *server(void)
{
    static const char *const objects[][2] = {
        {"/api/v1/namespaces/default/configmaps",
         "{\"metadata\":{\"name\":\"a\",\"labels\":{\"a\":\"b\"}},\"data\":{\"k\":\"v\"}}"},
        {"/api/v1/namespaces/default/pods",
         "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"},
        {"/api/v1/namespaces/default/services", "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"ports\":[{\"port\":80}]}}"},
        {"/apis/apps/v1/namespaces/default/deployments",
         "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"template\":{"
         "\"metadata\":{\"labels\":"
         "{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}"},
        {"/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
         "{\"metadata\":{\"name\":\"ts.x.io\"},\"spec\":{\"group\":\"x.io\",\"scope\":\"Cluster\",\"names\":{"
         "\"plural\":\"ts\",\"kind\":\"T\"},"
         "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"subresources\":{\"status\":{},\"scale\":{"
         "\"specReplicasPath\":"
         "\".spec.n\",\"statusReplicasPath\":\".status.n\"}},\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\","
         "\"properties\":{\"spec\":"
         "{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true,\"properties\":{\"n\":{\"type\":"
         "\"integer\"},\"l\":{\"type\":"
         "\"array\",\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":[\"k\"],\"items\":{\"type\":"
         "\"object\",\"required\":"
         "[\"k\"],\"properties\":{\"k\":{\"type\":\"string\"}}}}}}}}}}]}}"},
        {"/apis/x.io/v1/ts",
         "{\"apiVersion\":\"x.io/"
         "v1\",\"kind\":\"T\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"n\":1,\"l\":[{\"k\":\"a\"}]}}"},
    };

    if (harness.server)
        return &harness;
    harness_start(&harness);
    (void)atexit(stop);
    for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
        harness_expect(&harness, 201, "POST", objects[i][0], objects[i][1], NULL);
    return &harness;
}

static const struct {
    char letter;
    const char *method;
    const char *content_type;
} verbs[] = {{'g', "GET", NULL},
             {'d', "DELETE", NULL},
             {'c', "POST", NULL},
             {'u', "PUT", NULL},
             {'m', "PATCH", "application/merge-patch+json"},
             {'s', "PATCH", "application/strategic-merge-patch+json"},
             {'j', "PATCH", "application/json-patch+json"},
             {'a', "PATCH", "application/apply-patch+yaml"}};

static void check_answer(const struct answer *a)
{
    struct value *v CLEANUP_VALUE = NULL;

    if (!a->over)
        return;
    FUZZ_CHECK(a->status != 500);
    if (a->content_type && !strcmp(a->content_type, "application/json") && a->body.len) {
        v = value_parse(buf_slice(&a->body), NULL);
        FUZZ_CHECK(v);
    }
}

static void fuzz_one(struct slice input)
{
    struct slice line = fuzz_take(&input);
    struct harness *h = server();
    struct answer a = {0};
    struct ask ask = {.method = NULL};
    char *path CLEANUP_FREE = NULL;
    char *body CLEANUP_FREE = slice_dup(input);
    ptrdiff_t query;

    for (size_t i = 0; line.len > 2 && i < ARRAY_SIZE(verbs); i++)
        if (line.data[0] == verbs[i].letter) {
            ask.method = verbs[i].method;
            ask.content_type = verbs[i].content_type;
        }
    if (!ask.method || memchr(line.data, '\0', line.len))
        return;
    line = slice_from(line, 2);
    query = slice_find(line, '?');
    if (line.data[-2] == 'g')
        path = slice_dup(line);
    else
        path = mem_printf("%.*s?dryRun=All&fieldManager=f&%.*s", (int)(query < 0 ? (ptrdiff_t)line.len : query),
                          line.data, (int)(query < 0 ? 0 : (ptrdiff_t)line.len - query - 1),
                          query < 0 ? "" : line.data + query + 1);
    ask.path = path;
    ask.body = body;
    harness_begin(h, &ask, &a);
    for (int i = 0; !a.over && i < TURNS_MAX; i++)
        loop_turn(h->server->fronts[0].loop, false);
    check_answer(&a);
    answer_clear(&a);
    loop_turn(h->server->fronts[0].loop, false); /* lets the request go */
}
