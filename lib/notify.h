/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells the service manager how the process is, as sd_notify(3) does: one datagram to the socket in $NOTIFY_SOCKET, a
 * path or, with '@' before it, an abstract name. Without the variable nothing happens.
 */
#ifndef KNARR_LIB_NOTIFY_H
#define KNARR_LIB_NOTIFY_H

#include "lib/mem.h"

/* Takes the socket's name out of the environment, so that child processes do not speak for us. Once, before threads. */
void notify_init(void);
/* state: lines like "READY=1", "STOPPING=1", "STATUS=...". Any thread. */
void notify_send(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
