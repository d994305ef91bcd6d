/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics. */
#ifndef KNARR_APISERVER_METRICS_H
#define KNARR_APISERVER_METRICS_H

#include "apiserver/request.h"

request_handler metrics_get;

#endif
