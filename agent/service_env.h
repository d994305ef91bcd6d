/* SPDX-License-Identifier: Apache-2.0 */
/* Environment variables that tell of Services. Pure. */
#ifndef KNARR_AGENT_SERVICE_ENV_H
#define KNARR_AGENT_SERVICE_ENV_H

#include "agent/service_rules.h"
#include "agent/str_list.h"

/* Adds "NAME_SERVICE_HOST=10.96.0.1" and the others of one Service; nothing when it has no address. */
void service_env_write(const char *service, const struct service_item *item, struct str_list *out);

#endif
