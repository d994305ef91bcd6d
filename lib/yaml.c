/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML to JSON on libyaml's events. Each document becomes a small tree first, because aliases repeat what stands before
 * and merge keys need the whole mapping; then the tree is written. Every repetition goes through the writer, which
 * counts depth and bytes: that bounds what aliases can blow up to, whatever their nesting.
 *
 * Plain scalars are read as go-yaml v2 reads them for sigs.k8s.io/yaml (YAML 1.1): y, yes, on and their
 * opposites are booleans, 0o17 and 017 are octal, 0x and 0b work, ".5" and "1e3" are floats, timestamps stay text.
 */
#include "lib/yaml.h"

#include <yaml.h>

#include "lib/encoding.h"
#include "lib/map.h"
#include "lib/pool.h"
#include "lib/yaml_internal.h"

#define ALIASES_MAX 10000 /* of one document */
#define MERGED_MAX                                                                                                     \
    100000 /* mappings and pairs looked at for merge keys of one document; merges of merges multiply                   \
            */

enum node_kind { NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING };

/* One value. Mappings hold their keys and values in turn. */
struct node {
    enum node_kind kind;
    bool plain;
    bool building; /* not closed yet: an alias to it would be a circle */
    struct slice tag;
    struct slice text;
    struct node **items;
    size_t count;
    size_t cap;
    size_t line;
};

struct reader {
    yaml_parser_t parser;
    struct pool *pool;  /* of the document */
    struct map anchors; /* name to node */
    size_t aliases;
    size_t merged; /* of MERGED_MAX */
    size_t start;  /* where in `out` the document begins */
    struct buf *out;
    struct error *err;
};

static int reader_fail(struct reader *r, size_t line, const char *what)
{
    return error_set(r->err, ERROR_BAD_REQUEST, "yaml: line %zu: %s", line + 1, what);
}

static int reader_next(struct reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event))
        return 0;
    return reader_fail(r, r->parser.problem_mark.line, r->parser.problem ? r->parser.problem : "cannot be parsed");
}

/* Events to nodes. */

static void node_free_items(void *arg)
{
    free(((struct node *)arg)->items);
}

static struct node *node_new(struct reader *r, enum node_kind kind, const yaml_event_t *event,
                             const yaml_char_t *anchor, const yaml_char_t *tag)
{
    struct node *node = pool_alloc(r->pool, sizeof(*node));

    node->kind = kind;
    node->line = event->start_mark.line;
    if (tag)
        node->tag = slice_str(pool_strdup(r->pool, (const char *)tag));
    if (kind != NODE_SCALAR) {
        node->building = true;
        pool_on_free(r->pool, node_free_items, node);
    }
    if (anchor)
        (void)map_put(&r->anchors, slice_str((const char *)anchor), node);
    return node;
}

static int read_node(struct reader *r, const yaml_event_t *event, unsigned depth, struct node **ret_node);

static int read_children(struct reader *r, struct node *node, yaml_event_type_t end, unsigned depth)
{
    for (;;) {
        yaml_event_t event;
        struct node *child = NULL;
        int ret = reader_next(r, &event);

        if (ret < 0)
            return ret;
        if (event.type == end) {
            yaml_event_delete(&event);
            node->building = false;
            return 0;
        }
        ret = read_node(r, &event, depth, &child);
        yaml_event_delete(&event);
        if (ret < 0)
            return ret;
        node->items = mem_grow(node->items, &node->cap, node->count + 1, sizeof(struct node *));
        node->items[node->count++] = child;
    }
}

static int read_alias(struct reader *r, const yaml_event_t *event, struct node **ret_node)
{
    struct node *node = map_get(&r->anchors, slice_str((const char *)event->data.alias.anchor));

    if (!node)
        return reader_fail(r, event->start_mark.line, "unknown anchor");
    if (node->building)
        return reader_fail(r, event->start_mark.line, "anchor contains itself");
    if (++r->aliases > ALIASES_MAX)
        return reader_fail(r, event->start_mark.line, "too many aliases");
    *ret_node = node;
    return 0;
}

