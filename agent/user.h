/* SPDX-License-Identifier: Apache-2.0 */
/* Who a container's process is: the image's USER or the pod's securityContext, by the image's /etc/passwd and group. */
#ifndef KNARR_AGENT_USER_H
#define KNARR_AGENT_USER_H

#include <sys/types.h>

#include "lib/bytes.h"
#include "lib/error.h"

#define USER_GROUPS_MAX 64

struct user {
    uid_t uid;
    gid_t gid;
    gid_t groups[USER_GROUPS_MAX];
    size_t group_count;
};

/* `spec` is "", "NAME", "UID", "NAME:GROUP" ...; passwd and group are the files' texts (may be empty). A name that is
 * not there is ERROR_NOT_FOUND. Supplementary groups are those that list the user's name. */
int user_resolve(struct slice spec, struct slice passwd, struct slice group, struct user *ret_user, struct error *err);
/* False when there is no room; a group that is there already is not added again. */
bool user_add_group(struct user *user, gid_t gid);

#endif
