/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answers that are more than one object, as protobuf: lists, Statuses, and the events of a watch. Every list of
 * upstream's has its metadata as field 1 and its items as field 2; an event of a watch has no envelope, the object in
 * it has one, and before the event stands its length.
 */
#include "api/codec_internal.h"
#include "api/codec_protobuf.h"

enum list_field { LIST_METADATA = 1, LIST_ITEMS = 2 };
enum watch_event_field { WATCH_EVENT_TYPE = 1, WATCH_EVENT_OBJECT = 2 };

/* A type that all groups share; compiled in, so it is there. */
static const struct schema_type *shared_type(const char *name)
{
    size_t count;
    const struct schema_type *types = schema_types(&count);
    char *wanted CLEANUP_FREE = mem_printf("io.k8s.apimachinery.pkg.apis.meta.v1.%s", name);

    for (size_t i = 0; i < count; i++)
        if (!strcmp(types[i].openapi_name, wanted))
            return &types[i];
    return NULL;
}

void codec_write_protobuf_item(const struct schema_kind *kind, const struct value *object, struct buf *items)
{
    BUF_LOCAL(message);

    codec_write_message(kind->type, object, &message);
    protobuf_write_bytes(items, LIST_ITEMS, buf_slice(&message));
}

void codec_write_protobuf_list(const struct schema_kind *kind, const struct value *metadata, struct slice items,
                               struct buf *out)
{
    char version[128];
    char *name CLEANUP_FREE = mem_printf("%sList", kind->kind);
    BUF_LOCAL(head);
    BUF_LOCAL(raw);

    codec_write_message(shared_type("ListMeta"), metadata, &head);
    protobuf_write_bytes(&raw, LIST_METADATA, buf_slice(&head));
    buf_append_slice(&raw, items);
    codec_write_envelope(schema_api_version(kind, version, sizeof version), name, buf_slice(&raw), out);
}

void codec_write_protobuf_status(const struct value *status, struct buf *out)
{
    BUF_LOCAL(raw);

    codec_write_message(shared_type("Status"), status, &raw);
    codec_write_envelope("v1", "Status", buf_slice(&raw), out);
}

void codec_write_protobuf_event(const char *type, struct slice object, struct buf *out)
{
    BUF_LOCAL(holder);
    BUF_LOCAL(event);

    protobuf_write_bytes(&holder, WRAPPED_FIELD, object);
    protobuf_write_bytes(&event, WATCH_EVENT_TYPE, slice_str(type));
    protobuf_write_bytes(&event, WATCH_EVENT_OBJECT, buf_slice(&holder));
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_append_byte(out, (unsigned char)(event.len >> shift));
    buf_append_slice(out, buf_slice(&event));
}
