/* SPDX-License-Identifier: Apache-2.0 */
/* Events go by themselves some time after they were last told. */
#ifndef KNARR_APISERVER_EVENT_EXPIRY_H
#define KNARR_APISERVER_EVENT_EXPIRY_H

#include "apiserver/server_internal.h"

struct event_expiry;

/* On the front's loop, from now on; ttl_s > 0. */
struct event_expiry *event_expiry_start(struct front *front, int64_t ttl_s);
/* Steps that are in the store's hands finish unseen. NULL is allowed. */
void event_expiry_free(struct event_expiry *expiry);

/* One step now, without its timer: looks at the next events and has those deleted that are over. True when it reached
 * the end of them, and the next step begins anew. */
bool event_expiry_step(struct event_expiry *expiry);
/* When an event (its JSON) was last told, nanoseconds; what lies beyond `now` does not count, so that no date keeps an
 * event for ever. */
int64_t event_expiry_last_ns(struct slice event, int64_t now);

#endif
