/* SPDX-License-Identifier: Apache-2.0 */
/* Which group versions there are, in the order that discovery and OpenAPI show them. */
#include "api/groups.h"

#include <ctype.h>

bool groups_is_resource(const struct schema_kind *kind)
{
    return kind->plural && kind->plural[0] && kind->verbs;
}

bool groups_has(const struct schema_kind *kind, struct slice group, struct slice version)
{
    return groups_is_resource(kind) && slice_is(group, kind->group) && slice_is(version, kind->version);
}

char *groups_api_version(const char *group, const char *version)
{
    return *group ? mem_printf("%s/%s", group, version) : mem_strdup(version);
}

/* "v2beta1" taken apart; stability 3 = stable, 2 = beta, 1 = alpha, 0 = not of that form. */
struct version_rank {
    int stability;
    unsigned long major;
    unsigned long minor;
};

static struct version_rank rank_version(const char *text)
{
    struct version_rank none = {0}, rank = {.stability = 3};
    char *end;
    if (text[0] != 'v' || !isdigit((unsigned char)text[1]))
        return none;
    rank.major = strtoul(text + 1, &end, 10);
    if (!*end)
        return rank;
    if (!strncmp(end, "beta", 4))
        rank.stability = 2;
    else if (!strncmp(end, "alpha", 5))
        rank.stability = 1;
    else
        return none;
    end += rank.stability == 2 ? 4 : 5;
    if (!isdigit((unsigned char)*end))
        return none;
    rank.minor = strtoul(end, &end, 10);
    return *end ? none : rank;
}

/* Upstream's order of preference: stable before beta before alpha, higher numbers first, other names last by text. */
static bool version_before(const char *a, const char *b)
{
    struct version_rank x = rank_version(a), y = rank_version(b);
    if (x.stability != y.stability)
        return x.stability > y.stability;
    if (!x.stability)
        return strcmp(a, b) < 0;
    if (x.major != y.major)
        return x.major > y.major;
    return x.minor > y.minor;
}

struct group_version *groups_list(struct kind_list list, size_t *ret_count)
{
    struct group_version *all = NULL;
    size_t count = 0, cap = 0;
    for (size_t k = 0; k < list.count; k++) {
        const struct schema_kind *kind = list.kinds[k];
        if (!groups_is_resource(kind))
            continue;
        size_t at = 0;
        while (at < count && strcmp(all[at].group, kind->group) != 0)
            at++;
        while (at < count && !strcmp(all[at].group, kind->group) && version_before(all[at].version, kind->version))
            at++;
        if (at < count && !strcmp(all[at].group, kind->group) && !strcmp(all[at].version, kind->version))
            continue;
        all = mem_grow(all, &cap, count + 1, sizeof(*all));
        memmove(all + at + 1, all + at, (count - at) * sizeof(*all));
        all[at] = (struct group_version){kind->group, kind->version};
        count++;
    }
    *ret_count = count;
    return all;
}

void groups_verbs(uint8_t verbs, bool custom, const char *ret_names[GROUPS_VERBS_MAX])
{
    static const char *const names[] = {"create", "delete", "deletecollection", "get",
                                        "list",   "patch",  "update",           "watch"};
    static const uint8_t orders[2][ARRAY_SIZE(names)] = {{0, 1, 2, 3, 4, 5, 6, 7}, {1, 2, 3, 4, 5, 0, 6, 7}};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (verbs & (1u << orders[custom][i]))
            ret_names[n++] = names[orders[custom][i]];
    ret_names[n] = NULL;
}
