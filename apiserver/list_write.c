/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/list_write.h"

#include "api/codec.h"
#include "api/object.h"
#include "api/version.h"
#include "lib/encoding.h"

#define LIST_WRITE_END "]}"

struct list_write {
    const struct schema_kind *kind;
    const struct schema_kind *shown;
    enum media media;
    enum table_include include;
    int64_t now_ns;
    struct buf items;
    bool begun; /* there were items before these */
};

struct list_write *list_write_new(const struct request *req)
{
    struct list_write *out = mem_zalloc(sizeof(*out));

    out->kind = req->kind;
    out->shown = req->shown;
    out->media = req->media;
    out->include = req->include;
    out->now_ns = clock_wall_ns(req->server->clock);
    return out;
}

void list_write_free(struct list_write *out)
{
    buf_free(&out->items);
    free(out);
}

static void list_write_protobuf_item(struct list_write *out, struct slice stored, uint64_t revision)
{
    BUF_LOCAL(json);

    object_write(&json, stored, revision, false);
    struct value *object CLEANUP_VALUE = value_parse(buf_slice(&json), NULL);
    codec_write_protobuf_item(out->shown, object, &out->items);
}

void list_write_item(struct list_write *out, struct slice stored, uint64_t revision)
{
    BUF_LOCAL(scratch);
    const struct table_shown shown = {version_show(out->shown, stored, &scratch), revision, out->include};

    if (out->media == MEDIA_PROTOBUF) {
        list_write_protobuf_item(out, shown.document, revision);
        return;
    }
    if (out->begun)
        buf_append_byte(&out->items, ',');
    out->begun = true;
    if (out->media == MEDIA_TABLE)
        table_write_row_as(&out->items, out->kind, stored, &shown, out->now_ns);
    else if (out->media == MEDIA_PARTIAL)
        table_write_partial(&out->items, shown.document, revision);
    else
        object_write(&out->items, shown.document, revision, out->kind->custom);
}

struct slice list_write_items(const struct list_write *out)
{
    return buf_slice(&out->items);
}

void list_write_end(struct list_write *out)
{
    buf_append_str(&out->items, LIST_WRITE_END);
}

void list_write_forget(struct list_write *out)
{
    buf_reset(&out->items);
}

static void list_write_metadata(const struct list_write *out, struct buf *head, uint64_t revision, const char *token,
                                uint64_t remaining)
{
    buf_printf(head, "{\"resourceVersion\":\"%llu\"", (unsigned long long)revision);
    if (token ||
        (out->kind->custom && out->media == MEDIA_JSON)) { /* as upstream's lists of what it knows no type of */
        buf_append_str(head, ",\"continue\":");
        json_write_string(head, slice_str(token ? token : ""));
    }
    if (token && remaining)
        buf_printf(head, ",\"remainingItemCount\":%llu", (unsigned long long)remaining);
    buf_append_byte(head, '}');
}

void list_write_head(const struct list_write *out, struct buf *head, uint64_t revision, const char *token,
                     uint64_t remaining)
{
    char version[320];

    if (out->media == MEDIA_TABLE)
        buf_append_str(head, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\"");
    else if (out->media == MEDIA_PARTIAL)
        buf_append_str(head, "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\"");
    else
        buf_printf(head, "{\"kind\":\"%sList\",\"apiVersion\":\"%s\"", out->shown->kind,
                   schema_api_version(out->shown, version, sizeof(version)));
    buf_append_str(head, ",\"metadata\":");
    list_write_metadata(out, head, revision, token, remaining);
    if (out->media == MEDIA_TABLE) {
        buf_append_byte(head, ',');
        table_write_columns(head, out->kind);
    }
    buf_append_str(head, out->media == MEDIA_TABLE ? ",\"rows\":[" : ",\"items\":[");
}

static void list_write_protobuf_reply(struct list_write *out, struct request *req, struct slice metadata)
{
    struct value *head CLEANUP_VALUE = value_parse(metadata, NULL);
    BUF_LOCAL(body);
    struct slice piece;

    codec_write_protobuf_list(out->shown, head, buf_slice(&out->items), &body);
    piece = buf_slice(&body);
    reply_pieces(req, 200, REPLY_PROTOBUF, &piece, 1);
}

void list_write_reply(struct list_write *out, struct request *req, uint64_t revision, const char *token,
                      uint64_t remaining)
{
    BUF_LOCAL(head);

    if (out->media == MEDIA_PROTOBUF) {
        list_write_metadata(out, &head, revision, token, remaining);
        list_write_protobuf_reply(out, req, buf_slice(&head));
        return;
    }
    list_write_head(out, &head, revision, token, remaining);
    if (out->media == MEDIA_YAML) {
        buf_append_slice(&head, buf_slice(&out->items));
        buf_append_str(&head, LIST_WRITE_END);
        reply_json(req, 200, buf_slice(&head));
    } else {
        /* As upstream, whose list of metadata is made of what the other list has, and so of nothing. */
        bool null = out->media == MEDIA_PARTIAL && !out->items.len;
        struct slice pieces[] = {buf_slice(&head), buf_slice(&out->items), SLICE_LIT(LIST_WRITE_END)};

        if (null) {
            pieces[0].len--;
            pieces[2] = SLICE_LIT("null}");
        }

        reply_pieces(req, 200, "application/json", pieces, ARRAY_SIZE(pieces));
    }
}
