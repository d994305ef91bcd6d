/* SPDX-License-Identifier: Apache-2.0 */
/* ServiceAccounts: their tokens, who gets them, how long they hold, and what pods get of them. */
#include "tests/unit/apiserver/harness.h"

#include "apiserver/account.h"
#include "lib/encoding.h"

static struct harness h;

#define ACCOUNTS "/api/v1/namespaces/default/serviceaccounts"
#define PODS     "/api/v1/namespaces/default/pods"
#define SECRETS  "/api/v1/namespaces/default/secrets"
#define REVIEWS  "/apis/authentication.k8s.io/v1/tokenreviews"
#define WHOAMI   "/apis/authentication.k8s.io/v1/selfsubjectreviews"

static void fill(void)
{
    harness_expect(&h, 201, "POST", ACCOUNTS, "{\"metadata\":{\"name\":\"bot\"}}", NULL);
    harness_expect(&h, 201, "POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"n1\"}}", NULL);
}

/* ---- claims ---- */

static struct account_claims some_claims(void)
{
    static const char *const audiences[] = {"a", "b\"c"};

    return (struct account_claims){
        .issuer = "https://issuer",
        .id = "one",
        .namespace_ = "ns",
        .account = {"bot", "u-bot"},
        .pod = {"p", "u-p"},
        .node = {"n", ""},
        .audiences = {audiences, 2},
        .issued_s = 1000,
        .not_before_s = 1000,
        .expires_s = 4600,
        .warn_after_s = 4607,
    };
}

static void test_claims_are_upstreams(void **state)
{
    const struct account_claims claims = some_claims();
    struct account_claims again;
    struct pool *pool CLEANUP_POOL = pool_new();
    BUF_LOCAL(json);

    account_claims_write(&claims, &json);
    assert_string_equal(
        buf_cstr(&json),
        "{\"aud\":[\"a\",\"b\\\"c\"],\"exp\":4600,\"iat\":1000,\"iss\":\"https://issuer\",\"jti\":\"one\","
        "\"kubernetes.io\":{\"namespace\":\"ns\",\"node\":{\"name\":\"n\"},\"pod\":{\"name\":\"p\","
        "\"uid\":\"u-p\"},\"serviceaccount\":{\"name\":\"bot\",\"uid\":\"u-bot\"},\"warnafter\":4607},"
        "\"nbf\":1000,\"sub\":\"system:serviceaccount:ns:bot\"}");
    assert_int_equal(account_claims_read(pool, buf_slice(&json), &again, NULL), 0);
    assert_string_equal(again.pod.uid, "u-p");
    assert_string_equal(again.node.name, "n");
    assert_null(again.secret.name);
    assert_string_equal(again.audiences.items[1], "b\"c");
    assert_int_equal(again.warn_after_s, 4607);
}

