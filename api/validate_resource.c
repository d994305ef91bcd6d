/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: what drivers offer and what pods claim. Expressions are not evaluated here, and nothing else does. */
#include "api/validate_internal.h"

#define DEVICES_MAX      128
#define REQUESTS_MAX     32
#define EXPRESSION_MAX   (10u << 10)
#define ATTRIBUTE_MAX    64
#define DRIVER_NAME_MAX  63
#define POOL_NAME_MAX    253
#define SELECTORS_MAX    32
#define TOLERATIONS_MAX  16
#define RESERVED_FOR_MAX 256

static void check_too_many(struct validator *v, const struct vpath *at, const struct value *list, size_t max)
{
    if (value_count(list) > max)
        report_too_many(v, at, value_count(list), max);
}

static void check_driver(struct validator *v, const struct vpath *at, struct slice name)
{
    if (name.len)
        (void)check_name(v, at, name, validate_dns1123_subdomain);
    if (name.len > DRIVER_NAME_MAX)
        report_too_long(v, at, DRIVER_NAME_MAX);
}

/* Where devices can be reached is said in exactly one way. */
static void check_slice(const struct rule_site *s)
{
    static const char *const places[] = {"nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection"};
    static const char *const fixed[] = {"driver", "nodeName"};
    size_t count = 0;

    check_driver(s->v, VFIELD(s->at, "driver"), value_string(value_get(s->object, "driver")));
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        const struct value *place = value_get(s->object, places[i]);

        count += place && !(value_is(place, VALUE_BOOL) && !value_bool(place));
    }
    if (!count)
        report_required(s->v, s->at,
                        "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required");
    else if (count > 1)
        report_invalid(s->v, s->at, NULL,
                       "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, "
                       "but multiple fields are set");
    check_too_many(s->v, VFIELD(s->at, "devices"), value_get(s->object, "devices"), DEVICES_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        check_fixed(s, fixed[i]);
}

static void check_pool(const struct rule_site *s)
{
    const struct value *count = value_get(s->object, "resourceSliceCount");

    if (value_string(value_get(s->object, "name")).len > POOL_NAME_MAX)
        report_too_long(s->v, VFIELD(s->at, "name"), POOL_NAME_MAX);
    if (value_int(count) <= 0)
        report_invalid(s->v, VFIELD(s->at, "resourceSliceCount"), count, "must be greater than zero");
    (void)check_not_negative(s->v, VFIELD(s->at, "generation"), value_get(s->object, "generation"));
}

static void check_attribute(const struct rule_site *s)
{
    static const char *const texts[] = {"string", "version"};

    if (!value_count(s->object))
        report_required(s->v, s->at, "exactly one value must be specified");
    else if (value_count(s->object) > 1)
        report_invalid(s->v, s->at, s->object, "exactly one value must be specified");
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (value_string(value_get(s->object, texts[i])).len > ATTRIBUTE_MAX)
            report_too_long(s->v, VFIELD(s->at, texts[i]), ATTRIBUTE_MAX);
}

static void check_unique_names(struct validator *v, const struct vpath *at, const struct value *list)
{
    for (size_t i = 0; i < value_count(list) && i < DEVICES_MAX; i++) {
        const struct value *name = value_get(value_at(list, i), "name");

        if (value_string(name).len)
            (void)check_name(v, VFIELD(VINDEX(at, i), "name"), value_string(name), validate_dns1123_label);
        for (size_t j = 0; j < i; j++)
            if (value_equal(name, value_get(value_at(list, j), "name"))) {
                report_duplicate(v, VFIELD(VINDEX(at, i), "name"), name);
                break;
            }
    }
}

static void check_devices(const struct rule_site *s)
{
    check_unique_names(s->v, s->at, s->value);
}

static void check_requests(const struct rule_site *s)
{
    check_too_many(s->v, s->at, s->value, REQUESTS_MAX);
    check_unique_names(s->v, s->at, s->value);
}

static void check_request(const struct rule_site *s)
{
    bool exactly = value_get(s->object, "exactly") != NULL;
    bool first = value_count(value_get(s->object, "firstAvailable")) != 0;

    if (!exactly && !first)
        report_required(s->v, s->at, "exactly one of `exactly` or `firstAvailable` is required");
    else if (exactly && first)
        report_invalid(s->v, s->at, NULL,
                       "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set");
}

/* Of a request, and of one of several choices. */
static void check_wish(const struct rule_site *s)
{
    const struct value *count = value_get(s->object, "count");
    struct slice class_ = value_string(value_get(s->object, "deviceClassName"));

    if (class_.len)
        (void)check_name(s->v, VFIELD(s->at, "deviceClassName"), class_, validate_dns1123_subdomain);
    check_too_many(s->v, VFIELD(s->at, "selectors"), value_get(s->object, "selectors"), SELECTORS_MAX);
    check_too_many(s->v, VFIELD(s->at, "tolerations"), value_get(s->object, "tolerations"), TOLERATIONS_MAX);
    if (slice_is(value_string(value_get(s->object, "allocationMode")), "All")) {
        if (count)
            report_invalid(s->v, VFIELD(s->at, "count"), count, "must not be specified when allocationMode is 'All'");
    } else if (value_int(count) <= 0) {
        report_invalid(s->v, VFIELD(s->at, "count"), count, "must be greater than zero");
    }
}

static void check_selector(const struct rule_site *s)
{
    struct slice text = value_string(value_path(s->object, "cel", "expression", NULL));
    const struct vpath *at = VFIELD(s->at, "cel");

    if (!value_get(s->object, "cel"))
        report_required(s->v, at, NULL);
    if (text.len > EXPRESSION_MAX)
        report_too_long(s->v, VFIELD(at, "expression"), EXPRESSION_MAX);
}

static void check_configuration(const struct rule_site *s)
{
    const struct value *opaque = value_get(s->object, "opaque");
    const struct vpath *at = VFIELD(s->at, "opaque");

    if (!opaque)
        report_required(s->v, at, NULL);
    check_driver(s->v, VFIELD(at, "driver"), value_string(value_get(opaque, "driver")));
    if (opaque && !value_is(value_get(opaque, "parameters"), VALUE_OBJECT))
        report_required(s->v, VFIELD(at, "parameters"), NULL);
}

static void check_claim(const struct rule_site *s)
{
    check_fixed(s, "spec");
}

static void check_reserved(const struct rule_site *s)
{
    check_too_many(s->v, s->at, s->value, RESERVED_FOR_MAX);
}

static const struct rule rules[] = {
    {"ResourceSliceSpec", "devices", check_devices},
    {"ResourceSliceSpec", NULL, check_slice},
    {"ResourcePool", NULL, check_pool},
    {"DeviceAttribute", NULL, check_attribute},
    {"DeviceClaim", "requests", check_requests},
    {"DeviceRequest", NULL, check_request},
    {"ExactDeviceRequest", NULL, check_wish},
    {"DeviceSubRequest", NULL, check_wish},
    {"DeviceSelector", NULL, check_selector},
    {"DeviceConfiguration", NULL, check_configuration},
    {"resource.v1.ResourceClaim", NULL, check_claim},
    {"ResourceClaimTemplate", NULL, check_claim},
    {"ResourceClaimStatus", "reservedFor", check_reserved},
};
const struct rule_set validate_rules_resource = {rules, ARRAY_SIZE(rules)};
