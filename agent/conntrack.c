/* SPDX-License-Identifier: Apache-2.0 */
/* One dump of the kernel's table (ctnetlink), in which the stale flows are noted, then a deletion for each of them. */
#include "agent/conntrack.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define MESSAGE_SIZE 1024
#define ANSWER_S     5

/* ---- pure ---- */

static bool end_matches(const struct conntrack_end *wanted, const struct conntrack_end *is)
{
    return wanted->port == is->port && (!wanted->address.s_addr || wanted->address.s_addr == is->address.s_addr);
}

static bool leads_to(const struct conntrack_front *front, const struct conntrack_end *to)
{
    for (size_t i = 0; i < front->count; i++)
        if (end_matches(&front->backends[i], to))
            return true;
    return false;
}

bool conntrack_is_stale(const struct conntrack_front *fronts, size_t count, const struct conntrack_flow *flow)
{
    const struct conntrack_front *found = NULL;

    for (size_t i = 0; i < count && !found; i++)
        if (end_matches(&fronts[i].front, &flow->sent_to))
            found = &fronts[i];
    if (!found || leads_to(found, &flow->answered_by))
        return false;
    /* What the host itself answers at a port of its own was never given to a backend. */
    return found->front.address.s_addr || flow->sent_to.port != flow->answered_by.port ||
           flow->sent_to.address.s_addr != flow->answered_by.address.s_addr;
}

/* ---- the kernel's table ---- */

struct search {
    const struct conntrack_front *fronts;
    size_t count;
    struct buf stale; /* of struct nlattr with their data: the tuples to delete by */
};

/* The attribute of a type inside of `outer`; NULL when it is not there. */
static const struct nlattr *inner(const struct nlattr *outer, uint16_t type)
{
    const struct nlattr *attr;

    if (!outer)
        return NULL;
    mnl_attr_for_each_nested (attr, outer) {
        if (mnl_attr_get_type(attr) == type)
            return attr;
    }
    return NULL;
}

static bool read_end(const struct nlattr *tuple, uint16_t address_type, uint16_t port_type,
                     struct conntrack_end *ret_end)
{
    const struct nlattr *proto = inner(tuple, CTA_TUPLE_PROTO);
    const struct nlattr *number = inner(proto, CTA_PROTO_NUM);
    const struct nlattr *port = inner(proto, port_type);
    const struct nlattr *address = inner(inner(tuple, CTA_TUPLE_IP), address_type);

    if (!number || mnl_attr_validate(number, MNL_TYPE_U8) < 0 || mnl_attr_get_u8(number) != IPPROTO_UDP || !port ||
        mnl_attr_validate(port, MNL_TYPE_U16) < 0 || !address || mnl_attr_validate(address, MNL_TYPE_U32) < 0)
        return false;
    ret_end->port = ntohs(mnl_attr_get_u16(port));
    ret_end->address.s_addr = mnl_attr_get_u32(address);
    return true;
}

static int on_flow(const struct nlmsghdr *message, void *arg)
{
    struct search *s = arg;
    const struct nlattr *attr;
    const struct nlattr *sent = NULL;
    const struct nlattr *answered = NULL;
    struct conntrack_flow flow;

    mnl_attr_for_each (attr, message, sizeof(struct nfgenmsg)) {
        if (mnl_attr_get_type(attr) == CTA_TUPLE_ORIG)
            sent = attr;
        if (mnl_attr_get_type(attr) == CTA_TUPLE_REPLY)
            answered = attr;
    }
    if (sent && read_end(sent, CTA_IP_V4_DST, CTA_PROTO_DST_PORT, &flow.sent_to) &&
        read_end(answered, CTA_IP_V4_SRC, CTA_PROTO_SRC_PORT, &flow.answered_by) &&
        conntrack_is_stale(s->fronts, s->count, &flow))
        buf_append(&s->stale, sent, MNL_ALIGN(sent->nla_len));
    return MNL_CB_OK;
}

static struct nlmsghdr *message_begin(void *data, uint16_t type, uint16_t flags, uint32_t sequence)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(data);
    struct nfgenmsg *family;

    message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
    message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    message->nlmsg_seq = sequence;
    family = mnl_nlmsg_put_extra_header(message, sizeof(*family));
    family->nfgen_family = AF_INET;
    family->version = NFNETLINK_V0;
    return message;
}

/* Sends, and reads all that is answered. */
static int talk(struct mnl_socket *socket, const struct nlmsghdr *message, mnl_cb_t on_message, void *arg)
{
    char data[16384];
    int r = MNL_CB_OK;

    if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
        return -errno;
    while (r > MNL_CB_STOP) {
        ssize_t len = mnl_socket_recvfrom(socket, data, sizeof(data));

        if (len < 0)
            return -errno;
        r = mnl_cb_run(data, (size_t)len, message->nlmsg_seq, mnl_socket_get_portid(socket), on_message, arg);
    }
    return r < 0 ? -errno : 0;
}

static int forget_all(struct mnl_socket *socket, struct slice stale)
{
    uint32_t sequence = 1;

    while (stale.len) {
        char data[MESSAGE_SIZE] = "";
        const struct nlattr *tuple = (const struct nlattr *)stale.data;
        size_t len = MNL_ALIGN(tuple->nla_len);
        struct nlmsghdr *message = message_begin(data, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, ++sequence);
        int r;

        if (message->nlmsg_len + len > sizeof(data))
            return -EMSGSIZE;
        mnl_attr_put(message, tuple->nla_type, mnl_attr_get_payload_len(tuple), mnl_attr_get_payload(tuple));
        r = talk(socket, message, NULL, NULL);
        if (r < 0 && r != -ENOENT) /* it has ended meanwhile */
            return r;
        stale = slice_from(stale, len);
    }
    return 0;
}

static void socket_cleanup(struct mnl_socket **socket)
{
    if (*socket)
        (void)mnl_socket_close(*socket);
}

int conntrack_forget(const struct conntrack_front *fronts, size_t count, struct error *err)
{
    static const struct timeval patience = {.tv_sec = ANSWER_S};
    struct mnl_socket *socket CLEANUP(socket_cleanup) = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    struct search search = {fronts, count, {0}};
    char data[MESSAGE_SIZE] = "";
    int r;

    if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
        setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
        return error_set_errno(err, errno, "asking for the kernel's flows");
    r = talk(socket, message_begin(data, IPCTNL_MSG_CT_GET, NLM_F_DUMP, 1), on_flow, &search);
    if (r == 0)
        r = forget_all(socket, buf_slice(&search.stale));
    buf_free(&search.stale);
    return r < 0 ? error_set_errno(err, -r, "forgetting flows of datagrams") : 0;
}