static void test_bad_claims(void **state)
{
#define OWN "\"kubernetes.io\":{\"namespace\":\"ns\",\"serviceaccount\":{\"name\":\"bot\",\"uid\":\"u\"}}"
#define SUB "\"sub\":\"system:serviceaccount:ns:bot\""
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"aud\":[\"a\"],\"exp\":1,\"nbf\":1,\"iss\":\"i\",\"jti\":\"j\"," OWN "}",
        "{\"aud\":[\"a\"],\"exp\":1,\"nbf\":1,\"iss\":\"i\",\"jti\":\"j\"," OWN
        ",\"sub\":\"system:serviceaccount:ns:admin\"}",
        "{\"aud\":[\"a\"],\"exp\":1,\"nbf\":1,\"iss\":\"i\",\"jti\":\"j\"," SUB "}",
        "{\"aud\":[],\"exp\":1,\"nbf\":1,\"iss\":\"i\",\"jti\":\"j\"," OWN "," SUB "}",
        "{\"aud\":\"a\",\"exp\":1,\"nbf\":1,\"iss\":\"i\",\"jti\":\"j\"," OWN "," SUB "}",
        "{\"aud\":[1],\"exp\":1,\"nbf\":1,\"iss\":\"i\",\"jti\":\"j\"," OWN "," SUB "}",
        "{\"aud\":[\"a\"],\"nbf\":1,\"iss\":\"i\",\"jti\":\"j\"," OWN "," SUB "}",
        "{\"aud\":[\"a\"],\"exp\":\"9\",\"nbf\":1,\"iss\":\"i\",\"jti\":\"j\"," OWN "," SUB "}",
        "{\"aud\":[\"a\"],\"exp\":1,\"exp\":2,\"nbf\":1,\"iss\":\"i\",\"jti\":\"j\"," OWN "," SUB "}",
    };
    struct pool *pool CLEANUP_POOL = pool_new();
    struct account_claims claims;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        ERROR_LOCAL(err);

        assert_int_equal(account_claims_read(pool, slice_str(texts[i]), &claims, &err), -(int)ERROR_UNAUTHORIZED);
    }
    assert_int_equal(account_claims_read(pool,
                                         SLICE_LIT("{\"aud\":[\"a\"],\"exp\":1,\"nbf\":1,\"iss\":\"i\",\"jti\":\"j\","
                                                   "" OWN "," SUB "}"),
                                         &claims, NULL),
                     0);
}

static void test_time_and_audience(void **state)
{
    static const char *const others[] = {"x", "b\"c"};
    const struct account_audiences other = {others, 1};
    const struct account_audiences both = {others, 2};
    const struct account_claims claims = some_claims();
    struct pool *pool CLEANUP_POOL = pool_new();
    struct account_audiences common;
    ERROR_LOCAL(err);

    assert_int_equal(account_claims_check_time(&claims, 1000, NULL), 0);
    assert_int_equal(account_claims_check_time(&claims, 940, NULL), 0);
    assert_int_equal(account_claims_check_time(&claims, 939, NULL), -(int)ERROR_UNAUTHORIZED);
    assert_int_equal(account_claims_check_time(&claims, 4660, NULL), 0);
    assert_int_equal(account_claims_check_time(&claims, 4661, &err), -(int)ERROR_UNAUTHORIZED);
    assert_string_equal(error_text(&err), "service account token has expired");
    assert_int_equal(account_claims_audiences(pool, &claims, &both, &common, NULL), 0);
    assert_int_equal(common.count, 1);
    assert_string_equal(common.items[0], "b\"c");
    assert_true(account_claims_audiences(pool, &claims, &other, &common, &err) < 0);
    assert_string_equal(error_text(&err),
                        "token audiences [\"a\" \"b\\\"c\"] is invalid for the target audiences [\"x\"]");
}

/* ---- asking for one ---- */

/* The token of an answered TokenRequest; to be freed. */
static char *make_token(const char *account, const char *spec)
{
    char *path CLEANUP_FREE = mem_printf(ACCOUNTS "/%s/token", account);
    char *body CLEANUP_FREE = mem_printf("{\"spec\":%s}", spec);
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", path, body, &a);
    return answer_get(&a, "status.token");
}

static int use(const char *token, const char *method, const char *path, const char *body, struct answer *ret_answer)
{
    const struct ask ask = {.method = method, .path = path, .body = body, .bearer = token};
    struct answer own CLEANUP_ANSWER = {0};
    struct answer *a = ret_answer ? ret_answer : &own;

    harness_ask(&h, &ask, a);
    return a->status;
}

static int who(const char *token)
{
    return use(token, "POST", WHOAMI, "{}", NULL);
}

