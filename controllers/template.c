/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical form makes the hash independent of the order of members and of whether an empty list was written or
 * left out, so that a template keeps its hash over a round trip through any client.
 */
#include "controllers/template.h"

#include "lib/encoding.h"

#define TEMPLATE_MEMBERS_MAX 4096

struct template_member {
    struct slice key;
    struct slice value;
};

/* Where in the template a value is: only the way to metadata.labels matters. */
enum template_place { TEMPLATE_ROOT, TEMPLATE_METADATA, TEMPLATE_LABELS, TEMPLATE_ELSEWHERE };

static bool template_write(struct slice value, enum template_place place, unsigned depth, struct buf *out);

static int template_compare(const void *a, const void *b)
{
    return slice_compare(((const struct template_member *)a)->key, ((const struct template_member *)b)->key);
}

static enum template_place template_step(enum template_place place, struct slice key)
{
    if (place == TEMPLATE_ROOT && slice_is(key, "metadata"))
        return TEMPLATE_METADATA;
    if (place == TEMPLATE_METADATA && slice_is(key, "labels"))
        return TEMPLATE_LABELS;
    return TEMPLATE_ELSEWHERE;
}

static void template_write_object(struct slice value, enum template_place place, unsigned depth, struct buf *out)
{
    struct scan_cursor at = scan_open(value);
    struct template_member *members CLEANUP_FREE = NULL;
    struct template_member member;
    size_t count = 0;
    size_t cap = 0;

    while (count < TEMPLATE_MEMBERS_MAX && scan_member(&at, &member.key, &member.value)) {
        members = mem_grow(members, &cap, count + 1, sizeof(*members));
        members[count++] = member;
    }
    if (count)
        qsort(members, count, sizeof(*members), template_compare);
    buf_append_byte(out, '{');
    for (size_t i = 0; i < count; i++) {
        size_t before = out->len;

        if (place == TEMPLATE_LABELS && slice_is(members[i].key, TEMPLATE_HASH_LABEL))
            continue;
        if (out->data[out->len - 1] != '{')
            buf_append_byte(out, ',');
        buf_append_byte(out, '"');
        buf_append_slice(out, members[i].key);
        buf_append_str(out, "\":");
        if (!template_write(members[i].value, template_step(place, members[i].key), depth + 1, out))
            out->len = before;
    }
    buf_append_byte(out, '}');
}

static void template_write_list(struct slice value, unsigned depth, struct buf *out)
{
    struct scan_cursor at = scan_open(value);
    struct slice element;

    buf_append_byte(out, '[');
    while (scan_element(&at, &element)) {
        if (out->data[out->len - 1] != '[')
            buf_append_byte(out, ',');
        (void)template_write(element, TEMPLATE_ELSEWHERE, depth + 1, out);
    }
    buf_append_byte(out, ']');
}

/* False when the value says nothing (null, {} or []). What it wrote is the caller's to take back. */
static bool template_write(struct slice value, enum template_place place, unsigned depth, struct buf *out)
{
    size_t before = out->len;

    if (value.len && value.data[0] == '{' && depth < 64)
        template_write_object(value, place, depth, out);
    else if (value.len && value.data[0] == '[' && depth < 64)
        template_write_list(value, depth, out);
    else
        buf_append_slice(out, value);
    value = slice_from(buf_slice(out), before);
    return !slice_is(value, "null") && !slice_is(value, "{}") && !slice_is(value, "[]");
}

void template_canonical(struct slice template, struct buf *out)
{
    (void)template_write(template, TEMPLATE_ROOT, 0, out);
}

void template_hash(struct slice canonical, int64_t collisions, char ret_text[TEMPLATE_HASH_MAX])
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    unsigned char digest[SHA256_SIZE];
    BUF_LOCAL(text);

    buf_append_slice(&text, canonical);
    if (collisions)
        buf_printf(&text, "#%lld", (long long)collisions);
    sha256(buf_slice(&text), digest);
    for (size_t i = 0; i < TEMPLATE_HASH_MAX - 1; i++)
        ret_text[i] = alphabet[digest[i] % (sizeof(alphabet) - 1)];
    ret_text[TEMPLATE_HASH_MAX - 1] = '\0';
}
