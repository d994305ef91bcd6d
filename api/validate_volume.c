/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes: exactly one source, and what the sources that Knarr knows need. */
#include "api/validate_internal.h"

#include "api/quantity.h"

#define MODE_MAX 0777

static void check_volume(const struct rule_site *s)
{
    struct value_iter it = value_iter_start(s->object);
    size_t sources = 0;
    struct slice name;
    struct value *source;

    while (value_iter_next(&it, &name, &source))
        if (!slice_is(name, "name") && sources++ > 0) {
            char *text CLEANUP_FREE = slice_dup(name);

            report_forbidden(s->v, VFIELD(s->at, text), "may not specify more than 1 volume type");
        }
    if (!sources)
        report_required(s->v, s->at, "must specify a volume type");
}

static void check_mode(struct validator *v, const struct vpath *at, const struct value *mode)
{
    if (mode && (value_int(mode) < 0 || value_int(mode) > MODE_MAX))
        report_invalid(v, at, mode, "must be a number between 0 and 0777 (octal), both inclusive");
}

static void check_default_mode(const struct rule_site *s)
{
    check_mode(s->v, s->at, s->value);
}

static void check_key_to_path(const struct rule_site *s)
{
    struct slice path = value_string(value_get(s->object, "path"));

    check_local_path(s->v, VFIELD(s->at, "path"), path);
    if (slice_starts(path, SLICE_LIT("..")))
        report_invalid_text(s->v, VFIELD(s->at, "path"), path, "must not start with '..'");
    check_mode(s->v, VFIELD(s->at, "mode"), value_get(s->object, "mode"));
}

static void check_host_path(const struct rule_site *s)
{
    static const char *const types[] = {"",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
                                        "File", "FileOrCreate", "Socket",     NULL};
    struct slice path = value_string(value_get(s->object, "path"));
    struct slice part;

    while (slice_split(&path, '/', &part))
        if (slice_is(part, "..")) {
            report_invalid(s->v, VFIELD(s->at, "path"), value_get(s->object, "path"), "must not contain '..'");
            break;
        }
    (void)check_one_of(s->v, VFIELD(s->at, "type"), value_string(value_get(s->object, "type")), types);
}

static void check_empty_dir(const struct rule_site *s)
{
    const struct value *limit = value_get(s->object, "sizeLimit");
    struct quantity q;

    if (limit && quantity_parse(value_string(limit), &q, NULL) == 0 && q.nano < 0)
        report_forbidden(s->v, VFIELD(s->at, "sizeLimit"), "SizeLimit field must be a valid resource quantity");
}

static void check_secret_source(const struct rule_site *s)
{
    if (!value_string(value_get(s->object, "secretName")).len)
        report_required(s->v, VFIELD(s->at, "secretName"), NULL);
}

static void check_config_map_source(const struct rule_site *s)
{
    if (!value_string(value_get(s->object, "name")).len)
        report_required(s->v, VFIELD(s->at, "name"), NULL);
}

static void check_projection(const struct rule_site *s)
{
    if (value_count(s->object) > 1)
        report_forbidden(s->v, s->at, "may not specify more than 1 volume type per source");
}

/* Of a projected token and of a request for one. */
static void check_token_life(const struct rule_site *s)
{
    const struct value *seconds = value_get(s->object, "expirationSeconds");

    if (seconds && value_int(seconds) < 600)
        report_invalid(s->v, VFIELD(s->at, "expirationSeconds"), seconds,
                       "may not specify a duration less than 10 minutes");
    if (value_int(seconds) > (int64_t)1 << 32)
        report_invalid(s->v, VFIELD(s->at, "expirationSeconds"), seconds,
                       "may not specify a duration larger than 2^32 seconds");
}

static void check_token_projection(const struct rule_site *s)
{
    check_token_life(s);
    check_local_path(s->v, VFIELD(s->at, "path"), value_string(value_get(s->object, "path")));
}

static void check_downward_file(const struct rule_site *s)
{
    bool field = value_get(s->object, "fieldRef") != NULL;
    bool resource = value_get(s->object, "resourceFieldRef") != NULL;
    static const char *const paths[] = {"metadata.annotations", "metadata.labels", "metadata.name",
                                        "metadata.namespace",   "metadata.uid",    NULL};
    const struct vpath *at = s->at->up->up; /* of the volume: upstream names no item */

    check_field_ref(s->v, VFIELD(at, "fieldRef"), value_get(s->object, "fieldRef"), paths);
    if (!value_string(value_get(s->object, "path")).len)
        report_required(s->v, VFIELD(at, "path"), NULL);
    check_local_path(s->v, VFIELD(at, "path"), value_string(value_get(s->object, "path")));
    check_mode(s->v, VFIELD(at, "mode"), value_get(s->object, "mode"));
    if (resource && !value_string(value_path(s->object, "resourceFieldRef", "containerName", NULL)).len)
        report_required(s->v, VFIELD(VFIELD(at, "resourceFieldRef"), "containerName"), NULL);
    check_resource_ref(s->v, VFIELD(at, "resourceFieldRef"), value_get(s->object, "resourceFieldRef"));
    if (field && resource)
        report_invalid_text(s->v, at, SLICE_LIT("resource"),
                            "fieldRef and resourceFieldRef can not be specified simultaneously");
    else if (!field && !resource)
        report_required(s->v, at, "one of fieldRef and resourceFieldRef is required");
}

static void check_nfs(const struct rule_site *s)
{
    struct slice path = value_string(value_get(s->object, "path"));

    if (!check_absolute_path(path))
        report_invalid_text(s->v, VFIELD(s->at, "path"), path, "must be an absolute path");
}

static void check_csi(const struct rule_site *s)
{
    struct slice driver = value_string(value_get(s->object, "driver"));

    (void)check_name(s->v, VFIELD(s->at, "driver"), driver, validate_dns1123_subdomain);
}

static const struct rule rules[] = {
    {"Volume", NULL, check_volume},
    {"HostPathVolumeSource", NULL, check_host_path},
    {"EmptyDirVolumeSource", NULL, check_empty_dir},
    {"SecretVolumeSource", "defaultMode", check_default_mode},
    {"SecretVolumeSource", NULL, check_secret_source},
    {"ConfigMapVolumeSource", "defaultMode", check_default_mode},
    {"ConfigMapVolumeSource", NULL, check_config_map_source},
    {"DownwardAPIVolumeSource", "defaultMode", check_default_mode},
    {"ProjectedVolumeSource", "defaultMode", check_default_mode},
    {"KeyToPath", NULL, check_key_to_path},
    {"VolumeProjection", NULL, check_projection},
    {"ServiceAccountTokenProjection", NULL, check_token_projection},
    {"TokenRequestSpec", NULL, check_token_life},
    {"DownwardAPIVolumeFile", NULL, check_downward_file},
    {"NFSVolumeSource", NULL, check_nfs},
    {"CSIVolumeSource", NULL, check_csi},
};
const struct rule_set validate_rules_volume = {rules, ARRAY_SIZE(rules)};
