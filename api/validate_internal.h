/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of validation share: the place in the object (a path on the stack, written out only when something is
 * wrong there), the ways to report, and the tables of rules.
 */
#ifndef KNARR_API_VALIDATE_INTERNAL_H
#define KNARR_API_VALIDATE_INTERNAL_H

#include "api/validate.h"

#define VALIDATE_CAUSES_MAX 500 /* more help nobody */
#define VALIDATE_RULES_MAX  320

/* One step of a path; `up` NULL = the whole object. */
enum vpath_step { VPATH_FIELD, VPATH_INDEX, VPATH_KEY };
struct vpath {
    const struct vpath *up;
    enum vpath_step step;
    struct slice name; /* of a field or a key */
    size_t index;
};
#define VFIELD(parent, text)  (&(struct vpath){.up = (parent), .step = VPATH_FIELD, .name = slice_str(text)})
#define VINDEX(parent, place) (&(struct vpath){.up = (parent), .step = VPATH_INDEX, .index = (place)})
#define VKEY(parent, text)    (&(struct vpath){.up = (parent), .step = VPATH_KEY, .name = (text)})

struct validator {
    const struct schema_kind *kind;
    const struct value *object;
    const struct value *old; /* NULL on creation */
    const char *subresource;
    struct error *err;  /* collects causes */
    bool of_status;     /* the status alone is judged */
    bool is_definition; /* of custom resources: custom_place says where its fields are told of */
    uint32_t common;    /* which rows of its table hold there */
};

/* A rule runs at the turn of `field` in objects of `type` (field NULL: after all fields). */
struct rule_site {
    struct validator *v;
    const struct value *object; /* of that type; NULL when an empty one stands for a missing one */
    const struct value *old;    /* the same in the stored object, where that can be told */
    const struct value *value;  /* the field's (NULL = absent), or the object */
    const struct vpath *at;     /* where `value` is */
};
struct rule {
    const char *type; /* or, where several groups have it, "rbac.v1.Subject" */
    const char *field;
    void (*check)(const struct rule_site *site);
};

/* The rules of one file. validate.c lists the files. */
struct rule_set {
    const struct rule *rules;
    size_t count;
};
extern const struct rule_set validate_rules_pod, validate_rules_container, validate_rules_volume,
    validate_rules_scheduling, validate_rules_workload, validate_rules_core, validate_rules_service,
    validate_rules_node, validate_rules_other, validate_rules_rbac, validate_rules_security, validate_rules_networking,
    validate_rules_admission, validate_rules_policy, validate_rules_quota, validate_rules_apps, validate_rules_batch,
    validate_rules_persistent, validate_rules_storage, validate_rules_autoscaling, validate_rules_flowcontrol,
    validate_rules_registration, validate_rules_resource, validate_rules_custom, validate_rules_endpoints,
    validate_rules_windows;

/* For the test that walks the table: NULL after the last. */
const struct rule *validate_rule_at(size_t index);

/* Causes. `why` NULL = upstream's bare sentence. Values are shown as upstream shows them: JSON. */
void report_invalid(struct validator *v, const struct vpath *at, const struct value *bad, const char *why);
void report_invalid_text(struct validator *v, const struct vpath *at, struct slice bad, const char *why);
void report_required(struct validator *v, const struct vpath *at, const char *why);
void report_forbidden(struct validator *v, const struct vpath *at, const char *why);
void report_duplicate(struct validator *v, const struct vpath *at, const struct value *bad);
void report_duplicate_text(struct validator *v, const struct vpath *at, struct slice bad);
void report_not_found(struct validator *v, const struct vpath *at, struct slice bad);
void report_too_long(struct validator *v, const struct vpath *at, size_t max_bytes);
void report_too_many(struct validator *v, const struct vpath *at, size_t count, size_t max);
void report_not_supported_value(struct validator *v, const struct vpath *at, const struct value *bad,
                                const char *const *values);
/* A value of JSON type `got` where `wanted` must be; of custom resources. */
void report_type_invalid(struct validator *v, const struct vpath *at, const char *got, const char *place,
                         const char *wanted);
/* The same as report_not_supported with values of any type. */
void report_not_listed(struct validator *v, const struct vpath *at, const struct value *bad,
                       const struct value *values);
void report_not_supported(struct validator *v, const struct vpath *at, struct slice bad, const char *const *values);
/* Appends "spec.containers[0].name". */
void vpath_write(const struct vpath *at, struct buf *out);

/* Each reports at `at` and returns whether all was well. An absent number or text passes. */

