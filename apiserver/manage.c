/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/manage.h"

#include "api/apply.h"
#include "api/managed.h"
#include "api/places.h"
#include "api/version.h"
#include "apiserver/meta.h"
#include "lib/yaml.h"

#define MANAGE_NAME_MAX 128

/* Parts of the cluster, in this process or on its nodes. */
static bool manage_is_system(const struct request *req)
{
    return req->http->peer->local_user || user_in_group(&req->user, "system:nodes");
}

/* The front of a User-Agent, as upstream takes it: "kubectl/v1.35.0 (linux/amd64)" is kubectl. */
static const char *manage_agent(const struct request *req)
{
    struct slice agent = http_request_header(req->http, "user-agent");
    struct slice front = SLICE_NONE;
    BUF_LOCAL(out);

    if (agent.data)
        (void)slice_split(&agent, '/', &front);
    for (size_t i = 0; i < front.len && out.len < MANAGE_NAME_MAX; i++)
        if (front.data[i] >= 0x20 && front.data[i] < 0x7f)
            buf_append_byte(&out, front.data[i]);
    return out.len ? pool_slice_dup(req->pool, buf_slice(&out)) : "unknown";
}

/* By the names that tools know: our controllers are one manager, as upstream's are; the scheduler is another. */
static const char *manage_local(const char *user)
{
    static const char account[] = "system:serviceaccount:";
    static const char system[] = "system:";

    if (!strncmp(user, account, sizeof(account) - 1))
        return "kube-controller-manager";
    return strncmp(user, system, sizeof(system) - 1) ? user : user + sizeof(system) - 1;
}

static struct managed_writer manage_writer(const struct request *req, const char *subresource, bool whole)
{
    const char *manager = request_query(req, "fieldManager");
    char version[128];
    struct managed_writer who = {
        .subresource = subresource,
        .api_version = pool_strdup(req->pool, schema_api_version(req->kind, version, sizeof(version))),
        .now = request_now(req),
        .part = FIELDSET_ALL,
    };

    if (manager && *manager)
        who.manager = manager;
    else if (req->http->peer->local_user)
        who.manager = manage_local(req->http->peer->local_user);
    else if (manage_is_system(req))
        who.manager = "kubelet";
    else
        who.manager = manage_agent(req);
    if (!whole && req->kind->has_status)
        who.part = *subresource ? FIELDSET_STATUS : FIELDSET_MAIN;
    return who;
}

static struct managed_writer manage_writer_of(const struct request *req, const struct update *u)
{
    return manage_writer(req, u->subresource, u->keeps_parts || update_writes(req, u));
}

/* What there is before there is anything: the zeros that every object of the kind has. */
static struct value *manage_nothing(const struct schema_kind *kind)
{
    struct value *empty = value_new_object();

    (void)codec_normalise(kind, empty, CODEC_IGNORE, NULL, NULL);
    return empty;
}

/* Of what a client says. */
static int manage_parse_said(struct pool *pool, const struct value *said, struct managed *ret_managed)
{
    BUF_LOCAL(text);

    if (!value_is(said, VALUE_ARRAY))
        return 0;
    value_write(said, &text);
    return managed_parse(pool, slice_make(pool_slice_dup(pool, buf_slice(&text)), text.len), ret_managed, NULL);
}

void manage_create(struct request *req, const struct value *object, const struct value *said, struct buf *list)
{
    struct value *nothing CLEANUP_VALUE = NULL;
    struct pool *pool CLEANUP_POOL = NULL;
    struct managed_writer who;
    struct managed managed = {0};

    if (!value_count(said) && manage_is_system(req))
        return;
    pool = pool_new();
    who = manage_writer(req, "", false);
    if (!managed_is_reset(said) && manage_parse_said(pool, said, &managed) < 0)
        managed = (struct managed){0};
    nothing = manage_nothing(req->kind);
    managed_update(pool, &managed, req->kind->type, &who, nothing, object);
    managed_write(&managed, list);
}

