/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs and CronJobs. A Job's selector is made by the server (apiserver/strategy_kinds.c) unless it is the user's own.
 */
#include "api/validate_internal.h"

#include "api/cron.h"
#include "api/selector.h"

#define CRON_NAME_MAX    52 /* the names of its Jobs have 11 more */
#define PARALLELISM_MAX  100000
#define INDEXED_ONLY     "requires indexed completion mode"
#define MANAGER_NAME_MAX 63
#define RULES_MAX        20

static bool is_indexed(const struct value *spec)
{
    return slice_is(value_string(value_get(spec, "completionMode")), "Indexed");
}

static void check_restart(const struct rule_site *s)
{
    static const char *const values[] = {"OnFailure", "Never", NULL};
    const struct vpath *at = VFIELD(VFIELD(VFIELD(s->at, "template"), "spec"), "restartPolicy");
    struct slice restart = value_string(value_path(s->object, "template", "spec", "restartPolicy", NULL));

    if (!restart.len || slice_is(restart, "Always"))
        report_required(s->v, at, "valid values: \"OnFailure\", \"Never\"");
    else if (check_one_of(s->v, at, restart, values) && value_get(s->object, "podFailurePolicy") &&
             !slice_is(restart, "Never"))
        report_invalid_text(s->v, at, restart, "only \"Never\" is supported when podFailurePolicy is specified");
}

static void check_indexed(const struct rule_site *s)
{
    const struct value *parallelism = value_get(s->object, "parallelism");
    const struct value *per_index = value_get(s->object, "backoffLimitPerIndex");
    const struct value *failed = value_get(s->object, "maxFailedIndexes");

    if (is_indexed(s->object)) {
        if (!value_get(s->object, "completions"))
            report_required(s->v, VFIELD(s->at, "completions"), "when completion mode is Indexed");
        if (value_int(parallelism) > PARALLELISM_MAX)
            report_invalid(s->v, VFIELD(s->at, "parallelism"), parallelism,
                           "must be less than or equal to 100000 when completion mode is Indexed");
        if (failed && !per_index)
            report_required(s->v, VFIELD(s->at, "backoffLimitPerIndex"), "when maxFailedIndexes is specified");
        if (failed && value_int(failed) > value_int(value_get(s->object, "completions")))
            report_invalid(s->v, VFIELD(s->at, "maxFailedIndexes"), failed,
                           "must be less than or equal to completions");
        return;
    }
    if (per_index)
        report_invalid(s->v, VFIELD(s->at, "backoffLimitPerIndex"), per_index, INDEXED_ONLY);
    if (failed)
        report_invalid(s->v, VFIELD(s->at, "maxFailedIndexes"), failed, INDEXED_ONLY);
    if (value_get(s->object, "successPolicy"))
        report_invalid(s->v, VFIELD(s->at, "successPolicy"), value_get(s->object, "successPolicy"), INDEXED_ONLY);
}

/* DOMAIN/PATH */
static void check_manager(struct validator *v, const struct vpath *at, struct slice name)
{
    ptrdiff_t slash = slice_find(name, '/');

    if (slash <= 0 || (size_t)slash + 1 == name.len)
        report_invalid_text(v, at, name, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    else
        (void)check_name(v, at, slice_make(name.data, (size_t)slash), validate_dns1123_subdomain);
    if (name.len > MANAGER_NAME_MAX)
        report_too_long(v, at, MANAGER_NAME_MAX);
}

static void check_job_spec(const struct rule_site *s)
{
    static const char *const failed[] = {"Failed", NULL};
    struct slice replacement = value_string(value_get(s->object, "podReplacementPolicy"));
    struct slice manager = value_string(value_get(s->object, "managedBy"));

    check_restart(s);
    check_indexed(s);
    if (value_get(s->object, "podFailurePolicy") && replacement.len)
        (void)check_one_of(s->v, VFIELD(s->at, "podReplacementPolicy"), replacement, failed);
    if (value_get(s->object, "managedBy"))
        check_manager(s->v, VFIELD(s->at, "managedBy"), manager);
}

/* What the server made: the selector asks for the Job's own uid, and the template has it. */
static void check_generated(const struct rule_site *s, const struct value *spec)
{
    static const struct {
        const char *label;
        bool uid;
    } needed[] = {{"controller-uid", true},
                  {"job-name", false},
                  {"batch.kubernetes.io/controller-uid", true},
                  {"batch.kubernetes.io/job-name", false}};
    const struct value *labels = value_path(spec, "template", "metadata", "labels", NULL);
    const struct vpath *at = VFIELD(VFIELD(VFIELD(NULL, "spec"), "template"), "metadata");
    struct value *expected CLEANUP_VALUE = value_new_object();
    struct selector *parsed = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        struct slice want = value_string(value_path(s->object, "metadata", needed[i].uid ? "uid" : "name", NULL));
        const struct value *label = value_get(labels, needed[i].label);
        char *why CLEANUP_FREE = mem_printf("must be '%.*s'", SLICE_ARGS(want));

        value_set(expected, needed[i].label, value_new_string(want));
        if (!label)
            report_required(s->v, VKEY(VFIELD(at, "labels"), slice_str(needed[i].label)), why);
        else if (!slice_equal(value_string(label), want))
            report_invalid(s->v, VKEY(VFIELD(at, "labels"), slice_str(needed[i].label)), label, why);
    }
    if (selector_from_object(value_get(spec, "selector"), &parsed, NULL) < 0)
        return;
    if (!selector_matches_labels(parsed, expected))
        report_invalid(s->v, VFIELD(VFIELD(NULL, "spec"), "selector"), value_get(spec, "selector"),
                       "`selector` not auto-generated");
    selector_free(parsed);
}

