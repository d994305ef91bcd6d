/* SPDX-License-Identifier: Apache-2.0 */
/* Selectors: labelSelector and fieldSelector of requests, and LabelSelector objects. */
#ifndef KNARR_API_SELECTOR_H
#define KNARR_API_SELECTOR_H

#include "api/schema.h"
#include "api/value.h"

struct selector; /* immutable; may be shared by threads */

/* Looks a key up: data NULL = absent. */
typedef struct slice selector_lookup(void *arg, struct slice key);

/* "a=b,a!=b,a in (x,y),a notin (x),a,!a,a>1,a<5"; an empty text selects everything. Errors worded as upstream's
 * `unable to parse requirement: ...`. */
int selector_parse_labels(struct slice text, struct selector **ret_selector, struct error *err);
/* "metadata.name=x,status.phase!=Running". Paths the kind does not offer: ERROR_BAD_REQUEST `field label not
 * supported: x`. kind NULL = any path. */
int selector_parse_fields(const struct schema_kind *kind, struct slice text, struct selector **ret_selector,
                          struct error *err);
/* metav1.LabelSelector {matchLabels, matchExpressions}; absent or null selects nothing, {} everything. */
int selector_from_object(const struct value *label_selector, struct selector **ret_selector, struct error *err);
void selector_free(struct selector *s);
bool selector_is_empty(const struct selector *s); /* selects everything */
bool selector_matches(const struct selector *s, selector_lookup *lookup, void *arg);
/* Against a JSON object of labels in a tree; NULL = no labels. */
bool selector_matches_labels(const struct selector *s, const struct value *labels);
/* Against raw JSON bytes of a labels object (scan.h). */
bool selector_matches_bytes(const struct selector *s, struct slice labels_json);
/* The value that `key` must have (`=` or one-element in); data NULL when it is not pinned down. For indexes. */
struct slice selector_exact(const struct selector *s, struct slice key);
/* Text form, as upstream prints it. */
void selector_write(const struct selector *s, struct buf *out);

#endif
