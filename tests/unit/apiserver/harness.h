/* SPDX-License-Identifier: Apache-2.0 */
/* An API server without sockets: requests go to a front's handler and its loop is turned until the answer is there. */
#ifndef KNARR_TESTS_UNIT_APISERVER_HARNESS_H
#define KNARR_TESTS_UNIT_APISERVER_HARNESS_H

#include "tests/unit/test.h"

#include "api/scan.h"
#include "apiserver/server_internal.h"
#include "lib/http_local.h"

struct harness {
    char dir[64];
    int64_t window_ns; /* of the store, set before harness_start; 0 = as it should be */
    struct store *store;
    struct apiserver *server;
};

void harness_start(struct harness *h);
void harness_stop(struct harness *h);
/* The group `tests` with one server for all of them; `fill` makes what they all find there, NULL = nothing. */
#define harness_run_group(h, tests, fill)                                                                              \
    (harness_set_group(h, fill), cmocka_run_group_tests(tests, harness_start_group, harness_stop_group))
void harness_set_group(struct harness *h, void (*fill)(void));
int harness_start_group(void **state);
int harness_stop_group(void **state);

/* One request and what came back; a stream is still open while `over` is false. */
struct answer {
    struct harness *harness;
    int status;
    char *content_type;
    struct buf headers; /* "name: value\n" */
    struct buf body;
    bool over;
    struct http_local *local;
};
struct ask {
    const char *method;
    const char *path; /* with its query */
    const char *body;
    const char *content_type; /* NULL = application/json */
    const char *accept;       /* NULL = none */
    const char *user;         /* NULL = an administrator */
    const char *group;
    const char *bearer;      /* over the wire, without certificate */
    const char *impersonate; /* NULL = nobody */
    const char *header_name; /* one more; NULL = none */
    const char *header_value;
    bool anonymous;
};
void harness_begin(struct harness *h, const struct ask *ask, struct answer *ret_answer);
/* Turns the loop until the answer is complete. */
void harness_ask(struct harness *h, const struct ask *ask, struct answer *ret_answer);
/* ... until the body holds `text` (a watch). Fails the test after too many turns. */
void harness_wait_for(struct answer *a, const char *text);
void answer_clear(struct answer *a);
#define CLEANUP_ANSWER CLEANUP(answer_clear)

/* Shortcuts as administrator; each checks the status. `ret_answer` NULL = nobody wants to see it. */
void harness_expect(struct harness *h, int status, const char *method, const char *path, const char *body,
                    struct answer *ret_answer);
/* Content types of patches. */
#define PATCH_JSON      "application/json-patch+json"
#define PATCH_MERGE     "application/merge-patch+json"
#define PATCH_STRATEGIC "application/strategic-merge-patch+json"
#define PATCH_APPLY     "application/apply-patch+yaml"
void harness_patch(struct harness *h, int status, const char *path, const char *type, const char *body,
                   struct answer *ret_answer);
/* The text at a dotted path of the body; to be freed. */
char *answer_get(const struct answer *a, const char *path);
bool answer_has(const struct answer *a, const char *text);
#define assert_answer(a, path, text)                                                                                   \
    do {                                                                                                               \
        char *answer_text_ = answer_get(a, path);                                                                      \
        assert_string_equal(answer_text_, text);                                                                       \
        free(answer_text_);                                                                                            \
    } while (0)

#endif
