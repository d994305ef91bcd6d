/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/fs.h"
#include "agent/image_unpack.h"

#define PROFILE_MAX (1u << 20)

/* The native one and its 32-bit programs. x32 is left out: Debian's kernels do not have it, and it costs time. */
static const char *const architectures[] = {
#if defined(__x86_64__)
    "SCMP_ARCH_X86_64", "SCMP_ARCH_X86",
#elif defined(__aarch64__)
    "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM",
#endif
    NULL};

static struct value *rule_make(const struct seccomp_rule *rule)
{
    struct value *v = value_new_object();
    struct value *names = value_need_array(v, "names");
    struct slice rest = slice_str(rule->names);
    struct slice name;
    struct value *argument;

    while (slice_split(&rest, ' ', &name))
        value_append(names, value_new_string(name));
    value_set_str(v, "action", rule->error ? "SCMP_ACT_ERRNO" : "SCMP_ACT_ALLOW");
    if (rule->error)
        value_set(v, "errnoRet", value_new_int(rule->error));
    if (!rule->compare)
        return v;
    argument = value_new_object();
    value_set(argument, "index", value_new_int(0));
    value_set(argument, "value", value_new_int((int64_t)rule->value));
    /* Of a masked comparison: the mask comes first, what must be left second. */
    value_set(argument, "valueTwo", value_new_int(0));
    value_set_str(argument, "op", rule->compare);
    value_append(value_need_array(v, "args"), argument);
    return v;
}

struct value *seccomp_default_make(bool (*granted)(const void *arg, const char *capability), const void *arg)
{
    struct value *v = value_new_object();
    struct value *list;

    value_set_str(v, "defaultAction", "SCMP_ACT_ERRNO");
    value_set(v, "defaultErrnoRet", value_new_int(EPERM));
    list = value_need_array(v, "architectures");
    for (size_t i = 0; architectures[i]; i++)
        value_append(list, value_new_str(architectures[i]));
    list = value_need_array(v, "syscalls");
    for (size_t i = 0; i < seccomp_default_rule_count; i++) {
        const struct seccomp_rule *rule = &seccomp_default_rules[i];

        if ((!rule->with || granted(arg, rule->with)) && (!rule->without || !granted(arg, rule->without)))
            value_append(list, rule_make(rule));
    }
    return v;
}

struct value *seccomp_profile_read(const char *dir, const char *name, struct error *err)
{
    int root CLEANUP_FD = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd CLEANUP_FD = root < 0 ? -1 : image_open_inside(root, name, O_RDONLY | O_NONBLOCK, NULL);
    char *path CLEANUP_FREE = NULL;
    struct value *v;
    struct stat st;
    BUF_LOCAL(json);

    if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        (void)error_set(err, ERROR_NOT_FOUND, "there is no seccomp profile %s in %s", name, dir);
        return NULL;
    }
    path = mem_printf("/proc/self/fd/%d", fd);
    if (fs_read(path, PROFILE_MAX, &json, err) < 0)
        return NULL;
    v = value_parse_lenient(buf_slice(&json), err);
    if (v && value_str(value_get(v, "defaultAction")))
        return v;
    if (v)
        (void)error_set(err, ERROR_INVALID, "it has no defaultAction");
    value_free(v);
    (void)error_wrap(err, "seccomp profile %s", name);
    return NULL;
}
