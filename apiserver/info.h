/* SPDX-License-Identifier: Apache-2.0 */
/* What is not a resource: version, health, discovery, OpenAPI, the index. */
#ifndef KNARR_APISERVER_INFO_H
#define KNARR_APISERVER_INFO_H

#include "apiserver/request.h"

#define INFO_CA_PATH "/.well-known/knarr/ca.crt"

/* Answers a request whose path is not of a resource. */
void info_handle(struct request *req);
/* Answers that there is no such page: as text, upstream does so for all that is no resource. */
void info_missing(struct request *req);

#endif
