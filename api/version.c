/* SPDX-License-Identifier: Apache-2.0 */
#include "api/version_internal.h"

#include "api/codec.h"
#include "api/object.h"
#include "api/structural.h"
#include "lib/error.h"

/* What rows cannot say; after the moves to the stored form, before those from it. */
static const struct {
    const char *group;
    const char *version;
    const char *kind;
    void (*to_stored)(struct value *object);
    void (*from_stored)(struct value *object);
} conversions[] = {
    {"autoscaling", "v1", "HorizontalPodAutoscaler", version_autoscaler_to_stored, version_autoscaler_from_stored},
};

static ptrdiff_t find_conversion(const struct schema_kind *kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(conversions); i++)
        if (!strcmp(conversions[i].kind, kind->kind) && !strcmp(conversions[i].version, kind->version) &&
            !strcmp(conversions[i].group, kind->group))
            return (ptrdiff_t)i;
    return -1;
}

static void set_type(struct value *object, const struct schema_kind *kind)
{
    char version[128];

    value_set_str(object, "kind", kind->kind);
    value_set_str(object, "apiVersion", schema_api_version(kind, version, sizeof(version)));
}

static void move(struct value *object, const char *from, const char *to)
{
    struct value *v = value_take(object, from);

    if (v)
        value_set(object, to, v);
}

int version_to_stored(const struct schema_kind *kind, struct value *object, bool whole, struct error *err)
{
    ptrdiff_t conversion = find_conversion(kind);

    if (!kind->stored)
        return 0;
    for (size_t i = 0; i < kind->move_count; i++)
        move(object, kind->moves[i].own, kind->moves[i].stored);
    if (conversion >= 0)
        conversions[conversion].to_stored(object);
    set_type(object, kind->stored);
    return whole ? codec_normalise(kind->stored, object, CODEC_IGNORE, NULL, err) : 0;
}

void version_from_stored(const struct schema_kind *kind, struct value *object)
{
    ptrdiff_t conversion = find_conversion(kind);

    if (!kind->stored)
        return;
    if (conversion >= 0)
        conversions[conversion].from_stored(object);
    for (size_t i = 0; i < kind->move_count; i++)
        move(object, kind->moves[i].stored, kind->moves[i].own);
    set_type(object, kind);
    (void)codec_normalise(kind, object, CODEC_IGNORE, NULL, NULL);
}

void version_read(const struct schema_kind *kind, struct value *object)
{
    if (!kind->type->read_by)
        return;
    structural_prune(kind->type->read_by, object, NULL);
    structural_default(kind->type->read_by, object);
}

struct slice version_show(const struct schema_kind *kind, struct slice stored, struct buf *scratch)
{
    bool changes = kind->stored || kind->type->read_by;
    struct value *object CLEANUP_VALUE = changes ? value_parse(stored, NULL) : NULL;

    if (!object) /* also of bytes that nobody can read: they are shown as they are */
        return object_as(kind, stored, scratch);
    version_read(kind, object);
    buf_reset(scratch);
    if (kind->stored) {
        version_from_stored(kind, object);
        codec_write(kind->type, object, scratch);
    } else {
        set_type(object, kind);
        value_write(object, scratch);
    }
    return buf_slice(scratch);
}

struct slice version_field(const struct schema_kind *kind, struct slice field, struct buf *scratch)
{
    struct slice rest = field;
    struct slice first = SLICE_NONE;

    if (!kind->move_count || !slice_split(&rest, '.', &first))
        return field;
    for (size_t i = 0; i < kind->move_count; i++)
        if (slice_is(first, kind->moves[i].own)) {
            buf_reset(scratch);
            buf_append_str(scratch, kind->moves[i].stored);
            buf_append(scratch, field.data + first.len, field.len - first.len);
            return buf_slice(scratch);
        }
    return field;
}
