/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of role-based access control: read from an object, asked, and compared (may who holds these give away those).
 * Pure: no store, no request.
 */
#ifndef KNARR_APISERVER_RBAC_RULES_H
#define KNARR_APISERVER_RBAC_RULES_H

#include "api/value.h"
#include "lib/pool.h"

enum rbac_part { RBAC_VERBS, RBAC_GROUPS, RBAC_RESOURCES, RBAC_NAMES, RBAC_URLS, RBAC_PARTS };

struct rbac_texts {
    const struct slice *items;
    size_t count;
};
struct rbac_rule {
    struct rbac_texts part[RBAC_PARTS];
};
struct rbac_rules {
    const struct rbac_rule *items;
    size_t count;
};

/* Of a role's `rules`; everything is copied into the pool. */
struct rbac_rules rbac_rules_read(struct pool *pool, const struct value *rules);

struct rbac_ask {
    bool is_resource;
    struct slice verb;
    struct slice group;
    struct slice resource;
    struct slice subresource;
    struct slice name;
    struct slice path; /* not a resource */
};
bool rbac_rule_allows(const struct rbac_rule *rule, const struct rbac_ask *ask);

/* A text array of a rule as JSON; NULL when it is empty. */
struct value *rbac_texts_value(const struct rbac_texts *texts);

/* Combinations of group, resource, verb and name that one comparison looks at, at most: the body of a request must not
 * occupy a front for long. */
#define RBAC_COVER_MAX 16384
enum rbac_cover { RBAC_COVERED, RBAC_NOT_COVERED, RBAC_COVER_TOO_MANY };
/* Whether every single right in `asked` is in `held`. What is not goes to `missing` in upstream's words, one
 * "{APIGroups:[...], ...}" a line, sorted. */
enum rbac_cover rbac_rules_cover(struct rbac_rules held, struct rbac_rules asked, struct buf *missing);

#endif
