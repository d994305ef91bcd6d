/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One API request on its way through the front. It lives in the HTTP request's pool: what it points to lives as long as
 * it does. After a reply_* function nothing of it may be touched.
 */
#ifndef KNARR_APISERVER_REQUEST_H
#define KNARR_APISERVER_REQUEST_H

#include "api/codec.h"
#include "api/schema.h"
#include "api/status.h"
#include "api/table.h"
#include "api/value.h"
#include "apiserver/request_path.h"
#include "apiserver/server_internal.h"
#include "lib/http.h"

struct custom_kind;
struct metric_series;
struct strategy;

/* What else is known of a user; a key with several values stands in neighbouring rows. */
struct user_extra {
    const char *key;
    const char *value;
};

struct user {
    const char *name;
    const char *uid;
    const char *const *groups;
    size_t group_count;
    const struct user_extra *extra;
    size_t extra_count;
};

/* In which form the answer goes out. */
enum media { MEDIA_JSON, MEDIA_TABLE, MEDIA_PARTIAL, MEDIA_YAML, MEDIA_PROTOBUF };

#define REQUEST_WARNINGS_MAX 32

struct request {
    struct http_request *http;
    struct front *front;
    struct apiserver *server;
    struct pool *pool; /* the HTTP request's */
    struct request_info info;
    struct user user;
    const char *impersonator;                   /* who asks in `user`'s place; NULL = nobody does */
    const struct schema_kind *kind;             /* of the resource in the path, in the version that is stored */
    const struct schema_kind *shown;            /* the same in the version of the path: of bodies and answers */
    const struct schema_subresource *sub;       /* NULL = none */
    const struct strategy *strategy;            /* never NULL once routed */
    const struct status_details *error_details; /* overrides what reply_error derives; NULL = derive */
    enum media media;
    enum table_include include;
    struct custom_kind *custom; /* whose kind that is, where a user has defined it; let go after all else */
    bool dry_run;
    enum codec_strictness strictness;
    const char *object_name; /* known after decoding a create; NULL = info.name */
    const char *warnings[REQUEST_WARNINGS_MAX];
    size_t warning_count;
    int *in_flight;                    /* the counter this request holds; NULL = none */
    struct metric_series *long_series; /* where it counts among those that stay; NULL = it does not */
};

/* What a resource error speaks of: the name in the path, or that of the object being created. */
static inline const char *request_name(const struct request *req)
{
    return req->object_name ? req->object_name : req->info.name;
}

/* A decoded query parameter, or NULL. */
const char *request_query(const struct request *req, const char *name);
bool request_query_bool(const struct request *req, const char *name);
void request_warn(struct request *req, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* One warning for the kind, and one for each field of the body, that the schema marks as not acted on. */
void request_warn_inert(struct request *req, const struct schema_kind *kind, const struct value *body);
void request_warn_findings(struct request *req, const struct codec_findings *findings);
bool user_in_group(const struct user *user, const char *group);
/* {"key": ["value", ...]}, or NULL when there is none. */
struct value *user_extra_value(const struct user *user);
/* RFC 3339 seconds of now, in the pool. */
const char *request_now(const struct request *req);
/* Frees the tree when the request goes. */
struct value *request_own_value(struct request *req, struct value *v);

/* ---- negotiation --------------------------------------------------------------------------------------------------
 */

/* Sets media from Accept. ERROR_NOT_ACCEPTABLE. stream: a watch, which has no YAML. */
int negotiate_media(struct request *req, bool stream, struct error *err);
/* For what has no Table and no metadata of its own to show: such a wish gets JSON. */
void negotiate_plain(struct request *req);
/* The version of aggregated discovery that is asked for: "v2", "v2beta1", or NULL for the legacy form. */
const char *negotiate_discovery(const struct request *req);
/* Whether Accept takes this type or has a wildcard. */
bool negotiate_accepts(const struct request *req, const char *type);

/* ---- answers (reply.c) --------------------------------------------------------------------------------------------
 */

void reply_error(struct request *req, const struct error *err);
void reply_error_text(struct request *req, enum error_code code, const char *text);
/* Up to three pieces, joined; compressed when large and the client takes gzip. */
void reply_pieces(struct request *req, int status, const char *content_type, const struct slice *pieces, size_t count);
void reply_json(struct request *req, int status, struct slice json);
void reply_value(struct request *req, int status, const struct schema_type *type, const struct value *v);
/* One stored object in the negotiated form. revision 0 = not stored (dry run). */
void reply_object(struct request *req, int status, struct slice stored, uint64_t revision);
/* One object as a Table of its kind; `stored` without resourceVersion, revision 0 = it has none. */
void reply_table(struct request *req, int status, const struct schema_kind *kind, struct slice stored,
                 uint64_t revision);
/* An object or Status of JSON as protobuf, in its envelope; false, and nothing, where it has no such form. */
bool reply_encode_protobuf(struct slice json, struct buf *out);
#define REPLY_PROTOBUF        "application/vnd.kubernetes.protobuf"
#define REPLY_PROTOBUF_STREAM REPLY_PROTOBUF ";stream=watch"
/* Status Success of a deletion. */
void reply_deleted(struct request *req, const char *name, const char *uid);
/* Headers that every answer carries (warnings ...), into an array of at least REPLY_HEADERS_MAX. */
#define REPLY_HEADERS_MAX (REQUEST_WARNINGS_MAX + 6)
size_t reply_headers(struct request *req, struct http_header *headers);

/* ---- verbs --------------------------------------------------------------------------------------------------------
 */

typedef void request_handler(struct request *req);

request_handler verb_create, verb_get, verb_history, verb_list, verb_watch, verb_update, verb_patch, verb_delete,
    verb_delete_collection;

/* Reads dryRun, fieldValidation, fieldManager of a write; `options` is the kind named in errors ("CreateOptions"). */
int request_write_options(struct request *req, const char *options, struct error *err);
/* An ERROR_INVALID of one field: message and cause. The details say `kind` of group meta.k8s.io. */
int request_invalid_option(struct request *req, const char *kind, const char *reason, const char *field,
                           struct error *err, const char *fmt, ...) PRINTF_LIKE(6, 7);
/* Decodes the body as `kind` (req->kind: as what is shown, brought into the stored form); unknown fields become
 * warnings or an error as the request wants it. */
struct value *request_decode_body(struct request *req, const struct schema_kind *kind, struct error *err);
/* The same for another attempt, when the first has used its tree up: nothing is said of it twice. */
struct value *request_decode_again(struct request *req, const struct schema_kind *kind, struct error *err);

#endif
