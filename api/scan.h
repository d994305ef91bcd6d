/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scan: reads given paths out of a stored document without building a tree. Documents are our own compact, valid JSON
 * (validated when they were written); the scanner still never reads out of bounds on anything else.
 *
 * Two levels: a pull cursor over one object's or array's members, and a plan of many paths visited in one pass.
 */
#ifndef KNARR_API_SCAN_H
#define KNARR_API_SCAN_H

#include "lib/bytes.h"

#define SCAN_PATHS_MAX 64

/* Walks the members of an object or the elements of an array (`json` starts at its bracket). */
struct scan_cursor {
    const char *at;
    const char *end;
    char close; /* '}' or ']', 0 = nothing more */
};
/* An empty cursor when `json` is neither. */
struct scan_cursor scan_open(struct slice json);
/* The next member: *ret_key is the raw text between the quotes (escapes left alone; our own field names have none). */
bool scan_member(struct scan_cursor *c, struct slice *ret_key, struct slice *ret_value);
/* In two steps: the key, then its value, which may be left alone only when the cursor is not used any more. */
bool scan_key(struct scan_cursor *c, struct slice *ret_key);
struct slice scan_value(struct scan_cursor *c);
bool scan_element(struct scan_cursor *c, struct slice *ret_value);

/* Values are raw JSON: `"text"` with its quotes, 12, {...}. */
static inline bool scan_is_string(struct slice v)
{
    return v.data && v.len && v.data[0] == '"';
}
/* The text of a string without escapes is borrowed; with escapes it is decoded into `scratch`. Not a string: "". */
struct slice scan_text(struct slice v, struct buf *scratch);
/* A fresh NUL-terminated copy, or NULL when it is not a string. */
char *scan_text_dup(struct slice v);
/* Compares a JSON string with text, escapes considered. */
bool scan_text_is(struct slice v, const char *text);
int64_t scan_int(struct slice v, int64_t fallback);
bool scan_bool(struct slice v, bool fallback);
/* Elements of an array or members of an object. */
size_t scan_count(struct slice v);

/* The value at a dotted path ("metadata.name"); data NULL when absent. Keys with dots cannot be reached; use cursors.
 */
struct slice scan_get(struct slice document, const char *path);

/* At most SCAN_PATHS_MAX such paths in one pass: values[i] as scan_get of paths[i]. */
void scan_get_many(struct slice document, const char *const *paths, size_t count, struct slice *values);

/* Many paths in one pass. "spec.containers[].name" visits every element. */
struct scan_plan;
struct scan_plan *scan_plan_new(const char *const *paths, size_t count);
void scan_plan_free(struct scan_plan *plan);
/* For paths without []: fills values[i] (data NULL when absent). Stops as soon as all are found. */
void scan_run(const struct scan_plan *plan, struct slice document, struct slice *values);
/* For any paths: visit(arg, path index, value) for each hit, in document order. */
void scan_visit(const struct scan_plan *plan, struct slice document,
                void (*visit)(void *arg, size_t path, struct slice v), void *arg);

/* Where the value of `"resourceVersion"` inside metadata is or would go, for splicing: see object_write in object.h. */

#endif
