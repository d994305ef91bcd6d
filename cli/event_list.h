/* SPDX-License-Identifier: Apache-2.0 */
/* Events of an object or a namespace, as lines. */
#ifndef KNARR_CLI_EVENT_LIST_H
#define KNARR_CLI_EVENT_LIST_H

#include "api/value.h"
#include "cli/columns.h"
#include "cli/session.h"

/* The list in the order in which they happened last; NULL with an error. ns NULL = all namespaces; selector: a field
 * selector, NULL = all. The caller frees. */
struct value *event_list_fetch(struct session *s, const char *ns, const char *selector, struct error *err);
/* "involvedObject.name=x,involvedObject.kind=Pod"; the caller frees. */
char *event_list_selector(const struct schema_kind *kind, const char *name);
/* "?fieldSelector=..." escaped, or NULL. The caller frees. */
char *event_list_query(const char *selector);
/* When it happened last, nanoseconds since 1970; 0 = unknown. */
int64_t event_list_time(const struct value *event);
/* Cells: [namespace,] age, type, reason, [object,] message. */
void event_list_add_row(struct columns *c, const struct value *event, int64_t now_ns, bool with_namespace,
                        bool with_object);

#endif
