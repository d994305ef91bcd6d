/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. The first part of a name is a registry when it looks like a host: a dot, a colon, or "localhost". */
#include "agent/image_ref.h"

#define NAME_MAX_LEN 255
#define TAG_MAX_LEN  128

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_word(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

bool image_digest_valid(struct slice digest)
{
    static const struct slice prefix = {"sha256:", 7};

    if (digest.len != 7 + 64 || !slice_starts(digest, prefix))
        return false;
    for (size_t i = 7; i < digest.len; i++)
        if (!is_lower_alnum(digest.data[i]) || digest.data[i] > 'f')
            return false;
    return true;
}

static bool tag_valid(struct slice tag)
{
    if (!tag.len || tag.len > TAG_MAX_LEN || !is_word(tag.data[0]))
        return false;
    for (size_t i = 0; i < tag.len; i++)
        if (!is_word(tag.data[i]) && tag.data[i] != '.' && tag.data[i] != '-')
            return false;
    return true;
}

/* Lower-case words joined by one '.', one or two '_', or any number of '-'. */
static bool component_valid(struct slice part)
{
    size_t i = 0;

    if (!part.len || !is_lower_alnum(part.data[0]) || !is_lower_alnum(part.data[part.len - 1]))
        return false;
    while (i < part.len) {
        size_t start = i;
        char c = part.data[i];

        if (is_lower_alnum(c)) {
            i++;
            continue;
        }
        if (c != '.' && c != '_' && c != '-')
            return false;
        while (i < part.len && part.data[i] == c)
            i++;
        if ((c == '.' && i - start > 1) || (c == '_' && i - start > 2) || !is_lower_alnum(part.data[i]))
            return false;
    }
    return true;
}

static bool repository_valid(struct slice name)
{
    struct slice part;

    if (!name.len || name.len > NAME_MAX_LEN)
        return false;
    while (slice_split(&name, '/', &part))
        if (!component_valid(part))
            return false;
    return true;
}

static bool registry_valid(struct slice host)
{
    for (size_t i = 0; i < host.len; i++)
        if (!is_word(host.data[i]) && !strchr(".-:[]", host.data[i]))
            return false;
    return host.len > 0;
}

static ptrdiff_t find_last(struct slice s, char c)
{
    for (size_t i = s.len; i-- > 0;)
        if (s.data[i] == c)
            return (ptrdiff_t)i;
    return -1;
}

static struct slice cut(struct slice *text, ptrdiff_t at)
{
    struct slice after = slice_from(*text, (size_t)at + 1);

    text->len = (size_t)at;
    return after;
}

static int bad(struct error *err, struct slice text)
{
    return error_set(err, ERROR_INVALID, "couldn't parse image name \"%.*s\": invalid reference format",
                     SLICE_ARGS(text));
}

static bool is_host(struct slice part)
{
    return slice_find(part, '.') >= 0 || slice_find(part, ':') >= 0 || slice_is(part, "localhost");
}

int image_ref_parse(struct slice text, struct image_ref *ret_ref, struct error *err)
{
    struct slice rest = text;
    struct slice digest = SLICE_NONE;
    struct slice tag = SLICE_NONE;
    struct slice registry = SLICE_LIT("docker.io");
    ptrdiff_t at = slice_find(rest, '@');
    ptrdiff_t slash;
    bool official;

    if (at >= 0) {
        digest = cut(&rest, at);
        if (!image_digest_valid(digest))
            return bad(err, text);
    }
    slash = slice_find(rest, '/');
    if (slash >= 0 && is_host(slice_make(rest.data, (size_t)slash))) {
        registry = slice_make(rest.data, (size_t)slash);
        rest = slice_from(rest, (size_t)slash + 1);
    }
    at = find_last(rest, ':');
    if (at >= 0) {
        tag = cut(&rest, at);
        if (!tag_valid(tag))
            return bad(err, text);
    }
    if (!registry_valid(registry) || !repository_valid(rest))
        return bad(err, text);
    if (slice_is(registry, "index.docker.io"))
        registry = SLICE_LIT("docker.io");
    official = slice_is(registry, "docker.io") && slice_find(rest, '/') < 0;
    ret_ref->registry = slice_dup(registry);
    ret_ref->repository = mem_printf("%s%.*s", official ? "library/" : "", SLICE_ARGS(rest));
    ret_ref->digest = digest.len ? slice_dup(digest) : NULL;
    ret_ref->tag = tag.len ? slice_dup(tag) : digest.len ? NULL : mem_strdup("latest");
    return 0;
}

void image_ref_clear(struct image_ref *ref)
{
    free(ref->registry);
    free(ref->repository);
    free(ref->tag);
    free(ref->digest);
    *ref = (struct image_ref){0};
}

char *image_ref_name(const struct image_ref *ref)
{
    return mem_printf("%s/%s%c%s", ref->registry, ref->repository, ref->digest ? '@' : ':',
                      ref->digest ? ref->digest : ref->tag);
}

char *image_ref_repository(const struct image_ref *ref)
{
    return mem_printf("%s/%s", ref->registry, ref->repository);
}

const char *image_ref_default_policy(const struct image_ref *ref)
{
    return !ref->digest && !strcmp(ref->tag, "latest") ? "Always" : "IfNotPresent";
}
