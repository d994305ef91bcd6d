/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. No text of a login goes into an error or a log. */
#include "agent/registry_login.h"

#include <fnmatch.h>
#include <string.h>

#include "lib/encoding.h"

#define DOCKER_HUB "index.docker.io" /* how `docker login` writes the registry that images without one come from */

static void wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

static void login_clear(struct registry_login *l)
{
    free(l->place);
    wipe(l->user);
    wipe(l->password);
    wipe(l->identity_token);
    wipe(l->registry_token);
    *l = (struct registry_login){0};
}

void registry_logins_clear(struct registry_logins *logins)
{
    for (size_t i = 0; i < logins->count; i++)
        login_clear(&logins->items[i]);
    free(logins->items);
    *logins = (struct registry_logins){0};
}

static struct registry_login *logins_add(struct registry_logins *logins)
{
    struct registry_login *l;

    logins->items = mem_grow(logins->items, &logins->cap, logins->count + 1, sizeof(*logins->items));
    l = &logins->items[logins->count++];
    *l = (struct registry_login){0};
    return l;
}

static char *copy_text(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

static void logins_add_copy(struct registry_logins *logins, const struct registry_login *from)
{
    *logins_add(logins) = (struct registry_login){.place = copy_text(from->place),
                                                  .user = copy_text(from->user),
                                                  .password = copy_text(from->password),
                                                  .identity_token = copy_text(from->identity_token),
                                                  .registry_token = copy_text(from->registry_token)};
}

void registry_logins_append(struct registry_logins *logins, const struct registry_logins *more)
{
    for (size_t i = 0; i < more->count && logins->count < REGISTRY_LOGINS_MAX; i++)
        logins_add_copy(logins, &more->items[i]);
}

/* ---- reading ---- */

/* "https://index.docker.io/v1/" -> "index.docker.io": no scheme, no version of the API, no slash at the end. */
static char *place_read(struct slice text)
{
    static const char *const schemes[] = {"https://", "http://"};
    struct slice path;
    ptrdiff_t slash;

    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
        if (slice_starts(text, slice_str(schemes[i]))) {
            text = slice_from(text, strlen(schemes[i]));
            break;
        }
    slash = slice_find(text, '/');
    if (slash < 0)
        return slice_dup(text);
    path = slice_from(text, (size_t)slash);
    if (slice_starts(path, SLICE_LIT("/v1/")) || slice_starts(path, SLICE_LIT("/v2/")))
        path = slice_from(path, 3);
    if (slice_is(path, "/"))
        path = SLICE_NONE;
    return mem_printf("%.*s%.*s", (int)slash, text.data, SLICE_ARGS(path));
}

/* base64 of "user:password", with or without padding. */
static bool auth_decode(struct slice auth, struct registry_login *l)
{
    BUF_LOCAL(padded);
    BUF_LOCAL(plain);
    ptrdiff_t colon;
    bool good;

    buf_append_slice(&padded, slice_trim(auth));
    while (padded.len % 4)
        buf_append_byte(&padded, '=');
    good = base64_decode(&plain, buf_slice(&padded)) && !memchr(plain.data ? plain.data : "", '\0', plain.len);
    colon = good ? slice_find(buf_slice(&plain), ':') : -1;
    if (colon >= 0) {
        wipe(l->user);
        wipe(l->password);
        l->user = mem_strndup(plain.data, (size_t)colon);
        l->password = mem_strndup(plain.data + colon + 1, plain.len - (size_t)colon - 1);
    }
    if (padded.data)
        explicit_bzero(padded.data, padded.len);
    if (plain.data)
        explicit_bzero(plain.data, plain.len);
    return colon >= 0;
}

/* A text of an entry that may go into a header; NULL when it is absent or empty. */
static char *entry_text(const struct value *entry, const char *name)
{
    const char *text = value_str(value_get(entry, name));

    return text && *text ? mem_strdup(text) : NULL;
}

static bool header_safe(const char *text)
{
    return !text || !strpbrk(text, "\r\n");
}

static int entry_read(struct registry_logins *logins, struct slice key, const struct value *entry, struct error *err)
{
    struct slice auth = value_string(value_get(entry, "auth"));
    struct registry_login l = {.user = entry_text(entry, "username"),
                               .password = entry_text(entry, "password"),
                               .identity_token = entry_text(entry, "identitytoken"),
                               .registry_token = entry_text(entry, "registrytoken")};
    int r = 0;

    /* `auth` wins over `username` and `password`, as upstream. */
    if (auth.len && !auth_decode(auth, &l))
        r = error_set(err, ERROR_INVALID, "\"auth\" of %.*s is not base64 of user:password", SLICE_ARGS(key));
    else if (!header_safe(l.identity_token) || !header_safe(l.registry_token))
        r = error_set(err, ERROR_INVALID, "a token of %.*s has more than one line", SLICE_ARGS(key));
    else if (logins->count >= REGISTRY_LOGINS_MAX)
        r = error_set(err, ERROR_TOO_LARGE, "more than %d registry logins", REGISTRY_LOGINS_MAX);
    if (r < 0 || !key.len || (!l.user && !l.identity_token && !l.registry_token)) {
        login_clear(&l);
        return r;
    }
    l.place = place_read(key);
    if (!l.password)
        l.password = mem_strdup("");
    *logins_add(logins) = l;
    return 0;
}

int registry_logins_read(struct registry_logins *logins, struct slice json, bool bare, struct error *err)
{
    struct value *v CLEANUP_VALUE = value_parse_lenient(json, NULL);
    const struct value *places = bare ? v : value_get(v, "auths");
    struct value_iter it = value_iter_start(places);
    struct slice key;
    struct value *entry;

    /* The parser's own words would quote the text. */
    if (!value_is(v, VALUE_OBJECT) || (places && !value_is(places, VALUE_OBJECT)))
        return error_set(err, ERROR_INVALID, "not a Docker configuration");
    while (places && value_iter_next(&it, &key, &entry))
        if (entry_read(logins, key, entry, err) < 0)
            return -1;
    return 0;
}

int registry_logins_add_secret(struct registry_logins *logins, const struct value *secret, struct error *err)
{
    static const struct {
        const char *type;
        const char *key;
        bool bare;
    } types[] = {{"kubernetes.io/dockerconfigjson", ".dockerconfigjson", false},
                 {"kubernetes.io/dockercfg", ".dockercfg", true}};
    struct slice type = value_string(value_get(secret, "type"));

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        const struct value *text = value_get(value_get(secret, "data"), types[i].key);
        BUF_LOCAL(json);
        int r;

        if (!slice_is(type, types[i].type) || !value_is(text, VALUE_STRING))
            continue;
        if (!base64_decode(&json, value_string(text)))
            return error_set(err, ERROR_INVALID, "%s is not base64", types[i].key);
        r = registry_logins_read(logins, buf_slice(&json), types[i].bare, err);
        if (json.data)
            explicit_bzero(json.data, json.len);
        return r;
    }
    return 0;
}

