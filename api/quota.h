/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What objects count for a ResourceQuota, by upstream's rules (pkg/quota/v1). Pure; objects and quotas are JSON as they
 * are stored. A resource is told by its plural and group: "pods", "deployments.apps".
 */
#ifndef KNARR_API_QUOTA_H
#define KNARR_API_QUOTA_H

#include "api/amounts.h"

/* Adds all that one object uses of what quotas can limit. Names are in the list's pool, or borrowed from `object`.
 * now_ns: pods that should be gone by then use nothing but their place in the store. */
void quota_add_use(struct amounts *to, const char *resource, struct slice object, int64_t now_ns);
/* Whether it used more once, and nothing but time has ended that: whoever keeps a sum of uses cannot know whether it
 * was in it. */
bool quota_time_is_over(const char *resource, struct slice object, int64_t now_ns);
/* Whether two objects of that resource may use different amounts; else each counts as one and as nothing else. */
bool quota_use_varies(const char *resource);
/* Whether the quota's scopes take in the object. */
bool quota_selects(struct slice quota, const char *resource, struct slice object);
/* The resource whose objects a name in a quota's `hard` is about: "requests.cpu" -> "pods", "count/x.y" -> "x.y". In
 * the pool. NULL when nothing is counted under that name. */
const char *quota_resource_of(struct pool *pool, struct slice name);
/* cpu and memory, where the quota limits them, must be stated by every container of a pod. False: `why` has what is
 * missing, "limits.cpu for: a,b; requests.cpu for: a". */
bool quota_check_stated(const struct amounts *hard, struct slice pod, struct buf *why);
/* Changes `list` to those of its amounts that `names` has too. */
void quota_mask(struct amounts *list, const struct amounts *names);

#endif