static void test_a_token_is_its_account(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *token CLEANUP_FREE = make_token("bot", "{}");
    char *account CLEANUP_FREE = NULL;
    char *uid CLEANUP_FREE = NULL;

    harness_expect(&h, 200, "GET", ACCOUNTS "/bot", NULL, &a);
    account = answer_get(&a, "metadata.uid");
    answer_clear(&a);
    assert_int_equal(use(token, "POST", WHOAMI, "{}", &a), 201);
    assert_answer(&a, "status.userInfo.username", "system:serviceaccount:default:bot");
    uid = answer_get(&a, "status.userInfo.uid");
    assert_string_equal(uid, account);
    assert_true(answer_has(&a, "\"groups\":[\"system:serviceaccounts\",\"system:serviceaccounts:default\","
                               "\"system:authenticated\"]"));
    assert_true(answer_has(&a, "\"extra\":{\"authentication.kubernetes.io/credential-id\":[\"JTI="));
    assert_int_equal(use(token, "GET", SECRETS, NULL, NULL), 403);
    assert_int_equal(who(token), 201); /* from the cache */
}

static void test_a_changed_token_is_none(void **state)
{
    char *token CLEANUP_FREE = make_token("bot", "{}");
    char *dot = strrchr(token, '.');
    char *unsigned_ CLEANUP_FREE = mem_strndup(token, (size_t)(dot + 1 - token));
    char *none CLEANUP_FREE =
        mem_printf("eyJhbGciOiJub25lIn0%.*s", (int)(dot + 1 - strchr(token, '.')), strchr(token, '.'));

    assert_int_equal(who(token), 201);
    assert_int_equal(who(unsigned_), 401);
    assert_int_equal(who(none), 401);
    dot[1] = dot[1] == 'A' ? 'B' : 'A';
    assert_int_equal(who(token), 401);
}

static void test_what_is_asked_for(void **state)
{
    static const struct {
        int status;
        const char *body;
        const char *message;
    } rows[] = {
        {422, "{\"spec\":{\"expirationSeconds\":599}}",
         "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 599: may not "
         "specify a duration less than 10 minutes"},
        {422, "{\"spec\":{\"expirationSeconds\":4294967297}}",
         "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 4294967297: may "
         "not specify a duration larger than 2^32 seconds"},
        {422, "{\"metadata\":{\"name\":\"x\"}}",
         "TokenRequest.authentication.k8s.io \"bot\" is invalid: metadata.name: Invalid value: \"x\": must match the "
         "service account name if specified"},
        {400, "{\"spec\":{\"boundObjectRef\":{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"d\"}}}",
         "cannot bind token to object of type apps/v1, Kind=Deployment"},
        {404, "{\"spec\":{\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"nope\"}}}",
         "pods \"nope\" not found"},
        {409,
         "{\"spec\":{\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"n1\",\"uid\":\"other\"}}}",
         "Operation cannot be fulfilled on Node \"n1\": the UID in the bound object reference (other) does not match "
         "the UID in record. The object might have been deleted and then recreated"},
    };
    struct answer a CLEANUP_ANSWER = {0};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        answer_clear(&a);
        harness_expect(&h, rows[i].status, "POST", ACCOUNTS "/bot/token", rows[i].body, &a);
        assert_answer(&a, "message", rows[i].message);
    }
    answer_clear(&a);
    harness_expect(&h, 404, "POST", ACCOUNTS "/nope/token", "{}", &a);
    assert_answer(&a, "message", "serviceaccounts \"nope\" not found");
    answer_clear(&a);
    harness_expect(&h, 201, "POST", ACCOUNTS "/bot/token", "{\"spec\":{\"expirationSeconds\":600}}", &a);
    assert_answer(&a, "kind", "TokenRequest");
    assert_answer(&a, "metadata.name", "bot");
    assert_true(answer_has(&a, "\"audiences\":[\"" ACCOUNT_ISSUER_DEFAULT "\"]"));
    assert_true(answer_has(&a, "\"expirationSeconds\":600"));
}

static struct account_judge judge_at(int64_t now_s)
{
    return (struct account_judge){h.server->accounts, h.server->fronts[0].accounts, h.server->fronts[0].folders, now_s};
}

