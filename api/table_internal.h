/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that make table cells share: a row's view of the stored bytes, and the functions that a column may
 * name. Private to api/.
 *
 * A cell is written as JSON. Text is put together from the raw insides of JSON strings, which stay valid JSON side by
 * side, so that nothing is decoded and encoded again.
 */
#ifndef KNARR_API_TABLE_INTERNAL_H
#define KNARR_API_TABLE_INTERNAL_H

#include "api/scan.h"
#include "api/schema.h"

/* The members of one object, found in one pass and kept for the cells that follow. */
#define TABLE_LEVEL_MAX 40
struct table_level {
    struct slice keys[TABLE_LEVEL_MAX];
    struct slice values[TABLE_LEVEL_MAX];
    size_t count;
    bool read;
    bool overflow; /* more members than fit: look into the bytes */
};

/* What three of a pod's cells need, worked out once (table_pod.c). */
struct table_pod {
    bool read;
    int64_t total;
    int64_t ready;
    int64_t restarts;
    int64_t last_restart_ns; /* 0 = unknown */
    struct slice prefix;     /* the status is prefix + reason + number */
    struct slice reason;     /* raw text */
    struct slice infix;
    int64_t numbers[2];
    int number_count;
};

struct table_row {
    struct slice document;
    int64_t now_ns;
    struct table_level top;
    struct table_level metadata;
    struct table_level spec;
    struct table_level status;
    struct table_pod pod;
};

/* The value at a dotted path of plain names from the root ("status.phase"); data NULL when absent or null. */
struct slice table_get(struct table_row *row, const char *path);
/* Every value at a path of the cell language (table.h); `path` starts with its '.'. */
void table_each(struct table_row *row, struct slice path, void (*visit)(void *arg, struct slice v), void *arg);
/* The first of them; data NULL when there is none. */
struct slice table_first(struct table_row *row, struct slice path);

/* Writes one cell. `arg` is what stands behind the function's name in the column ("" = nothing). */
typedef void table_cell(struct table_row *row, struct slice arg, struct buf *out);
struct table_function {
    const char *name;
    table_cell *write;
};
extern const struct table_function table_generic_functions[];
extern const struct table_function table_pod_functions[];
extern const struct table_function table_core_functions[];
extern const struct table_function table_group_functions[];

/* Text cells: open, put, close. table_close puts `none` where nothing was put since table_open. */
static inline size_t table_open(struct buf *out)
{
    buf_append_byte(out, '"');
    return out->len;
}
static inline void table_close(struct buf *out, size_t start, const char *none)
{
    if (out->len == start)
        buf_append_str(out, none);
    buf_append_byte(out, '"');
}
/* The text between the quotes as it stands; data NULL or not a string: "". */
static inline struct slice table_raw(struct slice v)
{
    return scan_is_string(v) && v.len >= 2 ? slice_make(v.data + 1, v.len - 2) : SLICE_NONE;
}
static inline bool table_some(struct slice v)
{
    return table_raw(v).len > 0;
}
/* A value inside an open text: the inside of a string, a number as it is, anything else as escaped JSON. */
void table_put(struct buf *out, struct slice v);
void table_put_int(struct buf *out, int64_t number);
/* A comma (or other separator) unless nothing was put since `start`. */
static inline void table_separate(struct buf *out, size_t start, const char *separator)
{
    if (out->len != start)
        buf_append_str(out, separator);
}
/* Text that is not JSON yet, inside an open text. */
void table_put_plain(struct buf *out, struct slice text);
/* ".a.b|default" taken apart; data NULL when there is no default. Bars inside quotes are part of the path. */
struct slice table_split_default(struct slice text, struct slice *ret_path);
/* A whole cell. */
void table_write_text(struct buf *out, const char *text);
/* "4d", "<unknown>" for an absent or null time; without quotes. */
void table_put_age(struct table_row *row, struct slice time, struct buf *out);
/* "a=b,c=d" of an object of strings, sorted by key; without quotes. */
void table_put_labels(struct slice labels, struct buf *out);

/* The conditions of a row (`,"conditions":[...]`) of a finished pod; nothing for any other object. */
void table_pod_write_conditions(struct table_row *row, struct buf *out);

#endif
