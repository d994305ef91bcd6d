/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schema: what objects ARE, as data. Every built-in kind is rows in api/schema/ (compiled to constant tables by
 * api/schema/compile.py); a CustomResourceDefinition makes the same structures at run time. Decoding, strict
 * validation, defaulting, patches, tables, discovery, OpenAPI and protobuf are generic code over these tables: there is
 * no per-kind code for any of it.
 */
#ifndef KNARR_API_SCHEMA_H
#define KNARR_API_SCHEMA_H

#include "lib/bytes.h"

enum schema_base {
    SCHEMA_STRING,
    SCHEMA_BOOL,
    SCHEMA_INT32,
    SCHEMA_INT64,
    SCHEMA_DOUBLE,
    SCHEMA_BYTES,         /* base64 in JSON */
    SCHEMA_QUANTITY,      /* "100m"; protobuf message {string=1} */
    SCHEMA_INT_OR_STRING, /* protobuf message {type=1,int=2,string=3} */
    SCHEMA_TIME,          /* RFC 3339 seconds; protobuf {seconds=1,nanos=2} */
    SCHEMA_MICRO_TIME,    /* six digits */
    SCHEMA_ANY,           /* any JSON (RawExtension, JSON); protobuf {raw=1} */
    SCHEMA_FIELDS_V1,     /* managedFields' sets; protobuf {raw=1} */
    SCHEMA_STRINGS,       /* a bare array of strings in JSON (ExtraValue); protobuf message {repeated items=1} */
    SCHEMA_EITHER,        /* one of the fields of `type`, without its name: JSONSchemaPropsOrBool */
    SCHEMA_OBJECT,        /* `type` says which */
};

enum schema_shape { SCHEMA_ONE, SCHEMA_LIST, SCHEMA_MAP /* keys are strings */ };

enum schema_field_flag {
    SCHEMA_POINTER = 1 << 0,      /* upstream's field is a pointer: a zero in protobuf counts */
    SCHEMA_REQUIRED = 1 << 1,     /* must be there after defaulting */
    SCHEMA_INLINE = 1 << 2,       /* nested in protobuf, but its members belong to the parent in JSON (volumeSource) */
    SCHEMA_IMMUTABLE = 1 << 3,    /* may not change once set */
    SCHEMA_LIST_MAP = 1 << 4,     /* x-kubernetes-list-type: map, keyed by map_keys */
    SCHEMA_LIST_SET = 1 << 5,     /* x-kubernetes-list-type: set */
    SCHEMA_ATOMIC = 1 << 6,       /* list, map or struct replaced as a whole by apply */
    SCHEMA_PATCH_MERGE = 1 << 7,  /* strategic merge: lists are merged by merge_key (primitives: as a set) */
    SCHEMA_PATCH_RETAIN = 1 << 8, /* strategic merge: retainKeys */
    SCHEMA_EMIT_EMPTY = 1 << 9,   /* upstream's JSON has no omitempty: written even when zero (status: {}, null time) */
    SCHEMA_NOT_ENFORCED = 1 << 10,  /* stored, but nothing in Knarr acts on it yet: answered with a Warning */
    SCHEMA_GRANULAR = 1 << 11,      /* apply merges it, although its type is atomic */
    SCHEMA_PATCH_REPLACE = 1 << 12, /* strategic merge: an object is replaced as a whole */
    SCHEMA_EXPECTED = 1 << 13,      /* OpenAPI says that it must be there (a status, mostly), but nobody insists */
    SCHEMA_JSON = 1 << 14           /* SCHEMA_ANY: OpenAPI calls it JSON, else RawExtension */
};

struct schema_type;
struct structural;

