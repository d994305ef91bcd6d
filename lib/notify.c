/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un notify_address; /* family 0 = nobody wants to know */
static socklen_t notify_length;

void notify_init(void)
{
    const char *name = getenv("NOTIFY_SOCKET");
    size_t len = name ? strlen(name) : 0;

    notify_address = (struct sockaddr_un){0};
    if (len > 1 && len < sizeof(notify_address.sun_path) && (*name == '/' || *name == '@')) {
        notify_address.sun_family = AF_UNIX;
        memcpy(notify_address.sun_path, name, len);
        if (*name == '@')
            notify_address.sun_path[0] = '\0';
        notify_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    }
    (void)unsetenv("NOTIFY_SOCKET");
}

void notify_send(const char *fmt, ...)
{
    va_list args;
    int fd;

    if (notify_address.sun_family != AF_UNIX)
        return;
    va_start(args, fmt);
    char *text CLEANUP_FREE = mem_vprintf(fmt, args);
    va_end(args);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&notify_address,
                 notify_length);
    (void)close(fd);
}