/* What a client says counts when it can be read; who does not know of the list does not lose it. */
static bool manage_read(struct pool *pool, struct slice managers, const struct value *said, struct managed *ret_managed)
{
    if (value_count(said) && manage_parse_said(pool, said, ret_managed) == 0 && ret_managed->count)
        return true;
    *ret_managed = (struct managed){0};
    return managed_parse(pool, managers, ret_managed, NULL) == 0 && ret_managed->count;
}

/* Whether the client says the list that is there; mostly to the letter. */
static bool manage_says_same(const struct value *said, struct slice managers)
{
    struct value *there CLEANUP_VALUE = NULL;
    BUF_LOCAL(text);

    if (!said || !managers.data)
        return !said && !managers.data;
    value_write(said, &text);
    if (slice_equal(buf_slice(&text), managers))
        return true;
    there = value_parse(managers, NULL);
    return value_equal(said, there);
}

void manage_update(struct request *req, const struct update *u, const struct value *object, const struct value *old,
                   const struct value *said)
{
    struct managed_writer who;
    struct pool *pool CLEANUP_POOL = NULL;
    struct managed managed = {0};

    /* Who sends an object back sends the list with it; only another one says something. */
    if (*u->subresource || manage_says_same(said, u->managers))
        said = NULL;
    if (managed_is_reset(said) || (!u->managers.len && !value_count(said)))
        return;
    if (u->unmanaged || (!value_count(said) && value_equal(object, old))) {
        buf_append_slice(u->list, u->managers);
        return;
    }
    pool = pool_new();
    if (!manage_read(pool, u->managers, said, &managed))
        return;
    who = manage_writer_of(req, u);
    managed_update(pool, &managed, req->kind->type, &who, old, object);
    managed_write(&managed, u->list);
}

/* ---- apply --------------------------------------------------------------------------------------------------------
 */

static int manage_decode_config(struct request *req, struct value **ret_config, struct error *err)
{
    ERROR_LOCAL(why);
    BUF_LOCAL(json);
    struct value *config = NULL;

    /* Most send JSON, which is read several times faster as what it is. */
    if (!slice_trim(req->http->body).len)
        config = value_new_object();
    else if (!(config = value_parse(req->http->body, NULL)) && yaml_to_json(req->http->body, &json, &why) < 0)
        (void)error_wrap(&why, "error converting YAML to JSON");
    else if (!config)
        config = value_parse(buf_slice(&json), &why);
    if (!config)
        return error_set(err, ERROR_BAD_REQUEST, "error decoding YAML: %s", error_text(&why));
    if (value_is(config, VALUE_NULL)) {
        value_free(config);
        config = value_new_object();
    }
    *ret_config = request_own_value(req, config);
    if (!value_is(config, VALUE_OBJECT))
        return error_set(err, ERROR_BAD_REQUEST,
                         "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal %s "
                         "into Go value of type map[string]interface {}",
                         value_is(config, VALUE_ARRAY) ? "array" : "value");
    return 0;
}

static int manage_check_config(const struct schema_kind *kind, const struct value *config, struct error *err)
{
    struct slice stated = value_string(value_get(config, "apiVersion"));
    struct slice stated_kind = value_string(value_get(config, "kind"));
    char version[128];

    (void)schema_api_version(kind, version, sizeof(version));
    if (!slice_is(stated, version))
        return error_set(err, ERROR_BAD_REQUEST,
                         "Incorrect version specified in apply patch. Specified patch version: %.*s, expected: %s",
                         SLICE_ARGS(stated), version);
    if (!slice_is(stated_kind, kind->kind))
        return error_set(err, ERROR_BAD_REQUEST,
                         "Incorrect kind specified in apply patch. Specified patch kind: %.*s, expected: %s",
                         SLICE_ARGS(stated_kind), kind->kind);
    if (!value_is(value_path(config, "metadata", "managedFields", NULL), VALUE_NULL))
        return error_set(err, ERROR_BAD_REQUEST, "metadata.managedFields must be nil");
    return 0;
}

int manage_take_config(struct request *req, struct update *u, const struct schema_kind *kind, struct error *err)
{
    const char *manager = request_query(req, "fieldManager");
    struct value *config = NULL;
    int r;

    if (!manager || !*manager)
        return request_invalid_option(req, "PatchOptions", "FieldValueRequired", "fieldManager", err,
                                      "Required value: is required for apply patch");
    if ((r = manage_decode_config(req, &config, err)) < 0 || (r = manage_check_config(kind, config, err)) < 0)
        return r;
    apply_drop_nulls(kind->type, config);
    request_warn_inert(req, kind, config);
    u->applies = true;
    u->body = config;
    return kind == req->shown ? version_to_stored(kind, config, false, err) : 0;
}

