/* SPDX-License-Identifier: Apache-2.0 */
/* Environment variables that tell of Services: NAME_SERVICE_HOST and so on, and the older form of container links. */
#include "agent/service_env.h"

#include <arpa/inet.h>
#include <ctype.h>

/* As a part of a variable's name. */
static char *env_name(const char *text)
{
    char *name = mem_strdup(text);

    for (char *c = name; *c; c++)
        *c = (char)(*c == '-' ? '_' : toupper((unsigned char)*c));
    return name;
}

static void write_link(const char *name, const char *address, const struct service_port *port, struct str_list *out)
{
    char *protocol CLEANUP_FREE = env_name(port->protocol);
    char *prefix CLEANUP_FREE = mem_printf("%s_PORT_%u_%s", name, port->port, protocol);

    str_list_take(out, mem_printf("%s=%s://%s:%u", prefix, port->protocol, address, port->port));
    str_list_take(out, mem_printf("%s_PROTO=%s", prefix, port->protocol));
    str_list_take(out, mem_printf("%s_PORT=%u", prefix, port->port));
    str_list_take(out, mem_printf("%s_ADDR=%s", prefix, address));
}

void service_env_write(const char *service, const struct service_item *item, struct str_list *out)
{
    char *name CLEANUP_FREE = env_name(service);
    char address[INET_ADDRSTRLEN] = "";

    if (!item->address.s_addr || !item->port_count)
        return;
    (void)inet_ntop(AF_INET, &item->address, address, sizeof(address));
    str_list_take(out, mem_printf("%s_SERVICE_HOST=%s", name, address));
    str_list_take(out, mem_printf("%s_SERVICE_PORT=%u", name, item->ports[0].port));
    for (size_t i = 0; i < item->port_count; i++) {
        char *port CLEANUP_FREE = env_name(item->ports[i].name);

        if (*port)
            str_list_take(out, mem_printf("%s_SERVICE_PORT_%s=%u", name, port, item->ports[i].port));
    }
    str_list_take(out, mem_printf("%s_PORT=%s://%s:%u", name, item->ports[0].protocol, address, item->ports[0].port));
    for (size_t i = 0; i < item->port_count; i++)
        write_link(name, address, &item->ports[i], out);
}
