/* SPDX-License-Identifier: Apache-2.0 */
/* Every namespace has a ConfigMap with the certificate that pods verify the API server with; keys are namespaces. */
#include "controllers/rows.h"

#include "lib/encoding.h"

#define ROOT_CA_NAME "kube-root-ca.crt"

static void root_ca_write_data(struct buf *body, struct slice ca)
{
    buf_append_str(body, "\"data\":{");
    plan_member(body, "ca.crt", ca);
    buf_append_byte(body, '}');
}

void root_ca_plan(const struct view *ns, const struct view *configmap, struct slice ca, struct plan *plan)
{
    struct action *action;
    BUF_LOCAL(scratch);

    if (!ns || view_deleting(ns) || !ca.len)
        return;
    if (configmap && slice_equal(scan_text(view_raw(configmap, CONFIGMAP_CA), &scratch), ca))
        return;
    action = plan_add(plan, configmap ? ACTION_PATCH : ACTION_CREATE, &view_configmaps, view_text(ns, VIEW_NAME),
                      SLICE_LIT(ROOT_CA_NAME));
    if (configmap) {
        buf_append_byte(&action->body, '{');
    } else {
        action->flags = ACTION_EXISTS_IS_FINE;
        buf_append_str(&action->body,
                       "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"" ROOT_CA_NAME "\"");
        plan_member(&action->body, "namespace", view_text(ns, VIEW_NAME));
        buf_append_str(&action->body, "},");
    }
    root_ca_write_data(&action->body, ca);
    buf_append_byte(&action->body, '}');
}

static void root_ca_map(struct run *run, const struct view *before, const struct view *now)
{
    const struct view *v = now ? now : before;

    if (slice_is(view_text(v, VIEW_NAME), ROOT_CA_NAME))
        run_add(run, view_text(v, VIEW_NAMESPACE));
}

static void root_ca_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    root_ca_plan(run_get_key(run, &view_namespaces, key), run_get(run, &view_configmaps, key, SLICE_LIT(ROOT_CA_NAME)),
                 run_options(run)->root_ca, plan);
}

const struct controller root_ca_controller = {
    .name = "root-ca-cert-publisher",
    .watches = {{&view_namespaces, map_own}, {&view_configmaps, root_ca_map}},
    .reconcile = root_ca_reconcile,
};
