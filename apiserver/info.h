/* SPDX-License-Identifier: Apache-2.0 */
/* What is not a resource: version, health, discovery, OpenAPI, the index. */
#ifndef KNARR_APISERVER_INFO_H
#define KNARR_APISERVER_INFO_H

#include "apiserver/request.h"

/* Answers a request whose path is not of a resource. */
void info_handle(struct request *req);
/* Upstream's roles for paths: system:public-info-viewer and system:discovery. */
bool info_is_public(const struct request_info *info);
bool info_is_discovery(const struct request_info *info);

#endif