static void test_expiry(void **state)
{
    char *token CLEANUP_FREE = make_token("bot", "{\"expirationSeconds\":600}");
    int64_t now = clock_wall_s(h.server->clock);
    const struct account_judge soon = judge_at(now + 600);
    const struct account_judge late = judge_at(now + 670);
    const struct account_judge early = judge_at(now - 70);
    const struct account_claims *claims = NULL;

    assert_int_equal(account_token_read(&soon, slice_str(token), &claims, NULL), 0);
    assert_int_equal(claims->expires_s - claims->issued_s, 600);
    assert_int_equal(account_token_check(&soon, claims, NULL), 0);
    assert_int_equal(account_token_check(&late, claims, NULL), -(int)ERROR_UNAUTHORIZED);
    assert_int_equal(account_token_check(&early, claims, NULL), -(int)ERROR_UNAUTHORIZED);
}

static void test_another_issuer_and_key(void **state)
{
    struct account_issuer *foreign = NULL;
    struct account_issuer renamed = *h.server->accounts;
    struct account_claims claims = some_claims();
    const struct account_judge judge = judge_at(2000);
    const struct account_claims *read = NULL;
    ERROR_LOCAL(err);
    BUF_LOCAL(token);

    assert_int_equal(account_issuer_make(NULL, SLICE_NONE, "h:1", &foreign, NULL), 0);
    claims.issuer = foreign->name;
    assert_int_equal(account_issuer_sign(foreign, &claims, &token, NULL), 0);
    assert_true(account_token_read(&judge, buf_slice(&token), &read, &err) < 0);
    account_issuer_free(foreign);
    buf_reset(&token);
    claims.issuer = "https://elsewhere";
    assert_int_equal(account_issuer_sign(&renamed, &claims, &token, NULL), 0);
    assert_true(account_token_read(&judge, buf_slice(&token), &read, &err) < 0);
    assert_string_equal(error_text(&err), "the token is of another issuer");
}

/* ---- what a token is bound to ---- */

static void make_pod(const char *name, const char *spec)
{
    char *body CLEANUP_FREE = mem_printf(
        "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"x\"}]%s}}", name, spec);

    harness_expect(&h, 201, "POST", PODS, body, NULL);
}

static void test_it_ends_with_its_pod(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *token CLEANUP_FREE = NULL;

    make_pod("bound", ",\"serviceAccountName\":\"bot\",\"nodeName\":\"n1\"");
    make_pod("other", "");
    token = make_token("bot", "{\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"bound\"}}");
    assert_int_equal(use(token, "POST", WHOAMI, "{}", &a), 201);
    assert_true(answer_has(&a, "\"authentication.kubernetes.io/node-name\":[\"n1\"]"));
    assert_true(answer_has(&a, "\"authentication.kubernetes.io/pod-name\":[\"bound\"]"));
    answer_clear(&a);
    harness_expect(&h, 400, "POST", ACCOUNTS "/bot/token",
                   "{\"spec\":{\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"other\"}}}", &a);
    assert_answer(&a, "message",
                  "cannot bind token for serviceaccount \"bot\" to pod running with different serviceaccount name.");
    harness_expect(&h, 200, "DELETE", PODS "/bound?gracePeriodSeconds=0", NULL, NULL);
    assert_int_equal(who(token), 401);
    make_pod("bound", ",\"serviceAccountName\":\"bot\"");
    assert_int_equal(who(token), 401); /* another pod of the same name */
    harness_expect(&h, 200, "DELETE", PODS "/bound?gracePeriodSeconds=0", NULL, NULL);
    harness_expect(&h, 200, "DELETE", PODS "/other?gracePeriodSeconds=0", NULL, NULL);
}