bool check_name(struct validator *v, const struct vpath *at, struct slice text, const char *(*rule)(struct slice s));
bool check_range(struct validator *v, const struct vpath *at, const struct value *number, int64_t low, int64_t high);
bool check_not_negative(struct validator *v, const struct vpath *at, const struct value *number);
bool check_one_of(struct validator *v, const struct vpath *at, struct slice text, const char *const *values);
bool check_ip(struct validator *v, const struct vpath *at, struct slice text);
/* An address that packets from elsewhere can reach: not of a loopback, a link or nothing. What is no address passes. */
void check_usable_ip(struct validator *v, const struct vpath *at, struct slice text);
/* ADDRESS/LENGTH */
bool check_range_text(struct validator *v, const struct vpath *at, struct slice text);
bool check_absolute_path(struct slice path);
/* No '..' between slashes, and relative. */
void check_local_path(struct validator *v, const struct vpath *at, struct slice path);

/* Pieces that several files need. */
void check_labels(struct validator *v, const struct vpath *at, const struct value *labels);
void check_annotations(struct validator *v, const struct vpath *at, const struct value *annotations);
void check_label_selector(struct validator *v, const struct vpath *at, const struct value *selector);
void check_metadata(struct validator *v);
/* A custom resource against the schema of its version. */
void check_structural(struct validator *v, const struct structural *schema);
/* And the places where its definition says that its replicas are. */
void check_custom_scale(struct validator *v);
/* Any value against a schema; what is found is told at `at`. *steps are left, STRUCTURAL_STEPS_MAX at first. */
void check_structural_value(struct validator *v, const struct structural *schema, const struct value *value,
                            const struct vpath *at, int64_t *steps);
/* Whether an update of a definition leaves its versions as they were: they are not judged again, so that one that
 * passed before rules were stricter can be changed otherwise, and deleted. */
bool custom_is_same(const struct validator *v);
/* To be called first of a definition. */
void custom_start(struct validator *v);
/* Where upstream tells of `field` in an object of `type` at `up` of a definition; NULL = it was told of in an earlier
 * version. The place is made in *step. */
const struct vpath *custom_place(const struct validator *v, const char *type, const struct vpath *up, const char *field,
                                 struct vpath *step);
/* Rule: the openAPIV3Schema of a definition. */
void check_custom_schema(const struct rule_site *site);
void check_pod_update(struct validator *v);
struct map;
/* One of spec.ephemeralContainers, `at`; `targets` has the names of whom it may look into. */
void check_ephemeral_container(const struct rule_site *s, const struct map *targets, const struct vpath *at,
                               const struct value *container);
/* A write of the subresource `ephemeralcontainers`: what is there stays as it is. */
void check_ephemeral_update(struct validator *v);
/* A write of the subresource `resize`. */
void check_pod_resize(struct validator *v);
/* What a container says of changes of its resources; `restart` is its pod's policy. */
void check_resize_policy(struct validator *v, const struct vpath *at, const struct value *container,
                         struct slice restart);
/* A pod template's restart policy and deadline: of pods that are started again for ever. `owner` is named. */
void check_lasting_template(struct validator *v, const struct vpath *at, const struct value *template_,
                            const char *owner);
/* Reports when `selector` (a LabelSelector or nothing) does not match the labels of the template. */
void check_template_labels(struct validator *v, const struct vpath *spec, const struct value *selector,
                           const struct value *template_);
/* A field that was set may not change. */
void check_fixed(const struct rule_site *s, const char *field);
/* The spec of a claim, wherever it stands. */
void check_claim_spec(struct validator *v, const struct vpath *at, const struct value *spec);
/* fieldRef of the downward API, in one of these paths; resourceFieldRef. */
void check_field_ref(struct validator *v, const struct vpath *at, const struct value *ref, const char *const *paths);
void check_resource_ref(struct validator *v, const struct vpath *at, const struct value *ref);
void check_quantity(struct validator *v, const struct vpath *at, const struct value *quantity);
/* A map of resources and how much of them. */
void check_resource_amounts(struct validator *v, const struct vpath *at, const struct value *amounts);
/* cpu, memory and the like; names that only quotas know (pods, requests.cpu ...). */
bool resource_is_standard(struct slice name);
bool resource_is_of_quotas(struct slice name);
/* Whether it is 0 or "0%"; whether it is above "100%". */
bool int_or_percent_is_zero(const struct value *number);
bool int_or_percent_is_above_all(const struct value *number);
void check_int_or_percent(struct validator *v, const struct vpath *at, const struct value *number);
/* A number from 1 to 65535 or the name of a port. */
void check_port_or_name(struct validator *v, const struct vpath *at, const struct value *port);

/* Keys of ConfigMaps and Secrets, environment variables, named ports: NULL or upstream's sentence, as in validate.h. */
/* What upstream says of a qualified name besides, where its name part is empty. */
const char *validate_qualified_name_more(struct slice s);
const char *validate_config_key(struct slice s);
const char *validate_env_name(struct slice s);
const char *validate_port_name(struct slice s);
/* What upstream says of the name of a port besides `said`, if anything. */
const char *validate_port_name_more(struct slice s, const char *said);

#endif
