/* SPDX-License-Identifier: Apache-2.0 */
/* Subresources and kinds that are not stored: who serves them. */
#ifndef KNARR_APISERVER_SUBRESOURCE_H
#define KNARR_APISERVER_SUBRESOURCE_H

#include "apiserver/request.h"

/* NULL: the common verb serves it. */
request_handler *subresource_handler(const struct request *req);

request_handler scale_get, scale_update, scale_patch;
request_handler binding_create;
request_handler eviction_create;
request_handler log_get;
request_handler stream_connect;
request_handler node_proxy_get;
request_handler proxy_connect;         /* of pods and services */
request_handler usage_get, usage_list; /* metrics.k8s.io */
request_handler account_request_create;
request_handler review_access, review_subject, review_local, review_rules, review_self, review_token;

#endif
