/* SPDX-License-Identifier: Apache-2.0 */
/* ConfigMaps, Secrets, Namespaces, Events: kinds whose rules are about keys, sizes and what may not change. */
#include "api/validate_internal.h"

#include "lib/encoding.h"

#define EVENT_TEXT_MAX    128
#define EVENT_MESSAGE_MAX 1024
#define DATA_MAX          (1u << 20) /* bytes of values, decoded */

/* Keys of a data map; returns the bytes of its values. `encoded`: they are base64. */
static size_t check_data(struct validator *v, const char *name, const struct value *data, bool encoded)
{
    struct value_iter it = value_iter_start(data);
    const struct vpath *at = VFIELD(NULL, name);
    size_t total = 0;
    struct slice key;
    struct value *value;

    while (value_iter_next(&it, &key, &value)) {
        size_t len = value_string(value).len;

        (void)check_name(v, VKEY(at, key), key, validate_config_key);
        total += encoded ? len / 4 * 3 : len;
    }
    return total;
}

/* What stands in data and binaryData both. */
static void check_overlap(struct validator *v, const struct value *data, const struct value *binary)
{
    struct value_iter it = value_iter_start(data);
    struct slice key;
    struct value *value;

    while (value_iter_next(&it, &key, &value))
        if (value_get_slice(binary, key))
            report_invalid_text(v, VKEY(VFIELD(NULL, "data"), key), key, "duplicate of key present in binaryData");
}

/* With `immutable` set neither it nor the data may change. */
static void check_frozen(struct validator *v)
{
    static const char *const fields[] = {"immutable", "data", "binaryData"};

    if (!value_bool(value_get(v->old, "immutable")))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const struct value *now = value_get(v->object, fields[i]);
        const struct value *before = value_get(v->old, fields[i]);

        if (!value_equal(now, before) && (i == 0 || value_count(now) || value_count(before)))
            report_forbidden(v, VFIELD(NULL, fields[i]), "field is immutable when `immutable` is set");
    }
}

static void check_config_map(const struct rule_site *s)
{
    const struct value *data = value_get(s->object, "data");
    const struct value *binary = value_get(s->object, "binaryData");
    size_t total = check_data(s->v, "data", data, false) + check_data(s->v, "binaryData", binary, true);

    check_overlap(s->v, data, binary);
    if (total > DATA_MAX)
        report_too_long(s->v, NULL, DATA_MAX);
    check_frozen(s->v);
}

static void require_key(struct validator *v, const char *key)
{
    if (!value_get(value_get(v->object, "data"), key))
        report_required(v, VKEY(VFIELD(NULL, "data"), slice_str(key)), NULL);
}

/* The text of one key must be JSON; the contents are a secret and not shown. */
static void require_json(struct validator *v, const char *key)
{
    const struct value *encoded = value_get(value_get(v->object, "data"), key);
    const struct vpath *at = VKEY(VFIELD(NULL, "data"), slice_str(key));
    BUF_LOCAL(text);
    ERROR_LOCAL(err);

    require_key(v, key);
    if (!encoded || !base64_decode(&text, value_string(encoded)))
        return;
    struct value *parsed CLEANUP_VALUE = value_parse_lenient(buf_slice(&text), &err);

    if (!parsed)
        report_invalid_text(v, at, SLICE_LIT("<secret contents redacted>"), error_text(&err));
}

static void check_docker_config(struct validator *v)
{
    require_json(v, ".dockercfg");
}

static void check_docker_config_json(struct validator *v)
{
    require_json(v, ".dockerconfigjson");
}

static void check_tls(struct validator *v)
{
    require_key(v, "tls.crt");
    require_key(v, "tls.key");
}

/* One of the two is enough. */
static void check_basic_auth(struct validator *v)
{
    const struct value *data = value_get(v->object, "data");

    if (value_get(data, "username") || value_get(data, "password"))
        return;
    require_key(v, "username");
    require_key(v, "password");
}

static void check_ssh_auth(struct validator *v)
{
    require_key(v, "ssh-privatekey");
}

static void check_token_secret(struct validator *v)
{
    static const char annotation[] = "kubernetes.io/service-account.name";
    const struct value *annotations = value_path(v->object, "metadata", "annotations", NULL);

    if (!value_string(value_get(annotations, annotation)).len)
        report_required(v, VKEY(VFIELD(VFIELD(NULL, "metadata"), "annotations"), slice_str(annotation)), NULL);
}

