/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Lines that make no sense are passed over: the files are the image's. */
#include "agent/user.h"

struct line {
    struct slice fields[7];
    size_t count;
};

static bool next_line(struct slice *rest, struct line *ret_line)
{
    struct slice text;

    if (!slice_split(rest, '\n', &text))
        return false;
    ret_line->count = 0;
    while (ret_line->count < ARRAY_SIZE(ret_line->fields) &&
           slice_split(&text, ':', &ret_line->fields[ret_line->count]))
        ret_line->count++;
    return true;
}

static bool number(struct slice text, uint32_t *ret_value)
{
    uint64_t v;

    if (!slice_to_uint64(text, &v) || v >= UINT32_MAX)
        return false;
    *ret_value = (uint32_t)v;
    return true;
}

/* A line whose name (or, for a number, whose third field) is `who`. A number is never taken for a name: in an image
 * that names its root "1000", user 1000 must not become root. */
static bool find(struct slice file, struct slice who, struct line *ret_line)
{
    uint32_t id = 0;
    bool numeric = number(who, &id);

    while (next_line(&file, ret_line)) {
        uint32_t have;

        if (ret_line->count < 3 || !number(ret_line->fields[2], &have))
            continue;
        if (numeric ? have == id : slice_equal(ret_line->fields[0], who))
            return true;
    }
    return false;
}

bool user_add_group(struct user *user, gid_t gid)
{
    for (size_t i = 0; i < user->group_count; i++)
        if (user->groups[i] == gid)
            return true;
    if (user->group_count == USER_GROUPS_MAX)
        return false;
    user->groups[user->group_count++] = gid;
    return true;
}

static void add_memberships(struct user *user, struct slice name, struct slice group)
{
    struct line line;

    while (next_line(&group, &line)) {
        struct slice members = line.count > 3 ? line.fields[3] : SLICE_NONE;
        struct slice member;
        uint32_t gid;

        while (members.len && slice_split(&members, ',', &member))
            if (slice_equal(member, name) && number(line.fields[2], &gid) && gid != user->gid)
                (void)user_add_group(user, gid);
    }
}

int user_resolve(struct slice spec, struct slice passwd, struct slice group, struct user *ret_user, struct error *err)
{
    struct slice rest = spec;
    struct slice name = SLICE_NONE;
    struct user user = {0};
    struct line line;

    (void)slice_split(&rest, ':', &name);
    if (!name.len)
        name = SLICE_LIT("0");
    if (find(passwd, name, &line)) {
        (void)number(line.fields[2], &user.uid);
        if (line.count > 3)
            (void)number(line.fields[3], &user.gid);
        add_memberships(&user, line.fields[0], group);
    } else if (!number(name, &user.uid)) {
        return error_set(err, ERROR_NOT_FOUND, "unable to find user %.*s: no matching entries in passwd file",
                         SLICE_ARGS(name));
    }
    if (rest.len) {
        user.group_count = 0;
        if (find(group, rest, &line))
            (void)number(line.fields[2], &user.gid);
        else if (!number(rest, &user.gid))
            return error_set(err, ERROR_NOT_FOUND, "unable to find group %.*s: no matching entries in group file",
                             SLICE_ARGS(rest));
    }
    *ret_user = user;
    return 0;
}
