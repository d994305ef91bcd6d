/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate signing requests: what nodes may have, approved and signed; what people approved for clients, signed. */
#ifndef KNARR_CONTROLLERS_CSR_H
#define KNARR_CONTROLLERS_CSR_H

#include "controllers/runner.h"

enum csr_verdict {
    CSR_LEAVE,   /* not ours, finished, or for a person to decide */
    CSR_APPROVE, /* *ret_text is the condition's message */
    CSR_SIGN,
    CSR_FAIL, /* approved, but no such certificate is signed: *ret_text says why */
};

/* `node`: the Node that a system:node:NAME request is about; NULL = not there (yet). */
enum csr_verdict csr_judge(const struct view *csr, const struct view *node, const char **ret_text);
/* "NAME" of a request of user system:node:NAME; empty when it is of somebody else. */
struct slice csr_node_name(const struct view *csr);
/* How long the certificate is valid: what was asked for, at least ten minutes, at most `most`. */
int64_t csr_seconds(const struct view *csr, int64_t most);

/* Seconds until a request is of no use to anybody and goes, 0 = now: an hour after it was answered (or when its
 * certificate has ended, if that is before), a day after it was made when nobody answers. */
int64_t csr_left_s(const struct view *csr, int64_t now_ns);

#endif
