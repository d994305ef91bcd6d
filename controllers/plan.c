/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/plan.h"

#include "api/scan.h"

#include "lib/encoding.h"

struct action *plan_add(struct plan *plan, enum action_verb verb, const struct view_kind *kind, struct slice ns,
                        struct slice name)
{
    struct action *action;

    plan->actions = mem_grow(plan->actions, &plan->cap, plan->count + 1, sizeof(*plan->actions));
    action = &plan->actions[plan->count++];
    memset(action, 0, sizeof(*action));
    action->verb = verb;
    action->kind = kind;
    action->ns = slice_dup(ns);
    action->name = slice_dup(name);
    if (verb == ACTION_PATCH)
        action->patch_type = PATCH_MERGE;
    return action;
}

struct action *plan_delete(struct plan *plan, const struct view *v)
{
    struct action *action =
        plan_add(plan, ACTION_DELETE, v->kind, view_text(v, VIEW_NAMESPACE), view_text(v, VIEW_NAME));

    action->uid = slice_dup(view_text(v, VIEW_UID));
    action->flags = ACTION_MISSING_IS_FINE;
    buf_append_str(&action->body, "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"preconditions\":{");
    plan_member(&action->body, "uid", slice_str(action->uid));
    buf_append_str(&action->body, "},\"propagationPolicy\":\"Background\"}");
    return action;
}

static void plan_forget_subject(struct plan *plan)
{
    free(plan->ns);
    free(plan->name);
    free(plan->uid);
    free(plan->revision);
}

struct action *plan_disruption(struct plan *plan, const struct view *pod, const char *reason, const char *message,
                               int64_t now)
{
    struct action *action =
        plan_add(plan, ACTION_PATCH, &view_pods, view_text(pod, VIEW_NAMESPACE), view_text(pod, VIEW_NAME));
    char text[TIME_TEXT_MAX];

    time_format_seconds(now, text);
    action->sub = "status";
    action->patch_type = "application/strategic-merge-patch+json";
    action->flags = ACTION_MISSING_IS_FINE;
    buf_append_str(&action->body, "{\"metadata\":{");
    plan_member(&action->body, "uid", view_text(pod, VIEW_UID));
    buf_append_str(&action->body, "},\"status\":{\"conditions\":[{\"type\":\"DisruptionTarget\",\"status\":\"True\"");
    plan_member(&action->body, "lastTransitionTime", slice_str(text));
    plan_member(&action->body, "reason", slice_str(reason));
    plan_member(&action->body, "message", slice_str(message));
    buf_append_str(&action->body, "}]}}");
    return action;
}

void plan_about(struct plan *plan, const struct view *v)
{
    plan_forget_subject(plan);
    plan->kind = v->kind;
    plan->ns = slice_dup(view_text(v, VIEW_NAMESPACE));
    plan->name = slice_dup(view_text(v, VIEW_NAME));
    plan->uid = slice_dup(view_text(v, VIEW_UID));
    plan->revision = slice_dup(view_text(v, VIEW_REVISION));
}

void plan_again(struct plan *plan, uint64_t ms)
{
    if (!ms)
        ms = 1;
    if (!plan->again_ms || ms < plan->again_ms)
        plan->again_ms = ms;
}

void plan_clear(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        free(plan->actions[i].ns);
        free(plan->actions[i].name);
        free(plan->actions[i].uid);
        free(plan->actions[i].message);
        buf_free(&plan->actions[i].body);
    }
    free(plan->actions);
    plan_forget_subject(plan);
    memset(plan, 0, sizeof(*plan));
}

static void plan_member_name(struct buf *out, const char *name)
{
    if (out->len && out->data[out->len - 1] != '{')
        buf_append_byte(out, ',');
    json_write_string(out, slice_str(name));
    buf_append_byte(out, ':');
}

void plan_member(struct buf *out, const char *name, struct slice text)
{
    plan_member_name(out, name);
    json_write_string(out, text);
}

void plan_member_raw(struct buf *out, const char *name, struct slice raw)
{
    plan_member_name(out, name);
    buf_append_slice(out, raw);
}

void plan_member_int(struct buf *out, const char *name, int64_t value)
{
    plan_member_name(out, name);
    buf_printf(out, "%lld", (long long)value);
}

void plan_list_without(struct buf *out, struct slice list, const char *text)
{
    struct scan_cursor at = scan_open(list);
    struct slice value;
    bool first = true;

    buf_append_byte(out, '[');
    while (scan_element(&at, &value)) {
        if (scan_text_is(value, text))
            continue;
        if (!first)
            buf_append_byte(out, ',');
        buf_append_slice(out, value);
        first = false;
    }
    buf_append_byte(out, ']');
}

/* The name as it was read. */
static void plan_map_member(struct buf *out, struct slice name, struct slice raw)
{
    if (out->len && out->data[out->len - 1] != '{')
        buf_append_byte(out, ',');
    buf_append_byte(out, '"');
    buf_append_slice(out, name);
    buf_append_str(out, "\":");
    buf_append_slice(out, raw);
}

static bool plan_map_is_own(struct slice name, const struct plan_own *own, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is(name, own[i].name))
            return true;
    return false;
}

void plan_map(struct buf *out, struct slice from, const struct plan_own *own, size_t count)
{
    struct scan_cursor at = scan_open(from);
    struct slice name;
    struct slice value;

    buf_append_byte(out, '{');
    for (size_t i = 0; i < count; i++)
        if (own[i].text.data)
            plan_member(out, own[i].name, own[i].text);
    while (scan_member(&at, &name, &value))
        if (!plan_map_is_own(name, own, count))
            plan_map_member(out, name, value);
    buf_append_byte(out, '}');
}

void plan_map_patch(struct buf *out, struct slice wanted, struct slice stored)
{
    struct scan_cursor at = scan_open(stored);
    struct slice name;
    struct slice value;

    buf_append(out, wanted.data, wanted.len - 1);
    while (scan_member(&at, &name, &value))
        if (!view_member_of(wanted, name).data)
            plan_map_member(out, name, SLICE_LIT("null"));
    buf_append_byte(out, '}');
}
