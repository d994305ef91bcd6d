/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted of every request; names and labels are upstream's. */
#ifndef KNARR_APISERVER_REQUEST_METRICS_H
#define KNARR_APISERVER_REQUEST_METRICS_H

#include "apiserver/request.h"

/* Counts the request when it is over: by its status, and how long it took unless it is of those that stay. */
void request_metrics_begin(struct request *req);
/* It stays for long (watch, a followed log, a stream to a container): it is counted among those while it lasts. */
void request_metrics_long(struct request *req);

#endif
