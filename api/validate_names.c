/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules for names, each as a scan over bytes and the sentence that upstream answers when it is broken
 * (apimachinery's util/validation of 1.35). The longest sentence wins nothing: where upstream gives several, the first.
 */
#include "api/validate_internal.h"

#define LABEL_MAX     63
#define SUBDOMAIN_MAX 253

#define TOO_LONG(n)  "must be no more than " #n " bytes"
#define QUALIFIED_RE "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'"
#define NAME_PART                                                                                                      \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character " \
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is " QUALIFIED_RE ")"
#define SUBDOMAIN_MESSAGE                                                                                              \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "   \
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "                        \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower_alnum(char c)
{
    return is_lower(c) || is_digit(c);
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* [a-z0-9]([-a-z0-9]*[a-z0-9])? */
static bool label_fits(struct slice s)
{
    if (!s.len || !is_lower_alnum(s.data[0]) || !is_lower_alnum(s.data[s.len - 1]))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!is_lower_alnum(s.data[i]) && s.data[i] != '-')
            return false;
    return true;
}

static bool subdomain_fits(struct slice s)
{
    struct slice rest = s.data ? s : SLICE_LIT("");
    struct slice part;

    while (slice_split(&rest, '.', &part))
        if (!label_fits(part))
            return false;
    return true;
}

/* ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9] */
static bool qualified_part_fits(struct slice s)
{
    if (!s.len || !is_alnum(s.data[0]) || !is_alnum(s.data[s.len - 1]))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!is_alnum(s.data[i]) && !strchr("-_.", s.data[i]))
            return false;
    return memchr(s.data, '\0', s.len) == NULL;
}

const char *validate_dns1123_label(struct slice s)
{
    if (s.len > LABEL_MAX)
        return TOO_LONG(63);
    if (label_fits(s))
        return NULL;
    if (subdomain_fits(s))
        return "must not contain dots";
    return "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
           "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
           "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
}

const char *validate_dns1123_subdomain(struct slice s)
{
    if (s.len > SUBDOMAIN_MAX)
        return TOO_LONG(253);
    return subdomain_fits(s) ? NULL : SUBDOMAIN_MESSAGE;
}

const char *validate_dns1035_label(struct slice s)
{
    if (s.len > LABEL_MAX)
        return TOO_LONG(63);
    if (label_fits(s) && is_lower(s.data[0]))
        return NULL;
    return "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
           "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
           "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
}

const char *validate_qualified_name(struct slice s)
{
    ptrdiff_t slash = slice_find(s, '/');
    struct slice name = s;

    if (slash >= 0) {
        struct slice prefix = slice_make(s.data, (size_t)slash);

        name = slice_from(s, (size_t)slash + 1);
        if (slice_find(name, '/') >= 0)
            return "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and "
                   "end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
                   "validation is " QUALIFIED_RE
                   ") with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
        if (!prefix.len)
            return "prefix part must be non-empty";
        if (prefix.len > SUBDOMAIN_MAX)
            return "prefix part " TOO_LONG(253);
        if (!subdomain_fits(prefix))
            return "prefix part " SUBDOMAIN_MESSAGE;
    }
    if (!name.len)
        return "name part must be non-empty";
    if (name.len > LABEL_MAX)
        return "name part " TOO_LONG(63);
    return qualified_part_fits(name) ? NULL : "name part " NAME_PART;
}

const char *validate_qualified_name_more(struct slice s)
{
    ptrdiff_t slash = slice_find(s, '/');

    return !s.len || (slash >= 0 && (size_t)slash + 1 == s.len) ? "name part " NAME_PART : NULL;
}

const char *validate_label_value(struct slice s)
{
    if (s.len > LABEL_MAX)
        return TOO_LONG(63);
    if (!s.len || qualified_part_fits(s))
        return NULL;
    return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
           "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
           "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
}

const char *validate_path_segment(struct slice s)
{
    if (slice_is(s, "."))
        return "may not be '.'";
    if (slice_is(s, ".."))
        return "may not be '..'";
    if (slice_find(s, '/') >= 0)
        return "may not contain '/'";
    if (slice_find(s, '%') >= 0)
        return "may not contain '%'";
    return NULL;
}

const char *validate_config_key(struct slice s)
{
    bool fits = s.len > 0;

    if (s.len > SUBDOMAIN_MAX)
        return TOO_LONG(253);
    for (size_t i = 0; i < s.len; i++)
        fits = fits && (is_alnum(s.data[i]) || s.data[i] == '-' || s.data[i] == '_' || s.data[i] == '.');
    if (!fits)
        return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
               "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
    if (slice_is(s, "."))
        return "must not be '.'";
    if (slice_is(s, ".."))
        return "must not be '..'";
    return slice_starts(s, SLICE_LIT("..")) ? "must not start with '..'" : NULL;
}

/* Any printable ASCII but '='. */
const char *validate_env_name(struct slice s)
{
    bool fits = true;

    if (!s.len)
        return "environment variable name must be non-empty";
    for (size_t i = 0; i < s.len; i++)
        fits = fits && s.data[i] >= ' ' && s.data[i] <= '~' && s.data[i] != '=';
    return fits ? NULL
                : "a valid environment variable name must consist only of printable ASCII characters other than '='";
}

static const char no_letter[] = "must contain at least one letter (a-z)";

const char *validate_port_name(struct slice s)
{
    bool letter = false;

    if (s.len > 15)
        return TOO_LONG(15);
    for (size_t i = 0; i < s.len; i++) {
        if (!is_lower_alnum(s.data[i]) && s.data[i] != '-')
            return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
        letter = letter || is_lower(s.data[i]);
    }
    if (!letter)
        return no_letter;
    if (slice_find_text(s, SLICE_LIT("--")) >= 0)
        return "must not contain consecutive hyphens";
    if (s.data[0] == '-' || s.data[s.len - 1] == '-')
        return "must not begin or end with a hyphen";
    return NULL;
}

const char *validate_port_name_more(struct slice s, const char *said)
{
    for (size_t i = 0; i < s.len; i++)
        if (is_lower(s.data[i]))
            return NULL;
    return said != no_letter ? no_letter : NULL;
}

/* Kinds whose names follow another rule than the subdomain. */
static const struct {
    const char *group;
    const char *kind;
    const char *(*check)(struct slice s);
} name_rules[] = {
    {"", "Namespace", validate_dns1123_label},
    {"", "Service", validate_dns1035_label},
    {"rbac.authorization.k8s.io", "Role", validate_path_segment},
    {"rbac.authorization.k8s.io", "RoleBinding", validate_path_segment},
    {"rbac.authorization.k8s.io", "ClusterRole", validate_path_segment},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", validate_path_segment},
};

const char *validate_name_of(const struct schema_kind *kind, struct slice name)
{
    for (size_t i = 0; i < ARRAY_SIZE(name_rules); i++)
        if (!strcmp(name_rules[i].group, kind->group) && !strcmp(name_rules[i].kind, kind->kind))
            return name_rules[i].check(name);
    return validate_dns1123_subdomain(name);
}
