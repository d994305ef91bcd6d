/* SPDX-License-Identifier: Apache-2.0 */
/* Authorization: may this user do this. Administrators, joining machines, nodes, then roles and bindings. */
#ifndef KNARR_APISERVER_AUTHZ_H
#define KNARR_APISERVER_AUTHZ_H

#include "apiserver/request.h"

/* What is asked, taken from a request or from an access review. All texts "" when absent, never NULL. */
struct authz_question {
    const struct user *user;
    bool is_resource;
    const char *verb;
    const char *path; /* not a resource */
    const char *group;
    const char *resource;
    const char *subresource;
    const char *namespace_;
    const char *name;
    const char *field_selector; /* raw text */
};

enum authz_answer { AUTHZ_NO_OPINION, AUTHZ_ALLOW, AUTHZ_DENY };

/* *ret_reason (may stay NULL) says why; in the request's pool. */
bool authz_allows(struct request *req, const struct authz_question *q, const char **ret_reason);
/* ERROR_FORBIDDEN in upstream's words. */
int authz_require(struct request *req, const struct authz_question *q, struct error *err);
/* What the request itself is about. */
int authz_authorize(struct request *req, struct error *err);
/* The same question with another verb: a PUT that makes an object is a creation too. */
int authz_authorize_as(struct request *req, const char *verb, struct error *err);
/* authz_node.c: what a node may do. */
enum authz_answer authz_node(struct request *req, const struct authz_question *q, const char **ret_reason);

#endif