struct schema_field {
    const char *name;               /* in JSON */
    const char *description;        /* one line; "" where we have none */
    const struct schema_type *type; /* SCHEMA_OBJECT and SCHEMA_EITHER only */
    const char *default_json;       /* NULL = none; applied where the field is absent in an existing parent */
    const char *const *enum_values; /* NULL-terminated, or NULL */
    const char *const *map_keys;    /* SCHEMA_LIST_MAP: NULL-terminated */
    const char *merge_key;          /* SCHEMA_PATCH_MERGE of objects */
    const char *format;             /* OpenAPI's, or a validator's name of api/validate.h ("dns1123-label"), or NULL */
    int64_t minimum;                /* meaningful with has_minimum */
    int64_t maximum;
    uint32_t flags;  /* enum schema_field_flag */
    uint16_t number; /* protobuf; 0 = none */
    uint8_t base;    /* enum schema_base */
    uint8_t shape;   /* enum schema_shape */
    uint8_t has_minimum;
    uint8_t has_maximum;
};

struct schema_type {
    const char *name;         /* "PodSpec" */
    const char *openapi_name; /* "io.k8s.api.core.v1.PodSpec" */
    const char *description;
    const struct schema_field *fields; /* in the order of protobuf numbers; a kind's apiVersion and kind come first
                                          and have none */
    size_t field_count;
    const uint16_t *by_name; /* indexes into fields, sorted by name; an INLINE field stands under its own name and is
                                not found; its members are found through schema_find_field */
    bool atomic;             /* every place that holds one is SCHEMA_ATOMIC, or SCHEMA_GRANULAR */
    bool preserve_unknown;   /* keep what is not described */
    bool custom;             /* users named it: no table of ours that names types means it */
    /* Of a custom resource's object: what it has besides the fields (api/structural.h); else NULL. */
    const struct structural *structural;
    /* By which its stored objects are read: the schema of the version that they are stored in. NULL = as they are. */
    const struct structural *read_by;
    const char *openapi; /* its OpenAPI schema as text, where it is no rows; else NULL */
};

enum schema_column_type {
    SCHEMA_COLUMN_STRING,
    SCHEMA_COLUMN_INTEGER,
    SCHEMA_COLUMN_BOOLEAN,
    SCHEMA_COLUMN_DATE,
    SCHEMA_COLUMN_NUMBER
};

/* One printer column. What a cell shows is either a template over paths ("{.status.readyReplicas|0}/{.spec.replicas}")
 * or a named function of api/table.c ("pod-status"), written with a leading '@'. */
struct schema_column {
    const char *name; /* "Ready" */
    const char *cell; /* template, or "@function" */
    const char *description;
    const char *format; /* "name" for the first one, else "" */
    uint8_t type;       /* enum schema_column_type */
    uint8_t priority;   /* 1 = only in wide output */
};

enum schema_verb {
    SCHEMA_VERB_CREATE = 1 << 0,
    SCHEMA_VERB_DELETE = 1 << 1,
    SCHEMA_VERB_DELETECOLLECTION = 1 << 2,
    SCHEMA_VERB_GET = 1 << 3,
    SCHEMA_VERB_LIST = 1 << 4,
    SCHEMA_VERB_PATCH = 1 << 5,
    SCHEMA_VERB_UPDATE = 1 << 6,
    SCHEMA_VERB_WATCH = 1 << 7,
};
#define SCHEMA_VERBS_ALL 0xffu

/* "pods/log": how it is served is the API server's business (apiserver/subresource.c); discovery shows this. */
struct schema_subresource {
    const char *name;  /* "status", "scale", "binding", "log", "approval", "token", "eviction" */
    const char *group; /* of the kind it exchanges; NULL = the parent's group and version */
    const char *version;
    const char *kind;   /* "Scale"; NULL = the parent's */
    const char *writes; /* the fields that it may change (api/places.h); NULL = as its name says */
    uint8_t verbs;
};

struct schema_scale_paths {
    const char *spec_replicas; /* ".spec.replicas" */
    const char *status_replicas;
    const char *selector; /* ".status.selector" (text) or ".spec.selector" (LabelSelector), NULL = none */
};

/* How long what an object was is kept; the API server maps it to the store's classes. */
enum schema_history {
    SCHEMA_HISTORY_FULL,
    SCHEMA_HISTORY_WINDOW, /* for watches and pages that are under way */
    SCHEMA_HISTORY_NONE,   /* likewise, and a write may wait a little for others */
};

