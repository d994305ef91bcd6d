/* SPDX-License-Identifier: Apache-2.0 */
/* Who is asking, and what he may do. */
#include "tests/unit/apiserver/harness.h"

#include "apiserver/authn.h"
#include "apiserver/authn_tokens.h"
#include "lib/encoding.h"
#include "lib/pki.h"

static struct harness h;

#define CSRS "/apis/certificates.k8s.io/v1/certificatesigningrequests"
#define PODS "/api/v1/namespaces/default/pods"

static void test_token_file(void **state)
{
    struct authn_tokens *tokens = NULL;
    const struct authn_token *t;
    ERROR_LOCAL(err);

    assert_int_equal(authn_tokens_parse(SLICE_LIT("# comment\nt1,joe,7,\"dev,ops\"\nt2,ann,8\n"), &tokens, &err), 0);
    t = authn_tokens_find(tokens, SLICE_LIT("t1"));
    assert_string_equal(t->user, "joe");
    assert_int_equal(t->group_count, 2);
    assert_string_equal(t->groups[1], "ops");
    assert_non_null(authn_tokens_find(tokens, SLICE_LIT("t2")));
    assert_null(authn_tokens_find(tokens, SLICE_LIT("t3")));
    assert_null(authn_tokens_find(tokens, SLICE_LIT("")));
    authn_tokens_free(tokens);
    assert_true(authn_tokens_parse(SLICE_LIT("only,two\n"), &tokens, &err) < 0);
    assert_true(authn_tokens_parse(SLICE_LIT("a,b,c,\"open\n"), &tokens, &err) < 0);
}

static int status_of(const struct ask *ask)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_ask(&h, ask, &a);
    return a.status;
}

static void make_bootstrap_token(const char *id, const char *expires)
{
    /* token-id "ID", token-secret "0123456789abcdef", usage "true", groups "system:bootstrappers:knarr" */
    char *body CLEANUP_FREE = mem_printf(
        "{\"metadata\":{\"name\":\"bootstrap-token-%s\"},\"type\":\"bootstrap.kubernetes.io/token\",\"stringData\":{"
        "\"token-id\":\"%s\",\"token-secret\":\"0123456789abcdef\",\"usage-bootstrap-authentication\":\"true\","
        "\"expiration\":\"%s\",\"auth-extra-groups\":\"system:bootstrappers:knarr\"}}",
        id, id, expires);

    harness_expect(&h, 201, "POST", "/api/v1/namespaces/kube-system/secrets", body, NULL);
}

/* A request of the node n1 that claims to come from an administrator. */
static char *make_request(void)
{
    const char *organization = "system:nodes";
    const struct pki_subject subject = {
        .common_name = "system:node:n1", .organizations = &organization, .organization_count = 1};
    char *request CLEANUP_FREE = NULL;
    char *key CLEANUP_FREE = NULL;
    BUF_LOCAL(body);
    ERROR_LOCAL(err);

    if (pki_make_request(&subject, &request, &key, &err) < 0)
        fail_msg("%s", error_text(&err));
    buf_append_str(&body, "{\"metadata\":{\"name\":\"join\"},\"spec\":{\"request\":\"");
    base64_encode(&body, slice_str(request));
    buf_append_str(&body, "\",\"signerName\":\"kubernetes.io/kube-apiserver-client-kubelet\",\"usages\":"
                          "[\"client auth\"],\"username\":\"system:admin\"}}");
    return buf_steal_str(&body);
}

static void test_bootstrap_token(void **state)
{
    struct ask ask = {.method = "GET", .path = "/api", .bearer = "abcdef.0123456789abcdef"};
    char *csr CLEANUP_FREE = make_request();
    struct answer a CLEANUP_ANSWER = {0};

    assert_int_equal(status_of(&ask), 401);
    make_bootstrap_token("abcdef", "2199-01-01T00:00:00Z");
    make_bootstrap_token("oldold", "2001-01-01T00:00:00Z");
    assert_int_equal(status_of(&ask), 200);
    ask.bearer = "oldold.0123456789abcdef";
    assert_int_equal(status_of(&ask), 401);
    ask.bearer = "abcdef.0123456789abcdee";
    assert_int_equal(status_of(&ask), 401);
    ask.bearer = "abcdef.0123456789abcdef";
    ask.path = PODS;
    assert_int_equal(status_of(&ask), 403);
    ask = (struct ask){.method = "POST",
                       .path = "/apis/certificates.k8s.io/v1/certificatesigningrequests",
                       .body = csr,
                       .bearer = "abcdef.0123456789abcdef"};
    harness_ask(&h, &ask, &a);
    if (a.status != 201)
        fail_msg("%s", buf_cstr(&a.body));
    assert_answer(&a, "spec.username", "system:bootstrap:abcdef"); /* not what the body claims */
    ask.method = "GET";
    ask.body = NULL;
    ask.path = "/apis/certificates.k8s.io/v1/certificatesigningrequests/join";
    assert_int_equal(status_of(&ask), 200);
    ask.path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    assert_int_equal(status_of(&ask), 403);
}

