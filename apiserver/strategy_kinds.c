/* SPDX-License-Identifier: Apache-2.0 */
/* What small kinds do at a write: Jobs select their pods by their own uid, unless their user looks after the selector;
 * DaemonSets count the changes of their template in an annotation, as clients expect; a volume says since when it is in
 * its phase; a claim has its source in both fields. */
#include "apiserver/strategy.h"

#define TEMPLATE_GENERATION "deprecated.daemonset.template.generation"

/* The older names of the labels, and the newer. */
static void job_label(struct value *labels, const char *name, const char *uid)
{
    value_set_str(labels, "job-name", name);
    value_set_str(labels, "batch.kubernetes.io/job-name", name);
    value_set_str(labels, "controller-uid", uid);
    value_set_str(labels, "batch.kubernetes.io/controller-uid", uid);
}

void job_prepare_create(struct request *req, struct value *object)
{
    static const char by_uid[] = "batch.kubernetes.io/controller-uid";
    struct value *metadata = value_need_object(object, "metadata");
    struct value *spec = value_need_object(object, "spec");
    struct value *template_meta = value_need_object(value_need_object(spec, "template"), "metadata");
    const char *name = value_str(value_get(metadata, "name"));
    const char *uid = value_str(value_get(metadata, "uid"));
    struct value *wanted;
    bool follows;

    if (value_bool(value_get(spec, "manualSelector")) || !name || !uid)
        return;
    /* Labels that the Job has from its template it has all of. */
    follows = !value_count(value_get(metadata, "labels")) ||
              value_equal(value_get(metadata, "labels"), value_get(template_meta, "labels"));
    job_label(value_need_object(template_meta, "labels"), name, uid);
    if (follows)
        value_set(metadata, "labels", value_copy(value_get(template_meta, "labels")));
    wanted = value_need_object(value_need_object(spec, "selector"), "matchLabels");
    if (!value_get(wanted, by_uid))
        value_set_str(wanted, by_uid, uid);
}

static void daemon_set_generation(struct value *object, int64_t number)
{
    struct value *annotations = value_need_object(value_need_object(object, "metadata"), "annotations");
    char *text CLEANUP_FREE = mem_printf("%lld", (long long)number);

    value_set_str(annotations, TEMPLATE_GENERATION, text);
}

void daemon_prepare_create(struct request *req, struct value *object)
{
    daemon_set_generation(object, 1);
}

int daemon_prepare_update(struct request *req, struct value *object, const struct value *old, const char *sub,
                          struct error *err)
{
    const struct value *was = value_path(old, "metadata", "annotations", TEMPLATE_GENERATION, NULL);
    int64_t number = 0;

    if (*sub)
        return 0;
    (void)slice_to_int64(value_string(was), &number);
    default_apply(req->kind, object); /* what is left out is no change */
    if (!value_equal(value_path(object, "spec", "template", NULL), value_path(old, "spec", "template", NULL)))
        number++;
    daemon_set_generation(object, number);
    return 0;
}

void volume_prepare_create(struct request *req, struct value *object)
{
    struct value *status = value_need_object(object, "status");

    value_set_str(status, "phase", "Pending");
    value_set_str(status, "lastPhaseTransitionTime", request_now(req));
}

int volume_prepare_update(struct request *req, struct value *object, const struct value *old, const char *sub,
                          struct error *err)
{
    const struct value *was = value_get(old, "status");
    struct value *status = value_need_object(object, "status");

    if (!strcmp(sub, "status") && !value_equal(value_get(status, "phase"), value_get(was, "phase")) &&
        value_equal(value_get(status, "lastPhaseTransitionTime"), value_get(was, "lastPhaseTransitionTime")))
        value_set_str(status, "lastPhaseTransitionTime", request_now(req));
    return 0;
}

static bool claim_source_is_known(const struct value *source)
{
    struct slice group = value_string(value_get(source, "apiGroup"));
    struct slice kind = value_string(value_get(source, "kind"));

    return (!group.len && slice_is(kind, "PersistentVolumeClaim")) ||
           (slice_is(group, "snapshot.storage.k8s.io") && slice_is(kind, "VolumeSnapshot"));
}

/* The older field takes claims and snapshots only and forgets anything else; each follows the other. */
void claim_prepare_create(struct request *req, struct value *object)
{
    struct value *spec = value_need_object(object, "spec");
    const struct value *newer = value_get(spec, "dataSourceRef");

    if (!newer && value_get(spec, "dataSource") && !claim_source_is_known(value_get(spec, "dataSource")))
        (void)value_remove(spec, "dataSource");
    if (!newer && value_get(spec, "dataSource"))
        value_set(spec, "dataSourceRef", value_copy(value_get(spec, "dataSource")));
    else if (newer && !value_get(spec, "dataSource") && !value_get(newer, "namespace"))
        value_set(spec, "dataSource", value_copy(newer));
}
