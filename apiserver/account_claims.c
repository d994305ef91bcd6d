/* SPDX-License-Identifier: Apache-2.0 */
/* The document has its members in upstream's order, which is by name. */
#include "apiserver/account_claims.h"

#include "api/value.h"
#include "lib/encoding.h"

#define CLAIMS_AUDIENCES_MAX 256
#define CLAIMS_SUBJECT       "system:serviceaccount:"

/* ---- writing ---- */

static void claims_write_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\":", name);
    json_write_string(out, slice_str(text));
}

static void claims_write_object(struct buf *out, const char *name, const struct account_object *o)
{
    if (!o->name)
        return;
    buf_printf(out, ",\"%s\":{", name);
    claims_write_text(out, "name", o->name);
    if (*o->uid) {
        buf_append_byte(out, ',');
        claims_write_text(out, "uid", o->uid);
    }
    buf_append_byte(out, '}');
}

void account_claims_write(const struct account_claims *c, struct buf *out)
{
    char *subject CLEANUP_FREE = mem_printf(CLAIMS_SUBJECT "%s:%s", c->namespace_, c->account.name);

    buf_append_str(out, "{\"aud\":[");
    for (size_t i = 0; i < c->audiences.count; i++) {
        if (i)
            buf_append_byte(out, ',');
        json_write_string(out, slice_str(c->audiences.items[i]));
    }
    buf_printf(out, "],\"exp\":%lld,\"iat\":%lld,", (long long)c->expires_s, (long long)c->issued_s);
    claims_write_text(out, "iss", c->issuer);
    buf_append_byte(out, ',');
    claims_write_text(out, "jti", c->id);
    buf_append_str(out, ",\"kubernetes.io\":{");
    claims_write_text(out, "namespace", c->namespace_);
    claims_write_object(out, "node", &c->node);
    claims_write_object(out, "pod", &c->pod);
    claims_write_object(out, "secret", &c->secret);
    claims_write_object(out, "serviceaccount", &c->account);
    if (c->warn_after_s)
        buf_printf(out, ",\"warnafter\":%lld", (long long)c->warn_after_s);
    buf_printf(out, "},\"nbf\":%lld,", (long long)c->not_before_s);
    claims_write_text(out, "sub", subject);
    buf_append_byte(out, '}');
}

/* ---- reading ---- */

static const char *claims_text(struct pool *pool, const struct value *from, const char *name)
{
    struct slice text = value_string(value_get(from, name));

    return text.len && !memchr(text.data, 0, text.len) ? pool_slice_dup(pool, text) : NULL;
}

static struct account_object claims_object(struct pool *pool, const struct value *from, const char *name)
{
    const struct value *v = value_get(from, name);
    const char *uid = claims_text(pool, v, "uid");

    return (struct account_object){claims_text(pool, v, "name"), uid ? uid : ""};
}

static bool claims_read_audiences(struct pool *pool, const struct value *list, struct account_audiences *ret_audiences)
{
    size_t count = value_count(list);
    const char **items = pool_alloc(pool, (count + 1) * sizeof(*items));

    if (!value_is(list, VALUE_ARRAY) || !count || count > CLAIMS_AUDIENCES_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!value_str(value_at(list, i)))
            return false;
        items[i] = pool_slice_dup(pool, value_string(value_at(list, i)));
    }
    *ret_audiences = (struct account_audiences){items, count};
    return true;
}

/* The subject says the same as the private claims. */
static bool claims_agree(const struct value *v, const struct account_claims *c)
{
    char *subject CLEANUP_FREE = NULL;

    if (!c->issuer || !c->id || !c->namespace_ || !c->account.name || !*c->account.uid)
        return false;
    subject = mem_printf(CLAIMS_SUBJECT "%s:%s", c->namespace_, c->account.name);
    return slice_is(value_string(value_get(v, "sub")), subject);
}

int account_claims_read(struct pool *pool, struct slice json, struct account_claims *ret_claims, struct error *err)
{
    struct value *v CLEANUP_VALUE = value_parse(json, NULL);
    const struct value *own = value_get(v, "kubernetes.io");
    struct account_claims c = {.issuer = claims_text(pool, v, "iss"),
                               .id = claims_text(pool, v, "jti"),
                               .namespace_ = claims_text(pool, own, "namespace"),
                               .account = claims_object(pool, own, "serviceaccount"),
                               .pod = claims_object(pool, own, "pod"),
                               .secret = claims_object(pool, own, "secret"),
                               .node = claims_object(pool, own, "node"),
                               .issued_s = value_int(value_get(v, "iat")),
                               .not_before_s = value_int(value_get(v, "nbf")),
                               .expires_s = value_int(value_get(v, "exp")),
                               .warn_after_s = value_int(value_get(own, "warnafter"))};

    if (!claims_agree(v, &c) || !claims_read_audiences(pool, value_get(v, "aud"), &c.audiences) ||
        !value_is(value_get(v, "exp"), VALUE_INT) || !value_is(value_get(v, "nbf"), VALUE_INT))
        return error_set(err, ERROR_UNAUTHORIZED, "the token is not one of a service account");
    *ret_claims = c;
    return 0;
}

/* ---- judging ---- */

int account_claims_check_time(const struct account_claims *claims, int64_t now_s, struct error *err)
{
    if (claims->expires_s < now_s - ACCOUNT_LEEWAY_S)
        return error_set(err, ERROR_UNAUTHORIZED, "service account token has expired");
    if (claims->not_before_s > now_s + ACCOUNT_LEEWAY_S)
        return error_set(err, ERROR_UNAUTHORIZED, "service account token is not valid yet");
    return 0;
}

static void claims_show(struct buf *out, const struct account_audiences *audiences)
{
    buf_append_byte(out, '[');
    for (size_t i = 0; i < audiences->count; i++) {
        if (i)
            buf_append_byte(out, ' ');
        json_write_string(out, slice_str(audiences->items[i]));
    }
    buf_append_byte(out, ']');
}

int account_claims_audiences(struct pool *pool, const struct account_claims *claims,
                             const struct account_audiences *wanted, struct account_audiences *ret_common,
                             struct error *err)
{
    const char **items = pool_alloc(pool, (claims->audiences.count + 1) * sizeof(*items));
    size_t count = 0;
    BUF_LOCAL(own);
    BUF_LOCAL(other);

    for (size_t i = 0; i < claims->audiences.count; i++)
        for (size_t k = 0; k < wanted->count; k++)
            if (!strcmp(claims->audiences.items[i], wanted->items[k])) {
                items[count++] = wanted->items[k];
                break;
            }
    *ret_common = (struct account_audiences){items, count};
    if (count)
        return 0;
    claims_show(&own, &claims->audiences);
    claims_show(&other, wanted);
    return error_set(err, ERROR_UNAUTHORIZED, "token audiences %s is invalid for the target audiences %s",
                     buf_cstr(&own), buf_cstr(&other));
}
