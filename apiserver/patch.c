/* SPDX-License-Identifier: Apache-2.0 */
/* PATCH: the patch is applied to what is stored, anew at every attempt, and the outcome goes the way of an update. */
#include "api/patch.h"
#include "api/version.h"

#include "apiserver/manage.h"

#define PATCH_SHOWN_MAX 4096 /* bytes of a refused patch in the answer */
#define PATCH_MANAGERS  "managedFields"

static const struct {
    const char *content_type;
    bool strategic;
    bool operations; /* a list of them, not what the object shall have */
    int (*apply)(const struct value *current, const struct value *patch, struct value **ret_result,
                 struct error *err); /* NULL: by the schema */
} patch_types[] = {
    {"application/json-patch+json", false, true, patch_json},
    {"application/merge-patch+json", false, false, patch_merge},
    {"application/strategic-merge-patch+json", true, false, NULL},
};

static ptrdiff_t patch_find_type(const char *content_type)
{
    for (size_t i = 0; i < ARRAY_SIZE(patch_types); i++)
        if (!strcmp(patch_types[i].content_type, content_type))
            return (ptrdiff_t)i;
    return -1;
}

int update_take_patch(struct request *req, struct update *u, const struct schema_kind *kind, struct error *err)
{
    struct slice type = http_request_header(req->http, "content-type");
    struct slice name = SLICE_NONE;

    if (request_write_options(req, "PatchOptions", err) < 0)
        return -(int)ERROR_INVALID;
    if (type.data)
        (void)slice_split(&type, ';', &name);
    u->patch_type = pool_slice_dup(req->pool, slice_trim(name));
    u->patch = req->http->body;
    if (!strcmp(u->patch_type, "application/apply-patch+yaml"))
        return manage_take_config(req, u, kind, err);
    if (patch_find_type(u->patch_type) < 0) {
        /* No route takes it: that says upstream's router and not a decoder. */
        req->error_details = pool_alloc(req->pool, sizeof(*req->error_details));
        return error_set(err, ERROR_UNSUPPORTED_MEDIA_TYPE, "415: Unsupported Media Type");
    }
    if (req->kind->custom && patch_types[patch_find_type(u->patch_type)].strategic)
        return error_set(err, ERROR_UNSUPPORTED_MEDIA_TYPE,
                         "the body of the request was in an unknown format - accepted media types include: "
                         "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml");
    if (request_query(req, "force"))
        return request_invalid_option(req, "PatchOptions", "FieldValueForbidden", "force", err,
                                      "Forbidden: may not be specified for non-apply patch");
    return 0;
}

/* A patch may not turn an object into one of another kind. */
static int patch_check_type(const struct value *object, const struct value *current, struct error *err)
{
    static const char *const fields[] = {"apiVersion", "kind"};

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (!value_equal(value_get(object, fields[i]), value_get(current, fields[i])))
            return error_set(err, ERROR_BAD_REQUEST, "the patch changes %s, which may not change", fields[i]);
    return 0;
}

/* What the patch makes is judged as the patch's fault, and shown with it: the outcome of a JSON or merge patch, a
 * strategic patch itself. `why` is what decoding said; the sentence's front speaks of a body, which this is not. */
static int patch_refuse(struct request *req, const struct value *shown, struct error *why, struct error *err)
{
    static const char front[] = "cannot be handled as a ";
    const char *text = strstr(error_text(why), front);
    struct value *quoted CLEANUP_VALUE = NULL;
    BUF_LOCAL(json);
    BUF_LOCAL(bad);

    text = text && strstr(text, ": ") ? strstr(text, ": ") + 2 : error_text(why);
    value_write(shown, &json);
    if (json.len > PATCH_SHOWN_MAX)
        json.len = PATCH_SHOWN_MAX;
    quoted = value_new_string(buf_slice(&json));
    value_write(quoted, &bad);
    req->error_details = pool_alloc(req->pool, sizeof(*req->error_details));
    (void)error_set(err, ERROR_INVALID, " \"\" is invalid: patch: Invalid value: %s: %s", buf_cstr(&bad), text);
    error_add_cause(err, "FieldValueInvalid", "patch", "Invalid value: %s: %s", buf_cstr(&bad), text);
    return -(int)ERROR_INVALID;
}

/* Whether what a path of a JSON patch names is the list of managers, or has it in it. */
static bool patch_path_reaches_managers(struct slice path)
{
    return path.data &&
           (!path.len || slice_is(path, "/metadata") || slice_starts(path, SLICE_LIT("/metadata/" PATCH_MANAGERS)));
}