static void check_secret_type(struct validator *v)
{
    static const struct {
        const char *type;
        void (*check)(struct validator *v);
    } types[] = {
        {"kubernetes.io/dockercfg", check_docker_config},
        {"kubernetes.io/dockerconfigjson", check_docker_config_json},
        {"kubernetes.io/tls", check_tls},
        {"kubernetes.io/basic-auth", check_basic_auth},
        {"kubernetes.io/ssh-auth", check_ssh_auth},
        {"kubernetes.io/service-account-token", check_token_secret},
    };
    struct slice type = value_string(value_get(v->object, "type"));

    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (slice_is(type, types[i].type))
            types[i].check(v);
}

static void check_secret(const struct rule_site *s)
{
    if (check_data(s->v, "data", value_get(s->object, "data"), true) > DATA_MAX)
        report_too_long(s->v, VFIELD(NULL, "data"), DATA_MAX);
    check_secret_type(s->v);
    check_frozen(s->v);
}

static void check_namespace_finalizers(const struct rule_site *s)
{
    for (size_t i = 0; i < value_count(s->value); i++) {
        struct slice name = value_string(value_at(s->value, i));
        /* Upstream counts them at the end of their lives only. */
        const struct vpath *at = strcmp(s->v->subresource, "finalize") != 0 ? s->at : VINDEX(s->at, i);

        (void)check_name(s->v, at, name, validate_qualified_name);
        if (slice_find(name, '/') < 0 && !slice_is(name, "kubernetes"))
            report_invalid_text(s->v, at, name, "name is neither a standard finalizer name nor is it fully qualified");
    }
}

/* An event lies in the namespace of what it is about; those about cluster-wide objects lie in "default". */
static void check_event(const struct rule_site *s)
{
    struct slice namespace_name = value_string(value_path(s->object, "metadata", "namespace", NULL));
    struct slice involved = value_string(value_path(s->object, "involvedObject", "namespace", NULL));
    const struct vpath *at = VFIELD(VFIELD(NULL, "involvedObject"), "namespace");

    if (!involved.len) {
        if (!slice_is(namespace_name, "default") && !slice_is(namespace_name, "kube-system"))
            report_invalid_text(s->v, at, involved, "does not match event.namespace");
    } else if (!slice_equal(involved, namespace_name)) {
        report_invalid_text(s->v, at, involved, "does not match event.namespace");
    }
}

static void check_event_text(struct validator *v, const char *field, const struct value *text)
{
    if (!value_string(text).len)
        report_required(v, VFIELD(NULL, field), NULL);
    else if (value_string(text).len > EVENT_TEXT_MAX)
        report_invalid_text(v, VFIELD(NULL, field), SLICE_NONE, "can have at most 128 characters");
}

/* Who uses events.k8s.io says more, and nothing in the older form. The fields go by the names they are stored under, as
 * in upstream's answers. */
static void check_newer_event(const struct rule_site *s)
{
    static const char *const older[] = {"firstTimestamp", "lastTimestamp", "count", "source"};
    static const char *const texts[] = {"reportingInstance", "action", "reason"};
    struct slice type = value_string(value_get(s->object, "type"));
    struct slice reporter = value_string(value_get(s->object, "reportingComponent"));

    if (!reporter.len)
        report_required(s->v, VFIELD(NULL, "reportingController"), NULL);
    else
        (void)check_name(s->v, VFIELD(NULL, "reportingController"), reporter, validate_qualified_name);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        check_event_text(s->v, texts[i], value_get(s->object, texts[i]));
    if (value_string(value_get(s->object, "message")).len > EVENT_MESSAGE_MAX)
        report_invalid_text(s->v, VFIELD(NULL, "message"), SLICE_NONE, "can have at most 1024 characters");
    if (!value_string(value_get(s->object, "eventTime")).len)
        report_required(s->v, VFIELD(NULL, "eventTime"), NULL);
    if (!slice_is(type, "Normal") && !slice_is(type, "Warning")) {
        char *why CLEANUP_FREE = mem_printf("has invalid value: %.*s", SLICE_ARGS(type));

        report_invalid_text(s->v, VFIELD(NULL, "type"), SLICE_NONE, why);
    }
    for (size_t i = 0; i < ARRAY_SIZE(older); i++) {
        const struct value *v = value_get(s->object, older[i]);

        if (value_string(v).len || value_int(v) || value_count(v))
            report_invalid_text(s->v, VFIELD(NULL, older[i]), SLICE_NONE, "needs to be unset");
    }
}

static const struct rule rules[] = {
    {"ConfigMap", NULL, check_config_map},
    {"Secret", NULL, check_secret},
    {"NamespaceSpec", "finalizers", check_namespace_finalizers},
    {"core.v1.Event", NULL, check_event},
    {"events.v1.Event", NULL, check_newer_event},
};
const struct rule_set validate_rules_core = {rules, ARRAY_SIZE(rules)};