/* Asks for the certificate of a joining machine under this name; the status. */
static int join_as(const char *token, const char *name)
{
    char *text CLEANUP_FREE = make_request();
    struct value *body CLEANUP_VALUE = value_parse(slice_str(text), NULL);
    const struct ask ask = {.method = "POST", .path = CSRS, .bearer = token};
    struct ask with = ask;
    BUF_LOCAL(json);

    value_set_str(value_get(body, "metadata"), "name", name);
    value_write(body, &json);
    with.body = buf_cstr(&json);
    return status_of(&with);
}

static void set_uses(const char *uses)
{
    char *body CLEANUP_FREE = mem_printf("{\"stringData\":{\"uses-left\":\"%s\"}}", uses);

    harness_patch(&h, 200, "/api/v1/namespaces/kube-system/secrets/bootstrap-token-usesus", PATCH_MERGE, body, NULL);
}

static void assert_uses(const char *base64)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 200, "GET", "/api/v1/namespaces/kube-system/secrets/bootstrap-token-usesus", NULL, &a);
    assert_answer(&a, "data.uses-left", base64);
}

static void test_uses_of_a_bootstrap_token(void **state)
{
    static const char token[] = "usesus.0123456789abcdef";
    const struct ask own = {.method = "GET", .path = CSRS "/use-2", .bearer = token};

    make_bootstrap_token("usesus", "2999-01-01T00:00:00Z");
    assert_int_equal(join_as(token, "use-0"), 201); /* no count: any number */
    set_uses("2");
    assert_int_equal(join_as(token, "use-1"), 201);
    assert_uses("MQ==");
    assert_int_equal(join_as(token, "use-1"), 409); /* asking again after a lost answer costs nothing */
    assert_uses("MQ==");
    assert_int_equal(join_as(token, "use-2"), 201);
    assert_uses("MA==");
    assert_int_equal(join_as(token, "use-3"), 403);
    assert_int_equal(status_of(&own), 200); /* it still asks for its own */
    set_uses("many");
    assert_int_equal(join_as(token, "use-4"), 403);
    set_uses("-1");
    assert_int_equal(join_as(token, "use-5"), 403);
    assert_uses("LTE=");
}

/* A token may be there for other things only. */
static void test_bootstrap_token_for_something_else(void **state)
{
    static const char path[] = "/api/v1/namespaces/kube-system/secrets/bootstrap-token-signer";
    static const char token[] = "signer.0123456789abcdef";
    const struct ask patch = {.method = "PATCH",
                              .path = path,
                              .body = "{\"stringData\":{\"usage-bootstrap-authentication\":\"false\","
                                      "\"usage-bootstrap-signing\":\"true\"}}",
                              .content_type = PATCH_MERGE};

    make_bootstrap_token("signer", "2999-01-01T00:00:00Z");
    assert_int_equal(join_as(token, "signer-1"), 201);
    assert_int_equal(status_of(&patch), 200);
    assert_int_equal(join_as(token, "signer-2"), 401);
}