/* A field of the whole object that has another name in the version in which the object is stored. */
struct schema_move {
    const char *own;
    const char *stored;
};

struct schema_kind {
    const char *group; /* "" = core */
    const char *version;
    const char *kind;
    const char *plural; /* "" = no resource of its own: Status, Scale ... */
    const char *singular;
    const char *const *short_names; /* NULL-terminated, may be empty */
    const char *const *categories;
    const struct schema_type *type;
    const struct schema_column *columns;
    size_t column_count;
    const char *const *selectable; /* field selector paths besides metadata.name/namespace: "spec.nodeName" */
    const struct schema_subresource *subresources;
    size_t subresource_count;
    const struct schema_scale_paths *scale; /* NULL = none */
    const char *stored_version; /* custom resources of several versions: that of the stored objects; NULL = its own */
    const struct schema_kind *stored; /* built in: the kind in whose form it is stored; NULL = its own (version.h) */
    const struct schema_move *moves;  /* between the two */
    size_t move_count;
    const char *inert;      /* nothing acts on it yet: the Warning's sentence; NULL = all is well */
    const char *deprecated; /* what a Warning says to who asks anything of it; NULL = nothing */
    const char *also;       /* an older version of the same form that a body may name; NULL = none */
    uint8_t verbs;          /* enum schema_verb */
    bool namespaced;
    bool custom;       /* a CustomResourceDefinition made it (api/custom.h) */
    bool has_status;   /* the status subresource splits writes */
    bool generation;   /* metadata.generation counts changes of the spec */
    bool virtual_kind; /* never stored: reviews, Scale, Binding, Eviction, Status, DeleteOptions */
    bool no_metadata;  /* not an object of its own (Status, DeleteOptions ...) */
    uint32_t hash;     /* of everything above: the store's header carries it */
    enum schema_history history;
    bool returned; /* a deletion answers with the object, not with a Status */
    bool observed; /* objects say what was seen or asked, not what somebody wants: they are not rewound */
};

/* The kind in whose form the objects of this one are stored: mostly itself. */
static inline const struct schema_kind *schema_stored(const struct schema_kind *kind)
{
    return kind->stored ? kind->stored : kind;
}
/* Whether there are objects in the store in this form. */
static inline bool schema_is_stored(const struct schema_kind *kind)
{
    return !kind->virtual_kind && !kind->stored;
}

/* All built-in kinds, ordered by group (core first, then as upstream lists them), then plural. */
const struct schema_kind *const *schema_kinds(size_t *ret_count);
/* All types of the built-in kinds, an array. */
const struct schema_type *schema_types(size_t *ret_count);
/* NULL when there is none. `group` "" = core. */
const struct schema_kind *schema_find_kind(struct slice group, struct slice version, struct slice kind);
const struct schema_kind *schema_find_resource(struct slice group, struct slice version, struct slice plural);
/* "v1" or "apps/v1" taken apart. */
void schema_split_api_version(struct slice api_version, struct slice *ret_group, struct slice *ret_version);
/* "apps/v1" of a kind, into the buffer. */
const char *schema_api_version(const struct schema_kind *kind, char *buffer, size_t size);
/* "rbac.v1.Subject": the end of the OpenAPI name, for names that several groups have; "" of a type that users named. */
const char *schema_long_name(const struct schema_type *type);
/* The field of that JSON name, looking through INLINE members; NULL when there is none. */
const struct schema_field *schema_find_field(const struct schema_type *type, struct slice name);
/* The same, with the type that has it: `type`, or one that is INLINE in it. */
const struct schema_field *schema_find_owned(const struct schema_type *type, struct slice name,
                                             const struct schema_type **ret_owner);
/* The field of that protobuf number (INLINE fields are themselves); NULL when there is none. */
const struct schema_field *schema_find_number(const struct schema_type *type, uint32_t number);
/* The field at a dotted path ("spec.template.spec.nodeName"); lists and maps are stepped through. */
const struct schema_field *schema_find_path(const struct schema_type *type, const char *path);

#endif
