/* SPDX-License-Identifier: Apache-2.0 */
/* The cell functions that serve any kind, and the small text makers that the other table files use. */
#include "api/table_internal.h"

#include "lib/clock.h"

/* By hand: a row has several numbers, and printf costs more than finding them. */
void table_put_int(struct buf *out, int64_t number)
{
    char digits[24];
    size_t at = sizeof(digits);
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do
        digits[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (number < 0)
        digits[--at] = '-';
    buf_append(out, digits + at, sizeof(digits) - at);
}

void table_put_age(struct table_row *row, struct slice time, struct buf *out)
{
    char text[TIME_TEXT_MAX];
    int64_t at;
    if (!time_parse(table_raw(time), &at)) {
        buf_append_str(out, "<unknown>");
        return;
    }
    time_format_age(row->now_ns - at, text);
    buf_append_str(out, text);
}

/* @age [PATH[|none]]: how long ago a time was; the object's creation when nothing is said. "null" is JSON's. */
static void write_age(struct table_row *row, struct slice arg, struct buf *out)
{
    struct slice path, none = table_split_default(arg, &path);
    struct slice time = path.len ? table_first(row, path) : table_get(row, "metadata.creationTimestamp");
    if (!time.data && slice_is(none, "null")) {
        buf_append_slice(out, none);
        return;
    }
    buf_append_byte(out, '"');
    if (time.data || !none.data)
        table_put_age(row, time, out);
    else
        table_put_plain(out, none);
    buf_append_byte(out, '"');
}

static void write_container_members(struct table_row *row, struct slice arg, const char *member, struct buf *out)
{
    struct slice pod_spec = table_first(row, arg.len ? arg : SLICE_LIT(".spec.template.spec")), container;
    struct scan_cursor c = scan_open(scan_get(pod_spec, "containers"));
    size_t start = table_open(out);
    while (scan_element(&c, &container)) {
        table_separate(out, start, ",");
        table_put(out, scan_get(container, member));
    }
    table_close(out, start, "");
}

/* @containers, @images [PATH of a pod's spec]. */
static void write_containers(struct table_row *row, struct slice arg, struct buf *out)
{
    write_container_members(row, arg, "name", out);
}

static void write_images(struct table_row *row, struct slice arg, struct buf *out)
{
    write_container_members(row, arg, "image", out);
}

/* Labels are shown in the order of their keys; an object with more than these is cut. */
#define LABELS_SHOWN_MAX 64
struct label {
    struct slice key;
    struct slice value;
};

static int compare_labels(const void *a, const void *b)
{
    return slice_compare(((const struct label *)a)->key, ((const struct label *)b)->key);
}

void table_put_labels(struct slice labels, struct buf *out)
{
    struct label found[LABELS_SHOWN_MAX] = {{{NULL, 0}, {NULL, 0}}};
    size_t count = 0;
    struct scan_cursor c = scan_open(labels);
    while (count < LABELS_SHOWN_MAX && scan_member(&c, &found[count].key, &found[count].value))
        count++;
    qsort(found, count, sizeof(found[0]), compare_labels);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_append_byte(out, ',');
        buf_append_slice(out, found[i].key);
        buf_append_byte(out, '=');
        table_put(out, found[i].value);
    }
}

/* @labels PATH: an object of labels. */
static void write_labels(struct table_row *row, struct slice arg, struct buf *out)
{
    size_t start = table_open(out);
    table_put_labels(table_first(row, arg), out);
    table_close(out, start, "<none>");
}

static void put_values(struct slice values, struct buf *out)
{
    struct scan_cursor c = scan_open(values);
    struct slice value;
    buf_append_byte(out, '(');
    size_t start = out->len;
    while (scan_element(&c, &value)) {
        table_separate(out, start, ",");
        table_put(out, value);
    }
    buf_append_byte(out, ')');
}

static void put_expression(struct slice expression, struct buf *out)
{
    struct slice operation = scan_get(expression, "operator"), key = scan_get(expression, "key");
    if (scan_text_is(operation, "DoesNotExist"))
        buf_append_byte(out, '!');
    table_put(out, key);
    if (scan_text_is(operation, "In"))
        buf_append_str(out, " in ");
    else if (scan_text_is(operation, "NotIn"))
        buf_append_str(out, " notin ");
    else
        return;
    put_values(scan_get(expression, "values"), out);
}

/* @selector PATH: a LabelSelector. */
static void write_selector(struct table_row *row, struct slice arg, struct buf *out)
{
    struct slice selector = table_first(row, arg), expression;
    struct scan_cursor c = scan_open(scan_get(selector, "matchExpressions"));
    size_t start = table_open(out);
    table_put_labels(scan_get(selector, "matchLabels"), out);
    while (scan_element(&c, &expression)) {
        table_separate(out, start, ",");
        put_expression(expression, out);
    }
    table_close(out, start, "<none>");
}

/* @count PATH...: how many elements or members there are in all. */
static void write_count(struct table_row *row, struct slice arg, struct buf *out)
{
    struct slice path;
    int64_t count = 0;
    while (slice_split(&arg, ' ', &path))
        count += (int64_t)scan_count(table_first(row, path));
    table_put_int(out, count);
}

struct join {
    struct buf *out;
    size_t start;
};

static void put_joined(void *arg, struct slice v)
{
    struct join *join = arg;
    table_separate(join->out, join->start, ",");
    table_put(join->out, v);
}

/* @join PATH[|none]: all that is there, with commas. */
static void write_join(struct table_row *row, struct slice arg, struct buf *out)
{
    struct slice path, none = table_split_default(arg, &path);
    struct join join = {.out = out, .start = table_open(out)};
    table_each(row, path, put_joined, &join);
    if (out->len == join.start)
        table_put_plain(out, none.data ? none : SLICE_LIT("<none>"));
    buf_append_byte(out, '"');
}

/* @bool PATH: a boolean as text, as upstream shows optional ones. */
static void write_bool(struct table_row *row, struct slice arg, struct buf *out)
{
    struct slice v = table_first(row, arg);
    table_write_text(out, !v.data ? "<unset>" : scan_bool(v, false) ? "True" : "False");
}

const struct table_function table_generic_functions[] = {
    {"age", write_age},
    {"containers", write_containers},
    {"images", write_images},
    {"selector", write_selector},
    {"labels", write_labels},
    {"count", write_count},
    {"join", write_join},
    {"bool", write_bool},
    {NULL, NULL},
};