static void test_forbidden_words(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    static const struct {
        const char *method, *path, *message;
    } rows[] = {
        {"GET", PODS,
         "pods is forbidden: User \"joe\" cannot list resource \"pods\" in API group \"\" in the namespace "
         "\"default\""},
        {"GET", PODS "/x",
         "pods \"x\" is forbidden: User \"joe\" cannot get resource \"pods\" in API group \"\" in the namespace "
         "\"default\""},
        {"GET", "/api/v1/nodes",
         "nodes is forbidden: User \"joe\" cannot list resource \"nodes\" in API group \"\" at the cluster scope"},
        {"GET", "/apis/apps/v1/namespaces/default/deployments/d/scale",
         "deployments.apps \"d\" is forbidden: User \"joe\" cannot get resource \"deployments/scale\" in API group "
         "\"apps\" in the namespace \"default\""},
        {"GET", "/metrics", "forbidden: User \"joe\" cannot get path \"/metrics\""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct ask ask = {.method = rows[i].method, .path = rows[i].path, .user = "joe", .group = "dev"};

        harness_ask(&h, &ask, &a);
        assert_int_equal(a.status, 403);
        assert_answer(&a, "message", rows[i].message);
    }
}

static void bind(const char *pod, const char *node, const char *secret)
{
    char *body CLEANUP_FREE =
        mem_printf("{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"nodeName\":\"%s\",\"containers\":[{\"name\":\"c\","
                   "\"image\":\"i\",\"env\":[{\"name\":\"E\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"%s\","
                   "\"key\":\"k\"}}}]}]}}",
                   pod, node, secret);

    harness_expect(&h, 201, "POST", PODS, body, NULL);
}

static void test_node(void **state)
{
    static const struct {
        const char *method, *path, *body;
        int status;
    } rows[] = {
        {"GET", "/api/v1/nodes/n1", NULL, 404},
        {"POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"n2\"}}", 403},
        {"POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"n1\"}}", 201},
        {"DELETE", "/api/v1/nodes/n3", NULL, 403},
        {"GET", PODS, NULL, 403},
        {"GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", NULL, 200},
        {"GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn2", NULL, 403},
        {"GET", "/api/v1/pods?fieldSelector=spec.nodeName%21%3Dn1", NULL, 403},
        {"GET", PODS "/mine", NULL, 200},
        {"GET", PODS "/other", NULL, 403},
        {"POST", PODS, "{}", 403},
        {"GET", "/api/v1/namespaces/default/secrets/s1", NULL, 404},
        {"GET", "/api/v1/namespaces/default/secrets/s2", NULL, 403},
        {"GET", "/api/v1/namespaces/default/secrets", NULL, 403},
        {"PUT", "/api/v1/namespaces/default/secrets/s1", "{}", 403},
        {"GET", "/api/v1/namespaces/kube-system/secrets/s1", NULL, 403},
        {"GET", "/api/v1/services", NULL, 200},
        {"POST", "/api/v1/namespaces/default/services", "{}", 403},
        {"GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n2", NULL, 403},
        {"GET", "/apis/coordination.k8s.io/v1/namespaces/default/leases/n1", NULL, 403},
        {"GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1", NULL, 404},
        {"GET", "/apis/apps/v1/deployments", NULL, 403},
        {"DELETE", PODS "/other", NULL, 403},
        {"DELETE", PODS "/mine?gracePeriodSeconds=0", NULL, 200},
    };

    bind("mine", "n1", "s1");
    bind("other", "n2", "s2");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct ask ask = {.method = rows[i].method,
                                .path = rows[i].path,
                                .body = rows[i].body,
                                .user = "system:node:n1",
                                .group = "system:nodes"};
        struct answer a CLEANUP_ANSWER = {0};

        harness_ask(&h, &ask, &a);
        if (a.status != rows[i].status)
            fail_msg("%s %s: %d instead of %d: %s", rows[i].method, rows[i].path, a.status, rows[i].status,
                     buf_cstr(&a.body));
    }
}

/* What one stolen node can do to the things of another: every verb on every kind, by name and without. */
static const char *const node_matrix_things[] = {
    "/api/v1/namespaces/default/pods%s",
    "/api/v1/namespaces/default/secrets%s",
    "/api/v1/namespaces/default/configmaps%s",
    "/api/v1/namespaces/default/serviceaccounts%s",
    "/api/v1/namespaces/kube-system/secrets%s",
    "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases%s",
    "/apis/coordination.k8s.io/v1/namespaces/default/leases%s",
    "/apis/apps/v1/namespaces/default/deployments%s",
    "/apis/apps/v1/namespaces/default/replicasets%s",
};
static const char *const node_matrix_places[] = {
    "",
    "?watch=true",
    "/theirs",
    "/theirs?watch=true",
    "?fieldSelector=metadata.name%3Dtheirs",
    "?watch=true&fieldSelector=metadata.name%3Dtheirs",
    "?fieldSelector=metadata.name%3Dtheirs,spec.nodeName%3Dn8",
    "?fieldSelector=spec.nodeName!%3Dn7",
    "?labelSelector=a",
    "/theirs/status",
    "/theirs/scale",
    "/theirs/log",
    "/theirs/binding",
    "/theirs/eviction",
    "/theirs/approval",
    "/theirs/finalize",
    "/theirs/token",
    "/theirs/proxy",
    "/theirs/exec",
    "/theirs/ephemeralcontainers",
};
static const char *const node_matrix_methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "X"};

static int node_asks(const char *method, const char *path)
{
    const struct ask ask = {.method = method,
                            .path = path,
                            .body = "{\"metadata\":{\"name\":\"theirs\"}}",
                            .content_type = PATCH_MERGE,
                            .user = "system:node:n7",
                            .group = "system:nodes"};
    struct answer a CLEANUP_ANSWER = {0};

    harness_begin(&h, &ask, &a);
    for (unsigned i = 0; !a.over && !a.status && i < 1000; i++)
        loop_turn(h.server->fronts[0].loop, true);
    return a.status;
}

