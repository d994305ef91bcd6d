/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a list in the form that was negotiated: items first, its head when everything is known. */
#ifndef KNARR_APISERVER_LIST_WRITE_H
#define KNARR_APISERVER_LIST_WRITE_H

#include "apiserver/request.h"

struct list_write;

struct list_write *list_write_new(const struct request *req);
void list_write_free(struct list_write *out);
void list_write_item(struct list_write *out, struct slice stored, uint64_t revision);
/* Items that were written and not forgotten; lives until the next is written. */
struct slice list_write_items(const struct list_write *out);
/* In pieces, for an answer that is streamed: the head (before the first items), the items so far, which are then
 * forgotten, the end behind the last of them. Not as YAML or protobuf. */
void list_write_head(const struct list_write *out, struct buf *head, uint64_t revision, const char *token,
                     uint64_t remaining);
void list_write_end(struct list_write *out);
void list_write_forget(struct list_write *out);
/* Answers. token NULL = complete; remaining 0 = unknown. */
void list_write_reply(struct list_write *out, struct request *req, uint64_t revision, const char *token,
                      uint64_t remaining);

#endif