static void test_it_ends_with_its_secret_node_and_account(void **state)
{
    char *by_secret CLEANUP_FREE = NULL;
    char *by_node CLEANUP_FREE = NULL;
    char *plain CLEANUP_FREE = NULL;

    harness_expect(&h, 201, "POST", SECRETS, "{\"metadata\":{\"name\":\"s\"}}", NULL);
    harness_expect(&h, 201, "POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"n2\"}}", NULL);
    harness_expect(&h, 201, "POST", ACCOUNTS, "{\"metadata\":{\"name\":\"brief\"}}", NULL);
    by_secret = make_token("brief", "{\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"name\":\"s\"}}");
    by_node = make_token("brief", "{\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"n2\"}}");
    plain = make_token("brief", "{}");
    assert_int_equal(who(by_secret), 201);
    assert_int_equal(who(by_node), 201);
    harness_expect(&h, 200, "DELETE", SECRETS "/s", NULL, NULL);
    harness_expect(&h, 200, "DELETE", "/api/v1/nodes/n2", NULL, NULL);
    assert_int_equal(who(by_secret), 401);
    assert_int_equal(who(by_node), 401);
    assert_int_equal(who(plain), 201);
    harness_expect(&h, 200, "DELETE", ACCOUNTS "/brief", NULL, NULL);
    assert_int_equal(who(plain), 401);
    harness_expect(&h, 201, "POST", ACCOUNTS, "{\"metadata\":{\"name\":\"brief\"}}", NULL);
    assert_int_equal(who(plain), 401); /* another account of the same name */
}

#define TOKEN_SECRET(name, account)                                                                                    \
    "{\"metadata\":{\"name\":\"" name "\",\"annotations\":{\"kubernetes.io/service-account.name\":\"" account "\"}},"  \
    "\"type\":\"kubernetes.io/service-account-token\"}"

static char *token_of_secret(const struct answer *a)
{
    char *encoded CLEANUP_FREE = answer_get(a, "data.token");
    BUF_LOCAL(token);

    assert_true(base64_decode(&token, slice_str(encoded)));
    return buf_steal_str(&token);
}

static void test_secrets_with_a_token(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *token CLEANUP_FREE = NULL;
    char *again CLEANUP_FREE = NULL;
    char *dry CLEANUP_FREE = NULL;

    harness_expect(&h, 403, "POST", SECRETS, TOKEN_SECRET("lost", "nope"), &a);
    assert_answer(&a, "message",
                  "secrets \"lost\" is forbidden: error looking up service account default/nope: serviceaccount "
                  "\"nope\" not found");
    answer_clear(&a);
    harness_expect(&h, 201, "POST", SECRETS "?dryRun=All", TOKEN_SECRET("bot", "bot"), &a);
    dry = token_of_secret(&a);
    assert_int_equal(who(dry), 401);
    answer_clear(&a);
    harness_expect(&h, 201, "POST", SECRETS, TOKEN_SECRET("bot", "bot"), &a);
    token = token_of_secret(&a);
    assert_int_equal(who(token), 201);
    assert_int_equal(who(dry), 401);
    assert_answer(&a, "data.namespace", "ZGVmYXVsdA==");
    assert_true(answer_has(&a, "\"kubernetes.io/service-account.uid\":\""));
    assert_true(answer_has(&a, "\"ownerReferences\":[{\"kind\":\"ServiceAccount\",\"name\":\"bot\""));
    /* Who writes it back without the token gets another. */
    answer_clear(&a);
    harness_expect(&h, 200, "PUT", SECRETS "/bot", TOKEN_SECRET("bot", "bot"), &a);
    again = token_of_secret(&a);
    assert_int_equal(who(again), 201);
    harness_expect(&h, 200, "DELETE", SECRETS "/bot", NULL, NULL);
    assert_int_equal(who(token), 401);
    assert_int_equal(who(again), 401);
}

/* ---- nodes ---- */

static int node_asks(const char *account, const char *spec, const char *message)
{
    char *path CLEANUP_FREE = mem_printf(ACCOUNTS "/%s/token", account);
    char *body CLEANUP_FREE = mem_printf("{\"spec\":%s}", spec);
    const struct ask ask = {
        .method = "POST", .path = path, .body = body, .user = "system:node:n1", .group = "system:nodes"};
    struct answer a CLEANUP_ANSWER = {0};

    harness_ask(&h, &ask, &a);
    if (message && !answer_has(&a, message))
        fail_msg("%.*s", SLICE_ARGS(buf_slice(&a.body)));
    return a.status;
}