/* Whether the patch may say something of the list of managers. Few do, and to all others it need not be shown. */
static bool patch_reaches_managers(const struct value *patch)
{
    const struct value *metadata = value_get(patch, "metadata");
    struct value_iter it = value_iter_start(metadata);
    struct slice name;
    struct value *v;

    for (size_t i = 0; value_is(patch, VALUE_ARRAY) && i < value_count(patch); i++)
        if (patch_path_reaches_managers(value_string(value_get(value_at(patch, i), "path"))) ||
            patch_path_reaches_managers(value_string(value_get(value_at(patch, i), "from"))))
            return true;
    while (value_iter_next(&it, &name, &v))
        if (*name.data == '$' || slice_is(name, PATCH_MANAGERS))
            return true;
    it = value_iter_start(patch);
    while (value_iter_next(&it, &name, &v))
        if (*name.data == '$')
            return true;
    return false;
}

/* The object with its list in it. */
static struct value *patch_with_managers(const struct value *current, struct slice managers)
{
    struct value *whole = value_copy(current);

    value_set(value_need_object(whole, "metadata"), PATCH_MANAGERS, value_parse(managers, NULL));
    return whole;
}

/* The patch applied to `current`: an object, not yet looked at. */
static int patch_apply(ptrdiff_t type, const struct schema_kind *kind, const struct value *current,
                       const struct value *patch, struct value **ret_object, struct error *err)
{
    int r = patch_types[type].strategic ? patch_strategic(kind->type, current, patch, ret_object, err)
                                        : patch_types[type].apply(current, patch, ret_object, err);

    if (r == 0 && !value_is(*ret_object, VALUE_OBJECT))
        return error_set(err, ERROR_BAD_REQUEST, "the patch does not leave an object");
    return r;
}

static void patch_clear_findings(void *arg)
{
    codec_findings_clear(arg);
}

int update_patch(struct request *req, const struct update *u, const struct schema_kind *kind,
                 const struct value *current, struct slice managers, struct value **ret_object, struct error *err)
{
    ptrdiff_t type = patch_find_type(u->patch_type);
    bool first = !req->warning_count; /* a later attempt would say all of it again */
    struct codec_findings findings CLEANUP(patch_clear_findings) = {0};
    struct value *patch CLEANUP_VALUE = codec_parse_patch(u->patch, patch_types[type].operations, &findings, err);
    struct value *whole CLEANUP_VALUE = NULL;
    struct value *object CLEANUP_VALUE = NULL;
    ERROR_LOCAL(why);
    int r;

    if (!patch)
        return -(int)ERROR_BAD_REQUEST;
    if (managers.data && patch_reaches_managers(patch)) {
        whole = patch_with_managers(current, managers);
        current = whole;
    }
    if ((r = patch_apply(type, kind, current, patch, &object, err)) < 0)
        return r;
    if (patch_check_type(object, current, &why) < 0)
        return patch_refuse(req, object, &why, err);
    if (first)
        request_warn_inert(req, kind, value_is(patch, VALUE_ARRAY) ? object : patch);
    r = codec_normalise(kind, object, req->strictness, &findings, &why);
    if (r < 0)
        return patch_refuse(req, patch_types[type].strategic ? patch : object, &why, err);
    if (req->strictness == CODEC_WARN && first)
        request_warn_findings(req, &findings);
    *ret_object = STEAL(object);
    return 0;
}

static int patch_make(struct request *req, struct update *u, const struct value *current, struct value **ret_object,
                      struct error *err)
{
    struct value *shown CLEANUP_VALUE = NULL;
    int r;

    if (u->applies)
        return manage_apply(req, u, u->body, current, ret_object, err);
    if (req->shown == req->kind)
        return update_patch(req, u, req->kind, current, u->managers, ret_object, err);
    shown = value_copy(current);
    version_from_stored(req->shown, shown);
    r = update_patch(req, u, req->shown, shown, u->managers, ret_object, err);
    return r < 0 ? r : version_to_stored(req->shown, *ret_object, true, err);
}

void verb_patch(struct request *req)
{
    struct update *u = pool_alloc(req->pool, sizeof(*u));
    ERROR_LOCAL(err);

    u->subresource = req->info.subresource;
    u->name = req->info.name;
    u->make = patch_make;
    u->keeps_parts = !strcmp(u->subresource, "approval");
    if (negotiate_media(req, false, &err) < 0 || update_take_patch(req, u, req->shown, &err) < 0) {
        reply_error(req, &err);
        return;
    }
    update_start(req, u);
}
