/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of a pod's ServiceAccount. What a projected volume asks for is a reference like a ConfigMap or a Secret: of
 * resource "tokens", by the name "SECONDS/AUDIENCE" (audience "" = the API server). Pure.
 */
#ifndef KNARR_AGENT_TOKEN_H
#define KNARR_AGENT_TOKEN_H

#include "api/value.h"

#define TOKEN_RESOURCE "tokens"

/* The name for a serviceAccountToken source; caller frees. */
char *token_reference_name(const struct value *source);
/* Appends the TokenRequest for a name: bound to the pod. */
void token_request_write(const struct value *pod, const char *name, struct buf *out);
/* How long an answered TokenRequest serves before another is asked for: four fifths of its life, a day at most. */
uint64_t token_serves_ms(const struct value *answer);

#endif
