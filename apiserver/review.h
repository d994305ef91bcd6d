/* SPDX-License-Identifier: Apache-2.0 */
/* What the reviews share. */
#ifndef KNARR_APISERVER_REVIEW_H
#define KNARR_APISERVER_REVIEW_H

#include "apiserver/request.h"

/* The decoded body, owned by the request; NULL after an error was answered. */
struct value *review_begin(struct request *req);
/* Answers with the body and this status, which is taken over. */
void review_answer(struct request *req, struct value *body, struct value *status);
/* Fills a UserInfo. */
void review_write_user(struct value *out, const struct user *user);

#endif