static char *bound_to(const char *pod, const char *uid, const char *more)
{
    return mem_printf("{\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"%s\",\"uid\":\"%s\"}%s}",
                      pod, uid, more);
}

static void test_a_node_gets_tokens_of_its_pods_only(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *uid CLEANUP_FREE = NULL;
    char *good CLEANUP_FREE = NULL;
    char *elsewhere CLEANUP_FREE = NULL;
    char *wrong CLEANUP_FREE = bound_to("mine", "x", "");
    char *vault CLEANUP_FREE = NULL;
    char *other CLEANUP_FREE = NULL;

    harness_expect(&h, 201, "POST", ACCOUNTS, "{\"metadata\":{\"name\":\"far\"}}", NULL);
    make_pod("mine", ",\"serviceAccountName\":\"bot\",\"nodeName\":\"n1\",\"volumes\":[{\"name\":\"v\",\"projected\":{"
                     "\"sources\":[{\"serviceAccountToken\":{\"path\":\"t\",\"audience\":\"vault\"}}]}}]");
    make_pod("far", ",\"serviceAccountName\":\"far\",\"nodeName\":\"n9\"");
    harness_expect(&h, 200, "GET", PODS "/mine", NULL, &a);
    uid = answer_get(&a, "metadata.uid");
    good = bound_to("mine", uid, "");
    vault = bound_to("mine", uid, ",\"audiences\":[\"vault\"]");
    other = bound_to("mine", uid, ",\"audiences\":[\"other\"]");
    elsewhere = bound_to("far", "x", "");
    assert_int_equal(node_asks("bot", good, NULL), 201);
    assert_int_equal(node_asks("bot", vault, NULL), 201);
    assert_int_equal(node_asks("bot", other, "audience \\\"other\\\" not found in pod spec volume"), 403);
    assert_int_equal(node_asks("bot", "{}", "node requested token not bound to a pod"), 403);
    assert_int_equal(
        node_asks("bot", "{\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"n1\"}}", NULL), 403);
    assert_int_equal(node_asks("bot", wrong, "does not match the UID in record"), 403);
    assert_int_equal(node_asks("far", elsewhere, "no relationship found"), 403);
    assert_int_equal(node_asks("default", good, "no relationship found"), 403);
    harness_expect(&h, 200, "DELETE", PODS "/mine?gracePeriodSeconds=0", NULL, NULL);
    harness_expect(&h, 200, "DELETE", PODS "/far?gracePeriodSeconds=0", NULL, NULL);
}

/* ---- reviews and documents ---- */

static void review(const char *token, const char *more, const char *text)
{
    char *body CLEANUP_FREE = mem_printf("{\"spec\":{\"token\":\"%s\"%s}}", token, more);
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", REVIEWS, body, &a);
    if (!answer_has(&a, text))
        fail_msg("%.*s", SLICE_ARGS(buf_slice(&a.body)));
}

static void test_token_reviews(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *token CLEANUP_FREE = make_token("bot", "{}");
    char *vault CLEANUP_FREE = make_token("bot", "{\"audiences\":[\"vault\"]}");
    const struct ask joe = {.method = "POST", .path = REVIEWS, .body = "{}", .user = "joe", .group = "dev"};

    review(token, "",
           "\"status\":{\"authenticated\":true,\"user\":{\"username\":\"system:serviceaccount:default:bot\"");
    review(token, "", "\"audiences\":[\"" ACCOUNT_ISSUER_DEFAULT "\"]}");
    review(token, ",\"audiences\":[\"x\",\"" ACCOUNT_ISSUER_DEFAULT "\"]",
           "\"audiences\":[\"" ACCOUNT_ISSUER_DEFAULT "\"]}");
    review(vault, ",\"audiences\":[\"vault\",\"x\"]", "\"audiences\":[\"vault\"]}");
    review(vault, "",
           "\"status\":{\"user\":{},\"error\":\"[invalid bearer token, token audiences [\\\"vault\\\"] is invalid for "
           "the target audiences [\\\"" ACCOUNT_ISSUER_DEFAULT "\\\"]]\"}");
    review("nope", "", "\"status\":{\"user\":{},\"error\":\"invalid bearer token\"}");
    review("a.b.c", "", "\"error\":\"[invalid bearer token, ");
    assert_int_equal(who(vault), 401);
    harness_expect(&h, 400, "POST", REVIEWS, "{\"spec\":{}}", &a);
    assert_answer(&a, "message", "token is required for TokenReview in authentication");
    answer_clear(&a);
    harness_ask(&h, &joe, &a);
    assert_int_equal(a.status, 403);
}

