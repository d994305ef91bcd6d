/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of storage, attachments, and what drivers of storage say of themselves. */
#include "api/validate_internal.h"

#define PARAMETERS_MAX      512
#define PARAMETER_BYTES_MAX (256u << 10)
#define METADATA_BYTES_MAX  (256u << 10)
#define DRIVER_NAME_MAX     63
#define NODE_ID_MAX         256
#define UPDATE_PERIOD_MIN   10

static void check_parameters(struct validator *v, const struct vpath *at, const struct value *map, bool needed)
{
    struct value_iter it = value_iter_start(map);
    struct slice key;
    struct value *value;
    size_t bytes = 0;

    if (value_count(map) > PARAMETERS_MAX) {
        report_too_long(v, at, PARAMETERS_MAX);
        return;
    }
    while (value_iter_next(&it, &key, &value)) {
        if (!key.len)
            report_invalid_text(v, at, key, "field can not be empty.");
        bytes += key.len + value_string(value).len;
    }
    if (bytes > PARAMETER_BYTES_MAX)
        report_too_long(v, at, PARAMETER_BYTES_MAX);
    if (needed && !value_count(map))
        report_required(v, at, "must contain at least one key/value pair");
}

/* DOMAIN/NAME, in any case. */
static void check_provisioner(const struct rule_site *s)
{
    BUF_LOCAL(lower);
    const char *why;

    for (size_t i = 0; i < value_string(s->value).len; i++) {
        char c = value_string(s->value).data[i];

        buf_append_byte(&lower, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
    }
    if (lower.len && (why = validate_qualified_name(buf_slice(&lower))))
        report_invalid(s->v, s->at, s->value, why);
    if (s->old && !value_equal(s->value, value_get(s->old, "provisioner")))
        report_forbidden(s->v, s->at, "updates to provisioner are forbidden.");
}

static void check_class(const struct rule_site *s)
{
    const struct value *parameters = value_get(s->object, "parameters");

    check_parameters(s->v, VFIELD(s->at, "parameters"), parameters, false);
    if (s->old && !value_equal(parameters, value_get(s->old, "parameters")))
        report_forbidden(s->v, VFIELD(s->at, "parameters"), "updates to parameters are forbidden.");
}

static void check_topology(const struct rule_site *s)
{
    if (!value_count(value_get(s->object, "values")))
        report_required(s->v, VFIELD(s->at, "values"), NULL);
    (void)check_name(s->v, VFIELD(s->at, "key"), value_string(value_get(s->object, "key")), validate_qualified_name);
}

static void check_attributes_class(const struct rule_site *s)
{
    check_parameters(s->v, VFIELD(s->at, "parameters"), value_get(s->object, "parameters"), true);
    check_fixed(s, "driverName");
    if (s->old && !value_equal(value_get(s->object, "parameters"), value_get(s->old, "parameters")))
        report_forbidden(s->v, VFIELD(s->at, "parameters"), "updates to parameters are forbidden.");
}

static void check_attachment_spec(const struct rule_site *s)
{
    struct slice attacher = value_string(value_get(s->object, "attacher"));
    const struct value *source = value_get(s->object, "source");
    struct slice volume = value_string(value_get(source, "persistentVolumeName"));

    if (!attacher.len)
        report_required(s->v, VFIELD(s->at, "attacher"), NULL);
    if (value_get(source, "inlineVolumeSpec") ? volume.len > 0 : !volume.len)
        report_required(s->v, VFIELD(s->at, "source"),
                        "must specify exactly one of inlineVolumeSpec and persistentVolumeName");
    (void)check_name(s->v, VFIELD(s->at, "nodeName"), value_string(value_get(s->object, "nodeName")),
                     validate_dns1123_subdomain);
    (void)check_name(s->v, VFIELD(s->at, "attacher"), attacher, validate_dns1123_subdomain);
}

static void check_attachment(const struct rule_site *s)
{
    check_fixed(s, "spec");
}

static void check_attachment_status(const struct rule_site *s)
{
    struct value_iter it = value_iter_start(value_get(s->object, "attachmentMetadata"));
    struct slice key;
    struct value *value;
    size_t bytes = 0;

    while (value_iter_next(&it, &key, &value))
        bytes += key.len + value_string(value).len;
    if (bytes > METADATA_BYTES_MAX)
        report_too_long(s->v, VFIELD(s->at, "attachmentMetadata"), METADATA_BYTES_MAX);
}

static void check_driver_modes(const struct rule_site *s)
{
    static const char *const values[] = {"Persistent", "Ephemeral", NULL};

    for (size_t i = 0; i < value_count(s->value); i++)
        (void)check_one_of(s->v, s->at, value_string(value_at(s->value, i)), values);
}

static void check_token_requests(const struct rule_site *s)
{
    for (size_t i = 0; i < value_count(s->value); i++) {
        const struct value *seconds = value_get(value_at(s->value, i), "expirationSeconds");
        const struct value *audience = value_get(value_at(s->value, i), "audience");
        const struct vpath *at = VINDEX(s->at, i);

        for (size_t j = 0; j < i; j++)
            if (value_equal(audience, value_get(value_at(s->value, j), "audience"))) {
                report_duplicate(s->v, VFIELD(at, "audience"), audience);
                break;
            }
        if (seconds && value_int(seconds) < 600)
            report_invalid(s->v, VFIELD(at, "expirationSeconds"), seconds,
                           "may not specify a duration less than 10 minutes");
        if (value_int(seconds) > (int64_t)1 << 32)
            report_invalid(s->v, VFIELD(at, "expirationSeconds"), seconds,
                           "may not specify a duration larger than 2^32 seconds");
    }
}

static void check_driver(const struct rule_site *s)
{
    struct slice name = value_string(value_path(s->object, "metadata", "name", NULL));

    if (!s->old && name.len > DRIVER_NAME_MAX)
        report_too_long(s->v, VFIELD(VFIELD(NULL, "metadata"), "name"), DRIVER_NAME_MAX);
}

static void check_driver_spec(const struct rule_site *s)
{
    static const char *const fixed[] = {"attachRequired", "volumeLifecycleModes"};
    const struct value *period = value_get(s->object, "nodeAllocatableUpdatePeriodSeconds");

    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        check_fixed(s, fixed[i]);
    if (period && value_int(period) < UPDATE_PERIOD_MIN)
        report_invalid(s->v, VFIELD(s->at, "nodeAllocatableUpdatePeriodSeconds"), period,
                       "must be greater than or equal to 10 seconds");
}

static void check_node_driver(struct validator *v, const struct vpath *at, const struct value *driver)
{
    struct slice name = value_string(value_get(driver, "name"));
    const struct value *id = value_get(driver, "nodeID");
    const struct value *keys = value_get(driver, "topologyKeys");

    (void)check_name(v, VFIELD(at, "name"), name, validate_dns1123_subdomain);
    if (name.len > DRIVER_NAME_MAX)
        report_too_long(v, VFIELD(at, "name"), DRIVER_NAME_MAX);
    if (value_string(id).len > NODE_ID_MAX)
        report_too_long(v, VFIELD(at, "nodeID"), NODE_ID_MAX);
    for (size_t i = 0; i < value_count(keys); i++) {
        struct slice key = value_string(value_at(keys, i));

        if (!key.len)
            report_required(v, at, NULL);
        else
            (void)check_name(v, at, key, validate_qualified_name);
        for (size_t j = 0; j < i; j++)
            if (value_equal(value_at(keys, i), value_at(keys, j))) {
                report_duplicate(v, at, value_at(keys, i));
                break;
            }
    }
    (void)check_not_negative(v, VFIELD(VFIELD(at, "allocatable"), "count"),
                             value_path(driver, "allocatable", "count", NULL));
}

static void check_node_drivers(const struct rule_site *s)
{
    const struct value *drivers = value_get(s->object, "drivers");

    for (size_t i = 0; i < value_count(drivers); i++) {
        const struct value *name = value_get(value_at(drivers, i), "name");
        const struct vpath *at = VINDEX(VFIELD(s->at, "drivers"), i);

        check_node_driver(s->v, at, value_at(drivers, i));
        for (size_t j = 0; j < i; j++)
            if (value_equal(name, value_get(value_at(drivers, j), "name"))) {
                report_duplicate(s->v, VFIELD(at, "name"), name);
                break;
            }
    }
}

static void check_capacity(const struct rule_site *s)
{
    static const char *const fixed[] = {"nodeTopology", "storageClassName"};
    struct slice class_ = value_string(value_get(s->object, "storageClassName"));

    if (value_get(s->object, "nodeTopology"))
        check_label_selector(s->v, VFIELD(s->at, "nodeTopology"), value_get(s->object, "nodeTopology"));
    if (class_.len)
        (void)check_name(s->v, VFIELD(s->at, "storageClassName"), class_, validate_dns1123_subdomain);
    check_quantity(s->v, VFIELD(s->at, "capacity"), value_get(s->object, "capacity"));
    check_quantity(s->v, VFIELD(s->at, "maximumVolumeSize"), value_get(s->object, "maximumVolumeSize"));
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        check_fixed(s, fixed[i]);
}

static const struct rule rules[] = {
    {"StorageClass", "provisioner", check_provisioner},
    {"StorageClass", NULL, check_class},
    {"TopologySelectorLabelRequirement", NULL, check_topology},
    {"VolumeAttributesClass", NULL, check_attributes_class},
    {"VolumeAttachment", NULL, check_attachment},
    {"VolumeAttachmentSpec", NULL, check_attachment_spec},
    {"VolumeAttachmentStatus", NULL, check_attachment_status},
    {"CSIDriver", NULL, check_driver},
    {"CSIDriverSpec", "volumeLifecycleModes", check_driver_modes},
    {"CSIDriverSpec", "tokenRequests", check_token_requests},
    {"CSIDriverSpec", NULL, check_driver_spec},
    {"CSINodeSpec", NULL, check_node_drivers},
    {"CSIStorageCapacity", NULL, check_capacity},
};
const struct rule_set validate_rules_storage = {rules, ARRAY_SIZE(rules)};
