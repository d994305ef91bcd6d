/* SPDX-License-Identifier: Apache-2.0 */
/* On libyaml's events, because they know their lines. */
#include "lib/config_file.h"

#include <yaml.h>

#include "lib/map.h"

struct config_reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; empty before the first */
    struct map keys;    /* seen so far */
    struct buf texts;   /* of the current entry: key and values, each with its NUL */
    size_t offsets[CONFIG_FILE_VALUES_MAX + 1];
    struct error *err;
};

static int config_fail(struct config_reader *r, size_t line, const char *what)
{
    return error_set(r->err, ERROR_BAD_REQUEST, "line %zu: %s", line + 1, what);
}

static int config_next(struct config_reader *r)
{
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event))
        return 0;
    return config_fail(r, r->parser.problem_mark.line, r->parser.problem ? r->parser.problem : "cannot be parsed");
}

static int config_take_scalar(struct config_reader *r, size_t index)
{
    const char *text = (const char *)r->event.data.scalar.value;
    size_t len = r->event.data.scalar.length;

    if (r->event.type != YAML_SCALAR_EVENT)
        return config_fail(r, r->event.start_mark.line, "a plain value is wanted here");
    if (memchr(text, 0, len))
        return config_fail(r, r->event.start_mark.line, "a value holds a NUL");
    r->offsets[index] = r->texts.len;
    buf_append(&r->texts, text, len);
    buf_append_byte(&r->texts, '\0');
    return 0;
}

static int config_take_values(struct config_reader *r, size_t *ret_count, bool *ret_list)
{
    size_t count = 0;

    *ret_count = 1;
    *ret_list = r->event.type == YAML_SEQUENCE_START_EVENT;
    if (!*ret_list)
        return config_take_scalar(r, 1);
    for (;;) {
        if (config_next(r) < 0)
            return -1;
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        if (count == CONFIG_FILE_VALUES_MAX)
            return config_fail(r, r->event.start_mark.line, "too many values");
        if (config_take_scalar(r, ++count) < 0)
            return -1;
    }
    *ret_count = count;
    return 0;
}

/* The current event is the key. */
static int config_take_entry(struct config_reader *r,
                             int (*fn)(void *arg, const struct config_entry *entry, struct error *err), void *arg)
{
    const char *values[CONFIG_FILE_VALUES_MAX];
    struct config_entry entry = {.line = r->event.start_mark.line + 1, .values = values};

    buf_reset(&r->texts);
    if (config_take_scalar(r, 0) < 0)
        return -1;
    if (map_put(&r->keys, slice_str(r->texts.data), r))
        return config_fail(r, entry.line - 1, "this key was given before");
    if (config_next(r) < 0 || config_take_values(r, &entry.count, &entry.list) < 0)
        return -1;
    entry.key = r->texts.data;
    for (size_t i = 0; i < entry.count; i++)
        values[i] = r->texts.data + r->offsets[i + 1];
    return fn(arg, &entry, r->err);
}

static int config_read(struct config_reader *r,
                       int (*fn)(void *arg, const struct config_entry *entry, struct error *err), void *arg)
{
    int ret = 0;

    /* Stream and document begin; an empty file has no document. */
    do {
        if (config_next(r) < 0)
            return -1;
    } while (r->event.type == YAML_STREAM_START_EVENT || r->event.type == YAML_DOCUMENT_START_EVENT);
    if (r->event.type == YAML_STREAM_END_EVENT || (r->event.type == YAML_SCALAR_EVENT && !r->event.data.scalar.length))
        return 0;
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return config_fail(r, r->event.start_mark.line, "'key: value' is wanted");
    while (ret == 0) {
        if (config_next(r) < 0)
            return -1;
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        ret = config_take_entry(r, fn, arg);
    }
    if (ret < 0 || config_next(r) < 0 || config_next(r) < 0)
        return -1;
    return r->event.type == YAML_STREAM_END_EVENT
               ? 0
               : config_fail(r, r->event.start_mark.line, "a second document is not read");
}

int config_file_each(struct slice text, int (*fn)(void *arg, const struct config_entry *entry, struct error *err),
                     void *arg, struct error *err)
{
    struct config_reader r = {.err = err};
    int ret;

    if (text.len > CONFIG_FILE_BYTES_MAX)
        return error_set(err, ERROR_TOO_LARGE, "it is larger than %u bytes", CONFIG_FILE_BYTES_MAX);
    if (!yaml_parser_initialize(&r.parser))
        mem_die(sizeof(r.parser));
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.data, text.len);
    ret = config_read(&r, fn, arg);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    map_clear(&r.keys, NULL);
    buf_free(&r.texts);
    return ret < 0 ? -(int)ERROR_BAD_REQUEST : 0;
}