static void test_openid_documents(void **state)
{
    char *token CLEANUP_FREE = make_token("bot", "{}");
    const struct ask joe = {.method = "GET", .path = "/openid/v1/jwks", .user = "joe", .group = "dev"};
    struct answer a CLEANUP_ANSWER = {0};
    struct answer keys CLEANUP_ANSWER = {0};
    struct answer refused CLEANUP_ANSWER = {0};

    assert_int_equal(use(token, "GET", "/.well-known/openid-configuration", NULL, &a), 200);
    assert_answer(&a, "issuer", ACCOUNT_ISSUER_DEFAULT);
    assert_answer(&a, "jwks_uri", "https://127.0.0.1:6443/openid/v1/jwks");
    assert_int_equal(use(token, "GET", "/openid/v1/jwks", NULL, &keys), 200);
    assert_string_equal(keys.content_type, "application/jwk-set+json");
    assert_true(answer_has(&keys, jws_key_id(h.server->accounts->key)));
    harness_ask(&h, &joe, &refused);
    assert_int_equal(refused.status, 403);
}

/* ---- what pods get ---- */

static void create_pod(const char *spec, struct answer *ret_answer)
{
    char *body CLEANUP_FREE = mem_printf("{\"metadata\":{\"name\":\"p\"},\"spec\":{%s}}", spec);

    answer_clear(ret_answer);
    harness_expect(&h, 201, "POST", PODS "?dryRun=All", body, ret_answer);
}

#define CONTAINER "\"containers\":[{\"name\":\"c\",\"image\":\"x\"}]"
#define MOUNT     "\"readOnly\":true,\"mountPath\":\"/var/run/secrets/kubernetes.io/serviceaccount\""

static size_t times(const struct answer *a, const char *text)
{
    struct slice rest = buf_slice(&a->body);
    size_t count = 0;

    for (ptrdiff_t at = slice_find_text(rest, slice_str(text)); at >= 0; at = slice_find_text(rest, slice_str(text))) {
        count++;
        rest = slice_from(rest, (size_t)at + 1);
    }
    return count;
}

static void test_pods_get_a_volume(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    create_pod(CONTAINER ",\"initContainers\":[{\"name\":\"i\",\"image\":\"x\"}]", &a);
    assert_int_equal(times(&a, MOUNT), 2);
    assert_true(answer_has(
        &a, "\"projected\":{\"sources\":[{\"serviceAccountToken\":{\"expirationSeconds\":3607,\"path\":\"token\"}},"
            "{\"configMap\":{\"name\":\"kube-root-ca.crt\",\"items\":[{\"key\":\"ca.crt\",\"path\":\"ca.crt\"}]}},"
            "{\"downwardAPI\":{\"items\":[{\"path\":\"namespace\",\"fieldRef\":{\"apiVersion\":\"v1\",\"fieldPath\":"
            "\"metadata.namespace\"}}]}}],\"defaultMode\":420}"));
    create_pod(CONTAINER ",\"automountServiceAccountToken\":false", &a);
    assert_int_equal(times(&a, "kube-api-access"), 0);
    /* One that mounts something of its own there has no need of the volume. */
    create_pod("\"containers\":[{\"name\":\"c\",\"image\":\"x\",\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":"
               "\"/var/run/secrets/kubernetes.io/serviceaccount\"}]}],\"volumes\":[{\"name\":\"v\"}]",
               &a);
    assert_int_equal(times(&a, "kube-api-access"), 0);
    /* A pod that comes with the volume keeps it. */
    create_pod(CONTAINER ",\"volumes\":[{\"name\":\"kube-api-access-x\",\"emptyDir\":{}}]", &a);
    assert_int_equal(times(&a, "kube-api-access-x"), 2);
    assert_int_equal(times(&a, "projected"), 0);
}

