/* SPDX-License-Identifier: Apache-2.0 */
/* TokenReview: whose token it is, asked by somebody to whom it was shown. */
#include "apiserver/authn.h"
#include "apiserver/review.h"
#include "apiserver/subresource.h"

/* Those that the asker answers to; none = the API's own. */
static struct account_audiences review_audiences(struct request *req, const struct value *spec)
{
    const struct value *list = value_get(spec, "audiences");
    size_t count = value_count(list);
    const char **items = pool_alloc(req->pool, (count + 1) * sizeof(*items));

    for (size_t i = 0; i < count; i++)
        items[i] = pool_slice_dup(req->pool, value_string(value_at(list, i)));
    return (struct account_audiences){items, count};
}

void review_token(struct request *req)
{
    struct value *body = review_begin(req);
    struct slice token = value_string(value_path(body, "spec", "token", NULL));
    struct account_audiences wanted;
    struct account_audiences common;
    struct user user = {.name = ""};
    struct value *status;
    struct value *list;
    ERROR_LOCAL(err);

    if (!body)
        return;
    if (!token.len) {
        reply_error_text(req, ERROR_BAD_REQUEST, "token is required for TokenReview in authentication");
        return;
    }
    wanted = review_audiences(req, value_get(body, "spec"));
    status = value_new_object();
    if (authn_read_token(req, token, &wanted, &user, &common, &err) < 0) {
        (void)value_need_object(status, "user");
        value_set_str(status, "error", error_text(&err));
    } else {
        value_set(status, "authenticated", value_new_bool(true));
        review_write_user(value_need_object(status, "user"), &user);
        list = value_need_array(status, "audiences");
        for (size_t i = 0; i < common.count; i++)
            value_append(list, value_new_str(common.items[i]));
    }
    review_answer(req, body, status);
}