/* ---- matching ---- */

/* Cuts the port off: "host:5000" -> "5000", "[::1]:5000" -> "5000"; "" when there is none. */
static struct slice cut_port(struct slice *host)
{
    ptrdiff_t end = host->len && host->data[0] == '[' ? slice_find(*host, ']') : 0;
    struct slice tail = slice_from(*host, end > 0 ? (size_t)end : 0);
    ptrdiff_t colon = slice_find(tail, ':');
    struct slice port;

    if (colon < 0)
        return SLICE_NONE;
    port = slice_from(tail, (size_t)colon + 1);
    host->len = (size_t)(tail.data - host->data) + (size_t)colon;
    return port;
}

/* Label by label, so that a star does not reach over a dot. */
static bool host_matches(struct slice pattern, struct slice host)
{
    struct slice want_port = cut_port(&pattern);
    struct slice port = cut_port(&host);
    struct slice want;
    struct slice label;

    if (slice_compare(want_port, port) != 0)
        return false;
    while (slice_split(&pattern, '.', &want)) {
        char *glob CLEANUP_FREE = slice_dup(want);
        char *text CLEANUP_FREE = NULL;

        if (!slice_split(&host, '.', &label))
            return false;
        text = slice_dup(label);
        if (strcmp(glob, text) != 0 && fnmatch(glob, text, 0) != 0)
            return false;
    }
    return !host.data;
}

static bool place_matches(const char *place, const struct image_ref *ref)
{
    struct slice path = slice_str(place);
    struct slice host = SLICE_NONE;

    (void)slice_split(&path, '/', &host);
    return host_matches(host, slice_str(ref->registry)) && slice_starts(slice_str(ref->repository), path);
}

static bool same_login(const struct registry_login *a, const struct registry_login *b)
{
    char ha[REGISTRY_LOGIN_HASH_LEN + 1];
    char hb[REGISTRY_LOGIN_HASH_LEN + 1];

    registry_login_hash(a, ha);
    registry_login_hash(b, hb);
    return !strcmp(ha, hb);
}

static void pick_one(const struct registry_login *l, struct registry_logins *picked)
{
    for (size_t i = 0; i < picked->count; i++)
        if (same_login(&picked->items[i], l))
            return;
    if (picked->count < REGISTRY_TRIES_MAX)
        logins_add_copy(picked, l);
}

struct candidate {
    const struct registry_login *login;
    size_t order;
};

/* Descending, so that a longer path comes before the shorter one it begins with; equal places as they were written. */
static int compare_places(const void *a, const void *b)
{
    const struct candidate *ca = a;
    const struct candidate *cb = b;
    int r = strcmp(cb->login->place, ca->login->place);

    return r ? r : ca->order < cb->order ? -1 : 1;
}

void registry_logins_pick(const struct registry_logins *all, const struct image_ref *ref,
                          struct registry_logins *picked)
{
    struct candidate *found CLEANUP_FREE = mem_calloc(all->count + 1, sizeof(*found));
    size_t count = 0;

    for (size_t i = 0; i < all->count; i++)
        if (place_matches(all->items[i].place, ref))
            found[count++] = (struct candidate){&all->items[i], i};
    for (size_t i = 0; !count && i < all->count && !strcmp(ref->registry, "docker.io"); i++)
        if (!strcmp(all->items[i].place, DOCKER_HUB))
            pick_one(&all->items[i], picked);
    qsort(found, count, sizeof(*found), compare_places);
    for (size_t i = 0; i < count; i++)
        pick_one(found[i].login, picked);
}

void registry_login_hash(const struct registry_login *login, char ret_hash[REGISTRY_LOGIN_HASH_LEN + 1])
{
    const char *const texts[] = {login->user, login->password, login->identity_token, login->registry_token};
    BUF_LOCAL(all);

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        buf_printf(&all, "%zu:%s,", texts[i] ? strlen(texts[i]) : 0, texts[i] ? texts[i] : "");
    sha256_hex(buf_slice(&all), ret_hash);
    explicit_bzero(all.data, all.len);
}