static void test_pods_and_the_account(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", ACCOUNTS,
                   "{\"metadata\":{\"name\":\"quiet\"},\"automountServiceAccountToken\":false,\"imagePullSecrets\":[{"
                   "\"name\":\"pull\"}]}",
                   NULL);
    create_pod(CONTAINER ",\"serviceAccountName\":\"quiet\"", &a);
    assert_int_equal(times(&a, "kube-api-access"), 0);
    assert_true(answer_has(&a, "\"imagePullSecrets\":[{\"name\":\"pull\"}]"));
    create_pod(CONTAINER ",\"serviceAccountName\":\"quiet\",\"automountServiceAccountToken\":true,"
                         "\"imagePullSecrets\":[{\"name\":\"own\"}]",
               &a);
    assert_int_equal(times(&a, MOUNT), 1);
    assert_true(answer_has(&a, "\"imagePullSecrets\":[{\"name\":\"own\"}]"));
    answer_clear(&a);
    harness_expect(&h, 403, "POST", PODS,
                   "{\"metadata\":{\"name\":\"m\",\"annotations\":{\"kubernetes.io/config.mirror\":\"x\"}},\"spec\":{"
                   "" CONTAINER ",\"nodeName\":\"n1\",\"volumes\":[{\"name\":\"v\",\"projected\":{\"sources\":[{"
                   "\"serviceAccountToken\":{\"path\":\"t\"}}]}}]}}",
                   &a);
    assert_true(answer_has(&a, "a mirror pod may not use ServiceAccountToken volume projections"));
}

static void test_impersonated_extras_stay(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    const struct ask ask = {.method = "POST",
                            .path = WHOAMI,
                            .body = "{}",
                            .header_name = "Impersonate-Extra-Example.com%2fScopes",
                            .header_value = "view"};

    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 400); /* nobody is named */
    answer_clear(&a);
    const struct ask named = {.method = "POST",
                              .path = WHOAMI,
                              .body = "{}",
                              .impersonate = "ann",
                              .header_name = "Impersonate-Extra-Example.com%2fScopes",
                              .header_value = "view"};

    harness_ask(&h, &named, &a);
    assert_int_equal(a.status, 201);
    assert_answer(&a, "status.userInfo.username", "ann");
    assert_true(answer_has(&a, "\"extra\":{\"example.com/scopes\":[\"view\"]}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claims_are_upstreams),
        cmocka_unit_test(test_bad_claims),
        cmocka_unit_test(test_time_and_audience),
        cmocka_unit_test(test_a_token_is_its_account),
        cmocka_unit_test(test_a_changed_token_is_none),
        cmocka_unit_test(test_what_is_asked_for),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_another_issuer_and_key),
        cmocka_unit_test(test_it_ends_with_its_pod),
        cmocka_unit_test(test_it_ends_with_its_secret_node_and_account),
        cmocka_unit_test(test_secrets_with_a_token),
        cmocka_unit_test(test_a_node_gets_tokens_of_its_pods_only),
        cmocka_unit_test(test_token_reviews),
        cmocka_unit_test(test_openid_documents),
        cmocka_unit_test(test_pods_get_a_volume),
        cmocka_unit_test(test_pods_and_the_account),
        cmocka_unit_test(test_impersonated_extras_stay),
    };

    return harness_run_group(&h, tests, fill);
}
