/* SPDX-License-Identifier: Apache-2.0 */
/* Which NoExecute taints a pod puts up with, and for how long. */
#include "controllers/node_lifecycle.h"

static bool taint_field_is(struct slice object, const char *name, struct slice text)
{
    return slice_equal(view_unquote(scan_get(object, name)), text);
}

static bool toleration_covers(struct slice toleration, struct slice taint)
{
    struct slice effect = view_unquote(scan_get(toleration, "effect"));
    struct slice key = view_unquote(scan_get(toleration, "key"));
    struct slice operator= view_unquote(scan_get(toleration, "operator"));

    if (effect.len && !slice_is(effect, "NoExecute"))
        return false;
    if (key.len && !taint_field_is(taint, "key", key))
        return false;
    if (slice_is(operator, "Exists"))
        return true;
    return key.len && (!operator.len || slice_is(operator, "Equal")) &&
           taint_field_is(taint, "value", view_unquote(scan_get(toleration, "value")));
}

/* Of one taint: the shortest of the tolerations that cover it, as upstream takes it. */
static int64_t taint_stay_one(struct slice taint, struct slice tolerations)
{
    struct scan_cursor at = scan_open(tolerations);
    struct slice toleration;
    int64_t stay = -1;
    bool covered = false;

    while (scan_element(&at, &toleration)) {
        struct slice raw = scan_get(toleration, "tolerationSeconds");
        int64_t seconds;

        if (!toleration_covers(toleration, taint))
            continue;
        covered = true;
        if (!raw.len || slice_is(raw, "null"))
            continue;
        seconds = scan_int(raw, 0);
        seconds = seconds < 0 ? 0 : seconds;
        if (stay < 0 || seconds < stay)
            stay = seconds;
    }
    return covered ? stay : 0;
}

int64_t taint_stay(struct slice taints, struct slice tolerations)
{
    struct scan_cursor at = scan_open(taints);
    struct slice taint;
    int64_t least = -1;

    while (scan_element(&at, &taint)) {
        int64_t stay;

        if (!scan_text_is(scan_get(taint, "effect"), "NoExecute"))
            continue;
        stay = taint_stay_one(taint, tolerations);
        if (stay >= 0 && (least < 0 || stay < least))
            least = stay;
    }
    return least;
}
