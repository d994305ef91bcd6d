/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON answer of any length, made piece by piece, each when the one before is written; compressed when the client
 * takes gzip. Of an answer little more than a piece is in memory. */
#ifndef KNARR_APISERVER_LIST_STREAM_H
#define KNARR_APISERVER_LIST_STREAM_H

#include "apiserver/request.h"

/* Makes a piece, which lives until the next call: 1 = more follow, when the loop has come round after a piece of
 * nothing; 0 = it was the last; negative = it cannot go on, and the connection is cut. */
typedef int list_piece(void *arg, struct slice *ret_piece);

/* Answers 200 with `first` and what `next` makes; `arg` lives as long as the request. */
void list_stream_start(struct request *req, struct slice first, list_piece *next, void *arg);

#endif