int manage_check_new(struct request *req, const struct value *config, struct error *err)
{
    const char *uid = meta_uid(config);
    char *why CLEANUP_FREE = NULL;
    int r = meta_check_identity(req, config, err);

    if (r < 0 || !*uid)
        return r;
    why = mem_printf("uid mismatch: the provided object specified uid %s, and no existing object was found", uid);
    return status_conflict(err, req->shown, slice_str(req->info.name), why);
}

/* A copy without what this write does not touch, and without what stands beside the object. */
static struct value *manage_part(const struct value *object, enum fieldset_part part)
{
    struct value *copy = value_copy(object);
    struct value_iter it = value_iter_start(copy);
    struct slice name;
    struct value *v;

    while (value_iter_next(&it, &name, &v))
        if (!fieldset_part_has(part, name) && !slice_is(name, "apiVersion") && !slice_is(name, "kind"))
            value_iter_remove(&it);
    return copy;
}

/* Of a configuration what is about the fields that the write may change, and which object it is for. */
static void manage_only(struct value *config, const char *places)
{
    char *all CLEANUP_FREE = mem_printf("apiVersion,kind,metadata.name,metadata.namespace,metadata.uid,"
                                        "metadata.resourceVersion,%s",
                                        places);

    places_keep(config, all);
}

/* The list of `live`, or where nobody was followed yet, all that is there (more than in `nothing`) as somebody's. What
 * is read borrows from all of them. */
static void manage_read_live(struct pool *pool, const struct request *req, const struct managed_writer *who,
                             struct slice managers, const struct value *nothing, const struct value *live,
                             struct managed *ret_managed)
{
    struct managed_writer before = *who;

    if (managed_parse(pool, managers, ret_managed, NULL) < 0)
        *ret_managed = (struct managed){0};
    if (ret_managed->count)
        return;
    before.manager = MANAGED_BEFORE;
    managed_update(pool, ret_managed, req->kind->type, &before, nothing, live);
}

/* Whether the outcome is another object, defaults and all. */
static bool manage_changes(const struct request *req, struct value *object, const struct value *live)
{
    struct value *said = value_take(value_get(object, "metadata"), "resourceVersion");
    bool same;

    default_apply(req->kind, object);
    same = value_equal(object, live);
    if (said)
        value_set(value_get(object, "metadata"), "resourceVersion", said);
    return !same;
}

int manage_apply(struct request *req, const struct update *u, const struct value *config, const struct value *current,
                 struct value **ret_object, struct error *err)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct managed_writer who = manage_writer_of(req, u);
    struct value *nothing CLEANUP_VALUE = manage_nothing(req->kind);
    struct value *live CLEANUP_VALUE = value_copy(current ? current : nothing);
    struct value *part CLEANUP_VALUE = manage_part(config, who.part);
    struct value *object CLEANUP_VALUE = NULL;
    struct managed_apply apply = {.kind = req->kind,
                                  .namespace_ = req->info.namespace_,
                                  .name = req->info.name,
                                  .live = live,
                                  .config = part,
                                  .force = request_query_bool(req, "force")};
    struct managed managed = {0};
    int r;

    who.only = update_writes(req, u);
    if (who.only)
        manage_only(part, who.only);
    (void)value_remove(value_get(live, "metadata"), "resourceVersion");
    if (current)
        manage_read_live(pool, req, &who, u->managers, nothing, live, &managed);
    r = managed_apply(pool, &managed, &who, &apply, &object, err);
    if (r == -(int)ERROR_CONFLICT) /* it names fields, not the object */
        req->error_details = pool_alloc(req->pool, sizeof(*req->error_details));
    if (r < 0)
        return r;
    if (manage_changes(req, object, live))
        managed_touch(&managed, &who);
    managed_write(&managed, u->list);
    *ret_object = STEAL(object);
    return 0;
}
