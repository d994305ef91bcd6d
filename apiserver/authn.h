/* SPDX-License-Identifier: Apache-2.0 */
/* Authentication: who is asking. */
#ifndef KNARR_APISERVER_AUTHN_H
#define KNARR_APISERVER_AUTHN_H

#include "apiserver/account_claims.h"
#include "apiserver/request.h"

/* Tokens of upstream's CSV file: token,user,uid[,"group1,group2"]. Errors: ERROR_IO, ERROR_BAD_REQUEST (which line). */
int authn_tokens_load(const char *path, struct authn_tokens **ret_tokens, struct error *err);
int authn_tokens_parse(struct slice csv, struct authn_tokens **ret_tokens, struct error *err);
void authn_tokens_free(struct authn_tokens *tokens);

/* Sets req->user. No credential is system:anonymous; a bad one is ERROR_UNAUTHORIZED. Then applies Impersonate-*
 * headers, every part of which needs the right to impersonate it (ERROR_FORBIDDEN). */
int authn_authenticate(struct request *req, struct error *err);

/* Whose token it is, and for which of the wanted audiences (none wanted = the API's own). ERROR_UNAUTHORIZED says why
 * not, in words for who reviews tokens. */
int authn_read_token(struct request *req, struct slice token, const struct account_audiences *wanted,
                     struct user *ret_user, struct account_audiences *ret_audiences, struct error *err);

#endif