static int read_node(struct reader *r, const yaml_event_t *event, unsigned depth, struct node **ret_node)
{
    struct node *node;

    if (depth >= YAML_DEPTH_MAX)
        return reader_fail(r, event->start_mark.line, "nested too deeply");
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return read_alias(r, event, ret_node);
    case YAML_SEQUENCE_START_EVENT:
        *ret_node = node =
            node_new(r, NODE_SEQUENCE, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
        return read_children(r, node, YAML_SEQUENCE_END_EVENT, depth + 1);
    case YAML_MAPPING_START_EVENT:
        *ret_node = node =
            node_new(r, NODE_MAPPING, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        return read_children(r, node, YAML_MAPPING_END_EVENT, depth + 1);
    case YAML_SCALAR_EVENT:
        *ret_node = node = node_new(r, NODE_SCALAR, event, event->data.scalar.anchor, event->data.scalar.tag);
        node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        node->text = slice_make(event->data.scalar.value, event->data.scalar.length);
        node->text.data = pool_slice_dup(r->pool, node->text);
        return 0;
    default:
        return reader_fail(r, event->start_mark.line, "unexpected event");
    }
}

/* Nodes to JSON. */

static int write_node(struct reader *r, const struct node *node, unsigned depth);

static bool node_tagged(const struct node *node, const char *name)
{
    return slice_starts(node->tag, SLICE_LIT("tag:yaml.org,2002:")) && slice_is(slice_from(node->tag, 18), name);
}

static int write_scalar(struct reader *r, const struct node *node)
{
    if (node_tagged(node, "binary")) {
        BUF_LOCAL(bytes);

        if (!base64_decode(&bytes, node->text))
            return reader_fail(r, node->line, "!!binary is not base64");
        json_write_string(r->out, buf_slice(&bytes));
    } else if (!node->plain || node_tagged(node, "str") || !yaml_write_plain(r->out, node->text)) {
        json_write_string(r->out, node->text);
    }
    return 0;
}

/* The text of a key: strings as they are, other scalars as their JSON. */
static int key_text(struct reader *r, const struct node *key, struct buf *out)
{
    if (key->kind != NODE_SCALAR)
        return reader_fail(r, key->line, "a key must be a scalar");
    if (!key->plain || node_tagged(key, "str") || !yaml_write_plain(out, key->text)) {
        buf_reset(out);
        buf_append_slice(out, key->text);
    }
    return 0;
}

static bool is_merge(const struct node *key)
{
    return key->kind == NODE_SCALAR && key->plain && slice_is(key->text, "<<");
}

/* Writes the pairs of `node` whose keys `seen` does not hold. `own`: the mapping's own pairs, where a key that comes
 * twice is an error; merged ones give way. */
static int write_pairs(struct reader *r, const struct node *node, struct map *seen, bool own, unsigned depth)
{
    for (size_t i = 0; i + 1 < node->count; i += 2) {
        BUF_LOCAL(key);
        int ret;

        if (is_merge(node->items[i]))
            continue;
        ret = key_text(r, node->items[i], &key);
        if (ret < 0)
            return ret;
        if (map_get(seen, buf_slice(&key))) {
            if (!own)
                continue;
            return error_set(r->err, ERROR_BAD_REQUEST, "yaml: line %zu: key \"%s\" already set in map",
                             node->items[i]->line + 1, buf_cstr(&key));
        }
        if (seen->count)
            buf_append_byte(r->out, ',');
        (void)map_put(seen, buf_slice(&key), r);
        json_write_string(r->out, buf_slice(&key));
        buf_append_byte(r->out, ':');
        ret = write_node(r, node->items[i + 1], depth + 1);
        if (ret < 0)
            return ret;
    }
    return 0;
}

static int write_merges(struct reader *r, const struct node *node, struct map *seen, unsigned depth);

static int write_merged(struct reader *r, const struct node *from, struct map *seen, unsigned depth)
{
    int ret;

    if (depth >= YAML_DEPTH_MAX)
        return reader_fail(r, from->line, "nested too deeply");
    if (from->kind != NODE_MAPPING)
        return reader_fail(r, from->line, "map merge requires map or sequence of maps as the value");
    r->merged += 1 + from->count / 2;
    if (r->merged > MERGED_MAX)
        return reader_fail(r, from->line, "too many merges");
    ret = write_pairs(r, from, seen, false, depth);
    return ret < 0 ? ret : write_merges(r, from, seen, depth + 1);
}

static int write_merges(struct reader *r, const struct node *node, struct map *seen, unsigned depth)
{
    int ret = 0;

    for (size_t i = 0; ret >= 0 && i + 1 < node->count; i += 2) {
        const struct node *from = node->items[i + 1];

        if (!is_merge(node->items[i]))
            continue;
        if (from->kind != NODE_SEQUENCE)
            ret = write_merged(r, from, seen, depth);
        for (size_t n = 0; from->kind == NODE_SEQUENCE && ret >= 0 && n < from->count; n++)
            ret = write_merged(r, from->items[n], seen, depth);
    }
    return ret;
}

static int write_mapping(struct reader *r, const struct node *node, unsigned depth)
{
    struct map seen = {0};
    int ret;

    buf_append_byte(r->out, '{');
    ret = write_pairs(r, node, &seen, true, depth);
    if (ret >= 0)
        ret = write_merges(r, node, &seen, depth);
    buf_append_byte(r->out, '}');
    map_clear(&seen, NULL);
    return ret;
}

static int write_node(struct reader *r, const struct node *node, unsigned depth)
{
    int ret = 0;

    if (depth >= YAML_DEPTH_MAX)
        return reader_fail(r, node->line, "nested too deeply");
    if (r->out->len - r->start > YAML_BYTES_MAX)
        return reader_fail(r, node->line, "document is too large when its aliases are expanded");
    if (node->kind == NODE_SCALAR)
        return write_scalar(r, node);
    if (node->kind == NODE_MAPPING)
        return write_mapping(r, node, depth);
    buf_append_byte(r->out, '[');
    for (size_t i = 0; ret >= 0 && i < node->count; i++) {
        if (i)
            buf_append_byte(r->out, ',');
        ret = write_node(r, node->items[i], depth + 1);
    }
    buf_append_byte(r->out, ']');
    return ret;
}

/* Documents. */

/* Reads the root after DOCUMENT-START, and the end of the document. An empty document leaves nothing in out. */
static int read_document(struct reader *r)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct node *root = NULL;
    yaml_event_t event;
    int ret;

    r->pool = pool;
    r->aliases = 0;
    r->merged = 0;
    r->start = r->out->len;
    ret = reader_next(r, &event);
    if (ret >= 0) {
        ret = read_node(r, &event, 0, &root);
        yaml_event_delete(&event);
    }
    if (ret >= 0) {
        ret = reader_next(r, &event); /* DOCUMENT-END */
        if (ret >= 0)
            yaml_event_delete(&event);
    }
    map_clear(&r->anchors, NULL);
    if (ret < 0 || !root || (root->kind == NODE_SCALAR && root->plain && !root->text.len))
        return ret;
    ret = write_node(r, root, 0);
    if (ret >= 0 && r->out->len - r->start > YAML_BYTES_MAX)
        ret = reader_fail(r, root->line, "document is too large when its aliases are expanded");
    return ret;
}

