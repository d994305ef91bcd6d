/* SPDX-License-Identifier: Apache-2.0 */
/* How answers are compressed: the fast way, as upstream. */
#ifndef KNARR_APISERVER_REPLY_GZIP_H
#define KNARR_APISERVER_REPLY_GZIP_H

#include <zlib.h>

#include "apiserver/request.h"

#define REPLY_GZIP_MIN (128u << 10) /* as upstream: smaller answers cost more than they save */

bool reply_takes_gzip(const struct request *req);
/* Two headers at most, within REPLY_HEADERS_MAX behind those of reply_headers; returns how many. */
size_t reply_gzip_headers(struct http_header *headers);
/* 0, or negative when the library fails: the answer then goes out as it is. */
int reply_gzip_begin(z_stream *z);
/* The pieces as one; NULL when the library fails. */
struct refbuf *reply_gzip(const struct slice *pieces, size_t count, size_t total);

#endif
