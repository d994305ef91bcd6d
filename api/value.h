/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Value: a JSON tree for writes (decode, default, patch, validate). The only place that knows jansson; reads never
 * build one, they use scan.h on the stored bytes. Order of an object's members is kept.
 *
 * Ownership: a `struct value *` you get from value_new_*, value_parse, value_copy or value_take is yours and goes with
 * value_free (or into a tree by value_set/value_append, which take it over). What value_get/value_at return is borrowed
 * from the tree. `const` means: looked at only.
 */
#ifndef KNARR_API_VALUE_H
#define KNARR_API_VALUE_H

#include "lib/bytes.h"
#include "lib/error.h"

#define VALUE_DEPTH_MAX 64 /* as upstream's decoder bounds nesting */

struct value; /* a JSON value */

enum value_kind { VALUE_NULL, VALUE_BOOL, VALUE_INT, VALUE_REAL, VALUE_STRING, VALUE_ARRAY, VALUE_OBJECT };

/* Call once before threads start: draws the hash seed, and gives the nodes memory of their own (value_alloc.h). */
void value_init(void);

/* Strict JSON: duplicate keys, trailing bytes and more than VALUE_DEPTH_MAX levels are refused with ERROR_BAD_REQUEST.
 * Numbers beyond int64 become reals. */
struct value *value_parse(struct slice json, struct error *err);
/* Duplicate keys allowed (the last one wins); codec.h reports them as strict errors of its own. */
struct value *value_parse_lenient(struct slice json, struct error *err);
/* Compact JSON, members in order; numbers as short as they can be. */
void value_write(const struct value *v, struct buf *out);
/* The same for people, who do not read megabytes: about max bytes, cut between two characters. */
void value_write_start(const struct value *v, struct buf *out, size_t max);
void value_free(struct value *v);
struct value *value_copy(const struct value *v); /* deep */
/* Members in any order; numbers by what they are: 1.0 is 1. */
bool value_equal(const struct value *a, const struct value *b);
/* Levels of nesting: 1 for a scalar. */
size_t value_depth(const struct value *v);

static inline void value_cleanup(struct value **v)
{
    value_free(*v);
}
#define CLEANUP_VALUE CLEANUP(value_cleanup)

enum value_kind value_kind(const struct value *v); /* NULL pointer counts as VALUE_NULL */
bool value_is(const struct value *v, enum value_kind kind);

struct value *value_new_null(void);
struct value *value_new_bool(bool b);
struct value *value_new_int(int64_t i);
struct value *value_new_real(double d); /* null when it is not finite */
struct value *value_new_string(struct slice s);
struct value *value_new_str(const char *s);
struct value *value_new_array(void);
struct value *value_new_object(void);

/* Of another kind or NULL: false, 0, 0.0, SLICE_NONE. */
bool value_bool(const struct value *v);
int64_t value_int(const struct value *v);
double value_real(const struct value *v); /* of an int too */
struct slice value_string(const struct value *v);
/* The text with its NUL, or NULL when it is not a string. */
const char *value_str(const struct value *v);

/* Objects. */
size_t value_count(const struct value *v); /* of an array or an object; else 0 */
struct value *value_get(const struct value *object, const char *name);
struct value *value_get_slice(const struct value *object, struct slice name);
/* Walks names down: value_path(pod, "spec", "nodeName", NULL). NULL when something on the way is missing. */
struct value *value_path(const struct value *object, ...) __attribute__((sentinel));
/* Takes `v` over; replaces in place, or adds at the end. */
void value_set(struct value *object, const char *name, struct value *v);
void value_set_slice(struct value *object, struct slice name, struct value *v);
void value_set_str(struct value *object, const char *name, const char *s);
bool value_remove(struct value *object, const char *name);
/* Unlinks and gives it to the caller; NULL when absent. */
struct value *value_take(struct value *object, const char *name);
/* The object at `name`, made (empty) when absent or null. */
struct value *value_need_object(struct value *object, const char *name);
struct value *value_need_array(struct value *object, const char *name);

/* Members in order. The member's name is valid while the object is. Setting an existing name during it is allowed,
 * adding and removing are not (value_iter_remove removes the current one). */
struct value_iter {
    const struct value *object;
    void *state;   /* the member that comes next */
    void *current; /* the one that value_iter_next gave last */
};
struct value_iter value_iter_start(const struct value *object);
bool value_iter_next(struct value_iter *it, struct slice *ret_name, struct value **ret_value);
void value_iter_remove(struct value_iter *it);

/* Arrays. */
struct value *value_at(const struct value *array, size_t index);
void value_append(struct value *array, struct value *v);
void value_insert(struct value *array, size_t index, struct value *v);
void value_replace_at(struct value *array, size_t index, struct value *v);
void value_remove_at(struct value *array, size_t index);

#endif
