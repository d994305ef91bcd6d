/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: what `kubectl describe` shows. Equal events within ten minutes become one with a count (PATCH), as
 * client-go's recorder does; a bounded number wait, more are dropped with one log line.
 */
#ifndef KNARR_CLIENT_EVENT_H
#define KNARR_CLIENT_EVENT_H

#include "client/client.h"

struct event_recorder;
struct event_object {
    const char *api_version;
    const char *kind;
    const char *namespace_; /* "" = cluster-scoped: the event goes to "default" */
    const char *name;
    const char *uid;
    const char *resource_version; /* NULL = unknown */
    const char *field_path;       /* "spec.containers{web}", NULL = none */
};
/* component: "default-scheduler", "kubelet"...; host NULL = none. */
struct event_recorder *event_recorder_new(struct client *client, const char *component, const char *host);
void event_recorder_free(struct event_recorder *r);
void event_record(struct event_recorder *r, const struct event_object *object, bool warning, const char *reason,
                  const char *fmt, ...) PRINTF_LIKE(5, 6);

#endif
