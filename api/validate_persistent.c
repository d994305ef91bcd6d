/* SPDX-License-Identifier: Apache-2.0 */
/* PersistentVolumes and the claims on them. */
#include "api/validate_internal.h"

#include "api/quantity.h"

static const char *const access_modes[] = {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod", NULL};
static const char *const only_storage[] = {"storage", NULL};

static void check_access_modes(struct validator *v, const struct vpath *at, const struct value *modes, const char *why)
{
    bool alone = false;

    if (!value_count(modes))
        report_required(v, at, why);
    for (size_t i = 0; i < value_count(modes); i++) {
        struct slice mode = value_string(value_at(modes, i));

        (void)check_one_of(v, at, mode, access_modes);
        alone = alone || slice_is(mode, "ReadWriteOncePod");
    }
    if (alone && value_count(modes) > 1)
        report_forbidden(v, at, "may not use ReadWriteOncePod with other access modes");
}

static void check_positive(struct validator *v, const struct vpath *at, const struct value *amount)
{
    struct quantity q;

    if (quantity_parse(value_string(amount), &q, NULL) == 0 && q.nano <= 0)
        report_invalid(v, at, amount, "must be greater than zero");
}

static void check_capacity(const struct rule_site *s)
{
    const struct value *storage = value_get(s->value, "storage");
    const struct vpath *at = s->at;
    struct value *empty CLEANUP_VALUE = value_new_object();

    if (!value_count(s->value))
        report_required(s->v, at, NULL);
    if (!storage || value_count(s->value) > 1)
        report_not_supported_value(s->v, at, s->value ? s->value : empty, only_storage);
    if (storage)
        check_positive(s->v, VKEY(at, SLICE_LIT("storage")), storage);
}

/* The members of VolumeSource stand among the spec's own. */
static const char *first_source(const struct rule_site *s)
{
    const struct schema_field *row = schema_find_number(schema_find_path(s->v->kind->type, "spec")->type, 2);
    const char *first = NULL;

    for (size_t i = 0; i < row->type->field_count; i++) {
        const char *name = row->type->fields[i].name;

        if (!value_get(s->object, name))
            continue;
        if (first)
            report_forbidden(s->v, VFIELD(s->at, name), "may not specify more than 1 volume type");
        else
            first = name;
    }
    return first;
}

static void check_volume_affinity(const struct rule_site *s, const char *source)
{
    const struct value *affinity = value_get(s->object, "nodeAffinity");
    const struct vpath *at = VFIELD(s->at, "nodeAffinity");

    if (affinity && !value_get(affinity, "required"))
        report_required(s->v, VFIELD(at, "required"), "must specify required node constraints");
    if (!affinity && source && !strcmp(source, "local"))
        report_required(s->v, at, "Local volume requires node affinity");
}

/* The source of a volume stays; so do its mode and, once there is one, its affinity. */
static void check_volume_update(const struct rule_site *s, const char *source)
{
    static const char *const fixed[] = {"volumeMode", "nodeAffinity"};

    if (!s->old)
        return;
    if (source && !value_equal(value_get(s->object, source), value_get(s->old, source)))
        report_forbidden(s->v, VFIELD(s->at, "persistentvolumesource"),
                         "spec.persistentvolumesource is immutable after creation");
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        if (value_get(s->old, fixed[i]))
            check_fixed(s, fixed[i]);
}

static void check_volume(const struct rule_site *s)
{
    const char *source;
    struct slice reclaim = value_string(value_get(s->object, "persistentVolumeReclaimPolicy"));
    struct slice class_ = value_string(value_get(s->object, "storageClassName"));
    struct slice path = value_string(value_path(s->object, "hostPath", "path", NULL));

    if (strcmp(s->v->kind->kind, "PersistentVolume") != 0) /* inside of a VolumeAttachment it is somebody else's */
        return;
    source = first_source(s);
    if (!source)
        report_required(s->v, s->at, "must specify a volume type");
    if (slice_is(path, "/") && slice_is(reclaim, "Recycle"))
        report_forbidden(s->v, VFIELD(s->at, "persistentVolumeReclaimPolicy"),
                         "may not be 'recycle' for a hostPath mount of '/'");
    if (class_.len)
        (void)check_name(s->v, VFIELD(s->at, "storageClassName"), class_, validate_dns1123_subdomain);
    check_volume_affinity(s, source);
    check_volume_update(s, source);
}

static void check_volume_modes(const struct rule_site *s)
{
    if (!strcmp(s->v->kind->kind, "PersistentVolume"))
        check_access_modes(s->v, s->at, s->value, NULL);
}

static void check_volume_capacity(const struct rule_site *s)
{
    if (!strcmp(s->v->kind->kind, "PersistentVolume"))
        check_capacity(s);
}

static void check_csi_volume(const struct rule_site *s)
{
    (void)check_name(s->v, VFIELD(s->at, "driver"), value_string(value_get(s->object, "driver")),
                     validate_dns1123_subdomain);
}

/* ---- claims ---- */

static void check_source_reference(struct validator *v, const struct vpath *at, const struct value *reference)
{
    struct slice group = value_string(value_get(reference, "apiGroup"));
    struct slice kind = value_string(value_get(reference, "kind"));

    if (reference && !group.len && kind.len && !slice_is(kind, "PersistentVolumeClaim"))
        report_invalid_text(v, at, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
}

void check_claim_spec(struct validator *v, const struct vpath *at, const struct value *spec)
{
    const struct value *storage = value_path(spec, "resources", "requests", "storage", NULL);
    const struct value *class_ = value_get(spec, "storageClassName");
    const struct vpath *resources = VKEY(VFIELD(at, "resources"), SLICE_LIT("storage"));

    check_access_modes(v, VFIELD(at, "accessModes"), value_get(spec, "accessModes"),
                       "at least 1 access mode is required");
    if (value_get(spec, "selector"))
        check_label_selector(v, VFIELD(at, "selector"), value_get(spec, "selector"));
    if (!storage)
        report_required(v, resources, NULL);
    else
        check_positive(v, resources, storage);
    if (value_string(class_).len)
        (void)check_name(v, VFIELD(at, "storageClassName"), value_string(class_), validate_dns1123_subdomain);
    check_source_reference(v, VFIELD(at, "dataSource"), value_get(spec, "dataSource"));
    check_source_reference(v, VFIELD(at, "dataSourceRef"), value_get(spec, "dataSourceRef"));
}

static bool claim_is_bound(const struct value *claim)
{
    return slice_is(value_string(value_path(claim, "status", "phase", NULL)), "Bound");
}

/* What an update of a claim may change is taken over; the rest must be as it was. The volume, and the class of a claim
 * that had none, are set when it is bound. */
static void check_claim_update(const struct rule_site *s)
{
    static const char *const set_once[] = {"volumeName", "storageClassName"};
    const struct value *was = value_get(s->old, "spec");
    struct value *copy CLEANUP_VALUE = value_copy(value_get(s->object, "spec"));
    const struct value *storage = value_path(was, "resources", "requests", "storage", NULL);
    const struct value *attributes = value_get(was, "volumeAttributesClassName");

    for (size_t i = 0; i < ARRAY_SIZE(set_once); i++)
        if (!value_string(value_get(was, set_once[i])).len && !value_get(was, set_once[i]))
            (void)value_remove(copy, set_once[i]);
    if (claim_is_bound(s->old) && storage) {
        struct value *requests = value_need_object(value_need_object(copy, "resources"), "requests");

        value_set(requests, "storage", value_copy(storage));
    }
    (void)value_remove(copy, "volumeAttributesClassName");
    if (attributes)
        value_set(copy, "volumeAttributesClassName", value_copy(attributes));
    if (!value_equal(copy, was))
        report_forbidden(s->v, VFIELD(NULL, "spec"),
                         "spec is immutable after creation except resources.requests and volumeAttributesClassName "
                         "for bound claims");
}

static void check_claim_growth(const struct rule_site *s)
{
    const struct value *now = value_path(s->object, "spec", "resources", "requests", "storage", NULL);
    const struct value *was = value_path(s->old, "spec", "resources", "requests", "storage", NULL);
    struct quantity a, b;

    if (quantity_parse(value_string(now), &a, NULL) == 0 && quantity_parse(value_string(was), &b, NULL) == 0 &&
        quantity_compare(&a, &b) < 0)
        report_forbidden(s->v, VFIELD(VFIELD(VFIELD(VFIELD(NULL, "spec"), "resources"), "requests"), "storage"),
                         "field can not be less than previous value");
}

static void check_claim(const struct rule_site *s)
{
    const struct vpath *at = s->at ? VFIELD(s->at, "spec") : VFIELD(NULL, "spec");

    check_claim_spec(s->v, at, value_get(s->object, "spec"));
    if (s->old && !s->at) {
        check_claim_update(s);
        check_claim_growth(s);
    }
}

static const struct rule rules[] = {
    {"PersistentVolumeSpec", "capacity", check_volume_capacity},
    {"PersistentVolumeSpec", "accessModes", check_volume_modes},
    {"PersistentVolumeSpec", NULL, check_volume},
    {"CSIPersistentVolumeSource", NULL, check_csi_volume},
    {"PersistentVolumeClaim", NULL, check_claim},
    {"PersistentVolumeClaimTemplate", NULL, check_claim},
};
const struct rule_set validate_rules_persistent = {rules, ARRAY_SIZE(rules)};
