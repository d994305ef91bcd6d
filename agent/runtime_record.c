/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this agent notes of a container and finds again after a restart: record.json beside its bundle. Where it lies:
 * runtime.h.
 */
#include "agent/runtime_internal.h"

#include <stddef.h>

#include "agent/fs.h"
#include "api/value.h"
#include "lib/encoding.h"
#include "lib/random.h"

#define RECORD_MAX 65536

/* The texts of a record; one table for reading, writing and freeing. */
struct text_field {
    const char *name;
    size_t offset;
};
#define FIELD(member)                                                                                                  \
    {                                                                                                                  \
#member, offsetof(struct runtime_container, member)                                                            \
    }

static const struct text_field text_fields[] = {
    FIELD(id),          FIELD(pod_uid),          FIELD(pod_namespace), FIELD(pod_name),  FIELD(name),   FIELD(image),
    FIELD(image_id),    FIELD(log_path),         FIELD(cgroup_path),   FIELD(hash),      FIELD(reason), FIELD(message),
    FIELD(stop_signal), FIELD(termination_path), FIELD(allocated),     FIELD(resources),
};

static char **field_at(const struct runtime_container *c, const struct text_field *f)
{
    return (char **)(void *)((char *)c + f->offset);
}

void runtime_container_free(struct runtime_container *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(text_fields); i++)
        free(*field_at(c, &text_fields[i]));
    free(c);
}

char *runtime_bundle_path(const struct runtime *rt, const char *id, const char *name)
{
    return mem_printf("%s/containers/%s%s%s", rt->run_dir, id, name ? "/" : "", name ? name : "");
}

char *runtime_home_path(const struct runtime *rt, const char *id, const char *name)
{
    return mem_printf("%s/containers/%s%s%s", rt->home, id, name ? "/" : "", name ? name : "");
}

int runtime_write_record(const struct runtime *rt, const struct runtime_container *c, struct error *err)
{
    char *path CLEANUP_FREE = runtime_bundle_path(rt, c->id, "record.json");
    struct value *v CLEANUP_VALUE = value_new_object();
    BUF_LOCAL(json);

    for (size_t i = 0; i < ARRAY_SIZE(text_fields); i++)
        if (*field_at(c, &text_fields[i]))
            value_set_str(v, text_fields[i].name, *field_at(c, &text_fields[i]));
    value_set(v, "attempt", value_new_int(c->attempt));
    value_set(v, "log_tells", value_new_bool(c->log_tells));
    value_set(v, "created_ns", value_new_int(c->created_ns));
    value_set(v, "started_ns", value_new_int(c->started_ns));
    /* Set only for a container that never ran: the exit of others stands in conmon's file. */
    value_set(v, "finished_ns", value_new_int(c->finished_ns));
    value_set(v, "exit_code", value_new_int(c->exit_code));
    value_write(v, &json);
    return fs_write(path, buf_slice(&json), 0600, err);
}

struct runtime_container *runtime_read_record(const struct runtime *rt, const char *id, struct error *err)
{
    char *path CLEANUP_FREE = runtime_bundle_path(rt, id, "record.json");
    struct value *v CLEANUP_VALUE = NULL;
    struct runtime_container *c;
    BUF_LOCAL(json);

    if (fs_read(path, RECORD_MAX, &json, err) < 0)
        return NULL;
    v = value_parse(buf_slice(&json), err);
    if (!v)
        return NULL;
    c = mem_zalloc(sizeof(*c));
    for (size_t i = 0; i < ARRAY_SIZE(text_fields); i++) {
        const char *text = value_str(value_get(v, text_fields[i].name));

        *field_at(c, &text_fields[i]) = mem_strdup(text ? text : "");
    }
    c->attempt = (unsigned)value_int(value_get(v, "attempt"));
    c->log_tells = value_bool(value_get(v, "log_tells"));
    c->created_ns = value_int(value_get(v, "created_ns"));
    c->started_ns = value_int(value_get(v, "started_ns"));
    c->finished_ns = value_int(value_get(v, "finished_ns"));
    c->exit_code = (int)value_int(value_get(v, "exit_code"));
    return c;
}

int runtime_prepare(const struct runtime *rt, struct runtime_container *c, struct error *err)
{
    static const char *const home_parts[] = {"upper", "work", "root"};
    char *exits CLEANUP_FREE = NULL;
    unsigned char bytes[32];
    BUF_LOCAL(id);

    random_bytes(bytes, sizeof(bytes));
    hex_encode(&id, slice_make(bytes, sizeof(bytes)));
    free(c->id);
    c->id = buf_steal_str(&id);
    for (size_t i = 0; i < ARRAY_SIZE(home_parts); i++) {
        char *path CLEANUP_FREE = runtime_home_path(rt, c->id, home_parts[i]);

        if (fs_make_dirs(path, 0755, err) < 0)
            return -1;
    }
    exits = runtime_bundle_path(rt, c->id, "exit");
    return fs_make_dirs(exits, 0700, err) < 0 ? -1 : runtime_write_record(rt, c, err);
}

int runtime_note(const struct runtime *rt, const char *id, const char *allocated, const char *resources,
                 struct error *err)
{
    struct runtime_container *c = runtime_read_record(rt, id, err);
    int r;

    if (!c)
        return -1;
    if (allocated) {
        free(c->allocated);
        c->allocated = mem_strdup(allocated);
    }
    if (resources) {
        free(c->resources);
        c->resources = mem_strdup(resources);
    }
    r = runtime_write_record(rt, c, err);
    runtime_container_free(c);
    return r;
}