/* Its own things are not in this matrix, so the answer is 403 throughout. */
static void test_node_matrix(void **state)
{
    size_t asked = 0;
    static const char *const made[] = {"/api/v1/namespaces/default/secrets", "/api/v1/namespaces/default/configmaps",
                                       "/api/v1/namespaces/kube-system/secrets",
                                       "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"};

    bind("theirs", "n8", "theirs");
    for (size_t i = 0; i < ARRAY_SIZE(made); i++)
        harness_expect(&h, 201, "POST", made[i], "{\"metadata\":{\"name\":\"theirs\"}}", NULL);
    for (size_t t = 0; t < ARRAY_SIZE(node_matrix_things); t++)
        for (size_t p = 0; p < ARRAY_SIZE(node_matrix_places); p++)
            for (size_t m = 0; m < ARRAY_SIZE(node_matrix_methods); m++) {
                char *path CLEANUP_FREE = mem_printf(node_matrix_things[t], node_matrix_places[p]);
                const char *method = node_matrix_methods[m];
                int status = node_asks(method, path);

                asked++;
                /* Its own Lease is made there; that it is not another's is for admission to see. */
                if (!strcmp(method, "POST") && !strchr(node_matrix_places[p], '/') && strstr(path, "kube-node-lease"))
                    assert_true(status >= 400);
                else if (status != 403)
                    fail_msg("%s %s: %d", method, path, status);
            }
    assert_int_equal(asked, 1440);
}

/* What admission adds to the authorizer: names in bodies, and what of its own pods a node may write. */
static void test_node_restriction(void **state)
{
    static const struct {
        const char *method, *path, *body;
        int status;
    } rows[] = {
        {"POST", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", "{\"metadata\":{\"name\":\"n6\"}}",
         403},
        {"POST", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", "{\"metadata\":{\"name\":\"n5\"}}",
         201},
        {"PATCH", PODS "/worker/status", "{\"status\":{\"phase\":\"Running\"}}", 200},
        {"PATCH", PODS "/worker/status", "{\"metadata\":{\"labels\":{\"app\":\"db\"}}}", 403},
        {"PATCH", PODS "/worker/status",
         "{\"metadata\":{\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"x\",\"uid\":\"u\"}]}}",
         200} /* as upstream: left as they are */,
        {"PATCH", PODS "/worker", "{\"metadata\":{\"labels\":{\"app\":\"db\"}}}", 403},
        {"PATCH", PODS "/worker", "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"evil\"}]}}", 403},
        {"PUT", PODS "/worker", "{}", 403},
        {"POST", "/api/v1/nodes/n6", "{}", 403},
        {"GET", PODS "/worker", NULL, 200},
        {"GET", CSRS "/join", NULL, 403},
        {"GET", CSRS "?watch=true&fieldSelector=metadata.name%3Djoin", NULL, 403},
        {"GET", CSRS "?fieldSelector=metadata.name!%3Djoin", NULL, 403},
        {"PUT", CSRS "/join/approval", "{}", 403},
        {"PATCH", CSRS "/join/status", "{}", 403},
        {"DELETE", CSRS "/join", NULL, 403},
    };

    bind("worker", "n5", "s");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct ask ask = {.method = rows[i].method,
                                .path = rows[i].path,
                                .body = rows[i].body,
                                .content_type = *rows[i].method == 'P' && rows[i].method[1] == 'A' ? PATCH_MERGE : NULL,
                                .user = "system:node:n5",
                                .group = "system:nodes"};
        struct answer a CLEANUP_ANSWER = {0};

        harness_ask(&h, &ask, &a);
        if (a.status != rows[i].status)
            fail_msg("%s %s: %d instead of %d: %s", rows[i].method, rows[i].path, a.status, rows[i].status,
                     buf_cstr(&a.body));
    }
}

/* A node says where it is: what is no address may not become a part of the URL that the server calls. */
static void test_node_address(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"n4\"}}", NULL);
    bind("spy", "n4", "s");
    harness_ask(&h,
                &(struct ask){.method = "PATCH",
                              .path = "/api/v1/nodes/n4/status",
                              .body = "{\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":"
                                      "\"127.0.0.1:1/api/v1/secrets?x=\"}]}}",
                              .content_type = PATCH_MERGE,
                              .user = "system:node:n4",
                              .group = "system:nodes"},
                &a);
    if (a.status == 200)
        harness_expect(&h, 500, "GET", PODS "/spy/log", NULL, &a);
    assert_true(answer_has(&a, "InternalIP") || a.status == 422);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_file),
        cmocka_unit_test(test_bootstrap_token),
        cmocka_unit_test(test_uses_of_a_bootstrap_token),
        cmocka_unit_test(test_bootstrap_token_for_something_else),
        cmocka_unit_test(test_forbidden_words),
        cmocka_unit_test(test_node),
        cmocka_unit_test(test_node_matrix),
        cmocka_unit_test(test_node_restriction),
        cmocka_unit_test(test_node_address),
    };

    return harness_run_group(&h, tests, NULL);
}