/* Where pods of a suspended Job that never ran may go can still be told. */
static bool template_may_move(const struct value *old)
{
    return value_bool(value_path(old, "spec", "suspend", NULL)) && !value_path(old, "status", "startTime", NULL);
}

static void take_over_place(struct value *template_, const struct value *old)
{
    static const char *const spec_fields[] = {"affinity", "nodeSelector", "tolerations", "schedulingGates"};
    static const char *const meta_fields[] = {"annotations", "labels"};
    struct value *spec = value_need_object(template_, "spec");
    struct value *meta = value_need_object(template_, "metadata");

    for (size_t i = 0; i < ARRAY_SIZE(spec_fields); i++) {
        const struct value *was = value_path(old, "spec", spec_fields[i], NULL);

        (void)value_remove(spec, spec_fields[i]);
        if (was)
            value_set(spec, spec_fields[i], value_copy(was));
    }
    for (size_t i = 0; i < ARRAY_SIZE(meta_fields); i++) {
        const struct value *was = value_path(old, "metadata", meta_fields[i], NULL);

        (void)value_remove(meta, meta_fields[i]);
        if (was)
            value_set(meta, meta_fields[i], value_copy(was));
    }
}

static void check_template_change(const struct rule_site *s, const struct vpath *at)
{
    const struct value *now = value_path(s->object, "spec", "template", NULL);
    const struct value *was = value_path(s->old, "spec", "template", NULL);
    struct value *copy CLEANUP_VALUE = now ? value_copy(now) : value_new_object();

    if (template_may_move(s->old))
        take_over_place(copy, was);
    if (!value_equal(copy, was))
        report_invalid(s->v, VFIELD(at, "template"), now, "field is immutable");
}

static void check_job_update(const struct rule_site *s, const struct vpath *at)
{
    static const char *const fixed[] = {"selector",  "completionMode", "podFailurePolicy", "backoffLimitPerIndex",
                                        "managedBy", "successPolicy"};
    const struct value *spec = value_get(s->object, "spec");
    const struct value *was = value_get(s->old, "spec");
    struct rule_site site = {s->v, spec, was, spec, at};

    /* An indexed Job grows and shrinks when both numbers move together. */
    if (!is_indexed(spec) || !value_equal(value_get(spec, "completions"), value_get(spec, "parallelism")))
        check_fixed(&site, "completions");
    check_template_change(s, at);
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        check_fixed(&site, fixed[i]);
}

static void check_job(const struct rule_site *s)
{
    const struct value *spec = value_get(s->object, "spec");
    const struct value *selector = value_get(spec, "selector");
    const struct vpath *at = VFIELD(NULL, "spec");

    if (!selector)
        report_required(s->v, VFIELD(at, "selector"), NULL);
    else
        check_label_selector(s->v, VFIELD(at, "selector"), selector);
    if (selector && !value_bool(value_get(spec, "manualSelector")))
        check_generated(s, spec);
    check_template_labels(s->v, at, selector, value_get(spec, "template"));
    if (s->old)
        check_job_update(s, at);
}

