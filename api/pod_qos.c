/* SPDX-License-Identifier: Apache-2.0 */
#include "api/pod_qos.h"

#include "api/quantity.h"

/* 0 when there is none: an amount of zero says nothing. */
static void read_amount(const struct value *resources, const char *list, const char *name, struct quantity *ret_amount)
{
    const struct value *v = value_path(resources, list, name, NULL);

    *ret_amount = (struct quantity){0};
    if (!v || quantity_parse(value_string(v), ret_amount, NULL) < 0 || ret_amount->nano < 0)
        *ret_amount = (struct quantity){0};
}

static void look_at(const struct value *resources, bool *any, bool *guaranteed)
{
    static const char *const names[] = {"cpu", "memory"};

    for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
        struct quantity request, limit;

        read_amount(resources, "requests", names[n], &request);
        read_amount(resources, "limits", names[n], &limit);
        if (request.nano || limit.nano)
            *any = true;
        /* What has a limit and no request requests its limit. */
        if (!limit.nano || (request.nano && quantity_compare(&request, &limit) != 0))
            *guaranteed = false;
    }
}

static void look_at_all(const struct value *containers, bool *any, bool *guaranteed)
{
    for (size_t i = 0; i < value_count(containers); i++)
        look_at(value_get(value_at(containers, i), "resources"), any, guaranteed);
}

const char *pod_qos_class(const struct value *pod)
{
    const struct value *whole = value_path(pod, "spec", "resources", NULL);
    bool any = false;
    bool guaranteed = true;

    if (value_count(value_get(whole, "requests")) || value_count(value_get(whole, "limits"))) {
        look_at(whole, &any, &guaranteed);
    } else {
        look_at_all(value_path(pod, "spec", "containers", NULL), &any, &guaranteed);
        look_at_all(value_path(pod, "spec", "initContainers", NULL), &any, &guaranteed);
    }
    return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}