static int each_document(struct reader *r, int (*fn)(void *arg, struct slice json, struct error *err), void *arg)
{
    for (;;) {
        yaml_event_t event;
        yaml_event_type_t type;
        int ret = reader_next(r, &event);

        if (ret < 0)
            return ret;
        type = event.type;
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT)
            return 0;
        if (type != YAML_DOCUMENT_START_EVENT)
            continue;
        buf_reset(r->out);
        ret = read_document(r);
        if (ret >= 0 && r->out->len)
            ret = fn(arg, buf_slice(r->out), r->err);
        if (ret < 0)
            return ret;
    }
}

int yaml_each_document(struct slice text, int (*fn)(void *arg, struct slice json, struct error *err), void *arg,
                       struct error *err)
{
    struct reader r = {.err = err};
    BUF_LOCAL(out);
    int ret;

    if (!yaml_parser_initialize(&r.parser))
        mem_die(0);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.len ? text.data : ""), text.len);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    r.out = &out;
    ret = each_document(&r, fn, arg);
    yaml_parser_delete(&r.parser);
    return ret;
}

struct single {
    struct buf *out;
    size_t count;
};

static int single_take(void *arg, struct slice json, struct error *err)
{
    struct single *single = arg;

    if (single->count++)
        return error_set(err, ERROR_BAD_REQUEST, "yaml: more than one document");
    buf_append_slice(single->out, json);
    return 0;
}

int yaml_to_json(struct slice text, struct buf *out, struct error *err)
{
    BUF_LOCAL(json);
    struct single single = {&json, 0};
    int ret = yaml_each_document(text, single_take, &single, err);

    if (ret < 0)
        return ret;
    if (!single.count)
        return error_set(err, ERROR_BAD_REQUEST, "yaml: no document");
    buf_append_slice(out, buf_slice(&json));
    return 0;
}