static void check_cron_times(const struct rule_site *s)
{
    const struct value *zone = value_get(s->object, "timeZone");
    struct slice schedule = value_string(s->value);
    const struct vpath *up = s->at->up;
    struct cron cron;
    ERROR_LOCAL(err);

    if (!schedule.len)
        report_required(s->v, s->at, NULL);
    else if (slice_find_text(schedule, SLICE_LIT("TZ")) >= 0)
        report_invalid_text(s->v, s->at, schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
    else if (cron_parse(schedule, &cron, &err) < 0)
        report_invalid_text(s->v, s->at, schedule, error_text(&err));
    if (zone && !value_string(zone).len)
        report_invalid(s->v, VFIELD(up, "timeZone"), zone, "must be nil or non-empty string");
    else if (slice_is(value_string(zone), "Local"))
        report_invalid(s->v, VFIELD(up, "timeZone"), zone,
                       "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
    else if (zone && slice_find_text(value_string(zone), SLICE_LIT("..")) >= 0)
        report_invalid(s->v, VFIELD(up, "timeZone"), zone, "unknown time zone");
}

static void check_cron_spec(const struct rule_site *s)
{
    static const char *const manual[] = {"nil", "false", NULL};
    const struct value *spec = value_path(s->object, "jobTemplate", "spec", NULL);
    const struct vpath *at = VFIELD(VFIELD(s->at, "jobTemplate"), "spec");

    if (value_get(spec, "selector"))
        report_invalid(s->v, VFIELD(at, "selector"), value_get(spec, "selector"), "`selector` will be auto-generated");
    if (value_bool(value_get(spec, "manualSelector")))
        report_not_supported_value(s->v, VFIELD(at, "manualSelector"), value_get(spec, "manualSelector"), manual);
}

static void check_cron_job(const struct rule_site *s)
{
    struct slice name = value_string(value_path(s->object, "metadata", "name", NULL));

    if (!s->old && name.len > CRON_NAME_MAX)
        report_invalid_text(s->v, VFIELD(VFIELD(NULL, "metadata"), "name"), name, "must be no more than 52 characters");
}

static void check_job_template(const struct rule_site *s)
{
    const struct value *meta = value_get(s->object, "metadata");

    check_labels(s->v, VFIELD(VFIELD(s->at, "metadata"), "labels"), value_get(meta, "labels"));
    check_annotations(s->v, VFIELD(VFIELD(s->at, "metadata"), "annotations"), value_get(meta, "annotations"));
}

static void check_success_policy(const struct rule_site *s)
{
    const struct value *list = value_get(s->object, "rules");

    if (!value_count(list))
        report_required(s->v, VFIELD(s->at, "rules"),
                        "at least one rules must be specified when the successPolicy is specified");
    else if (value_count(list) > RULES_MAX)
        report_too_many(s->v, VFIELD(s->at, "rules"), value_count(list), RULES_MAX);
}

static void check_failure_policy(const struct rule_site *s)
{
    const struct value *list = value_get(s->object, "rules");

    if (value_count(list) > RULES_MAX)
        report_too_many(s->v, VFIELD(s->at, "rules"), value_count(list), RULES_MAX);
    for (size_t i = 0; i < value_count(list) && i < RULES_MAX; i++) {
        const struct value *rule = value_at(list, i);
        bool codes = value_get(rule, "onExitCodes") != NULL;
        bool conditions = value_count(value_get(rule, "onPodConditions")) != 0;

        if (codes && conditions)
            report_invalid(s->v, VINDEX(VFIELD(s->at, "rules"), i), rule,
                           "specifying both OnExitCodes and OnPodConditions is not supported");
        else if (!codes && !conditions)
            report_invalid(s->v, VINDEX(VFIELD(s->at, "rules"), i), rule,
                           "specifying one of OnExitCodes and OnPodConditions is required");
    }
}

static const struct rule rules[] = {
    {"Job", NULL, check_job},
    {"JobSpec", NULL, check_job_spec},
    {"JobTemplateSpec", NULL, check_job_template},
    {"SuccessPolicy", NULL, check_success_policy},
    {"PodFailurePolicy", NULL, check_failure_policy},
    {"CronJob", NULL, check_cron_job},
    {"CronJobSpec", "schedule", check_cron_times},
    {"CronJobSpec", NULL, check_cron_spec},
};
const struct rule_set validate_rules_batch = {rules, ARRAY_SIZE(rules)};
