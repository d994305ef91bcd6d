/* SPDX-License-Identifier: Apache-2.0 */
/* Answers requests for documents about the API: /api, /apis, /openapi and what is below them. */
#ifndef KNARR_APISERVER_DOCUMENTS_REPLY_H
#define KNARR_APISERVER_DOCUMENTS_REPLY_H

#include "apiserver/request.h"

request_handler documents_reply;

#endif
