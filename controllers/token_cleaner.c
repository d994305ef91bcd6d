/* SPDX-License-Identifier: Apache-2.0 */
/* Bootstrap tokens whose time is over go, so that no secret that once was good lies about; keys are Secrets. */
#include "controllers/rows.h"
#include "lib/encoding.h"

#define TOKEN_TYPE      "bootstrap.kubernetes.io/token"
#define TOKEN_NAMESPACE "kube-system"
#define TOKEN_AGAIN_MS  (24ULL * 3600 * 1000) /* a far end is looked at again each day */

void token_cleaner_plan(const struct view *secret, int64_t now_ns, struct plan *plan)
{
    int64_t end;
    uint64_t ms;
    BUF_LOCAL(text);

    if (!secret || view_deleting(secret) || !slice_is(view_text(secret, SECRET_TYPE), TOKEN_TYPE) ||
        !slice_is(view_text(secret, VIEW_NAMESPACE), TOKEN_NAMESPACE) || !view_raw(secret, SECRET_EXPIRATION).len)
        return;
    /* What cannot be read is over, as it is for who authenticates. */
    if (!base64_decode(&text, view_text(secret, SECRET_EXPIRATION)) || !time_parse(buf_slice(&text), &end) ||
        end <= now_ns) {
        (void)plan_delete(plan, secret);
        return;
    }
    ms = (uint64_t)((end - now_ns) / NS_PER_MS) + 1;
    plan_again(plan, ms < TOKEN_AGAIN_MS ? ms : TOKEN_AGAIN_MS);
}

static void token_cleaner_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    token_cleaner_plan(run_get_key(run, &view_secrets, key), run_now(run), plan);
}

static void token_cleaner_map(struct run *run, const struct view *before, const struct view *now)
{
    if (now && slice_is(view_text(now, SECRET_TYPE), TOKEN_TYPE))
        map_own(run, before, now);
}

const struct controller token_cleaner_controller = {
    .name = "token-cleaner",
    .watches = {{&view_secrets, token_cleaner_map}},
    .reconcile = token_cleaner_reconcile,
};
