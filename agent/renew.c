/* SPDX-License-Identifier: Apache-2.0 */
/*
 *             due                    signed
 *     WAITING ---> ASKING (csr.c) ----------> WAITING, for the new one
 *        ^            | refused, denied, failed
 *        '------------' after renew_retry_ms
 *
 * The old certificate is used until the new one is there; connections that are open keep the one they began with.
 */
#include "agent/renew.h"

#include "agent/csr.h"
#include "lib/log.h"

#define RENEW_RETRY_MS 60000
#define RENEW_LEAST_MS 1000
#define RENEW_DAY_MS   (24ULL * 3600 * 1000) /* long waits are cut into days: a machine may sleep */

struct renew {
    struct agent *agent;
    struct renew_options options;
    char *dns_name;
    char *ip_address;
    struct csr *csr;
    struct loop_timer *timer;
    int64_t due_ns;       /* 0 = at once */
    int64_t not_after_ns; /* 0 = there is none yet */
    int64_t ca_end_ns;
};

int64_t renew_due_ns(int64_t not_before_ns, int64_t not_after_ns, unsigned percent)
{
    int64_t share = percent ? percent : 70 + (not_after_ns / NS_PER_S) % 20;

    return not_before_ns + (not_after_ns - not_before_ns) / 100 * share;
}

uint64_t renew_retry_ms(int64_t now_ns, int64_t not_after_ns)
{
    int64_t tenth = (not_after_ns - now_ns) / 10 / NS_PER_MS;

    if (tenth > RENEW_RETRY_MS || !not_after_ns)
        return RENEW_RETRY_MS;
    return tenth < RENEW_LEAST_MS ? RENEW_LEAST_MS : (uint64_t)tenth;
}

static void renew_read_ca(struct renew *r)
{
    struct pki_info info CLEANUP(pki_info_clear) = {0};

    r->ca_end_ns = pki_read_certificate(slice_str(r->options.ca), &info, NULL) < 0 ? INT64_MAX : info.not_after_ns;
}

static void renew_read(struct renew *r, const char *certificate)
{
    struct pki_info info CLEANUP(pki_info_clear) = {0};

    r->due_ns = r->not_after_ns = 0;
    if (!certificate || pki_read_certificate(slice_str(certificate), &info, NULL) < 0)
        return;
    r->not_after_ns = info.not_after_ns;
    r->due_ns = renew_due_ns(info.not_before_ns, info.not_after_ns, r->agent->config.renewal_percent);
    if (info.not_after_ns < r->ca_end_ns)
        return;
    r->due_ns = INT64_MAX;
    log_warning("agent", "the %s ends with the cluster's CA and cannot be renewed beyond that", r->options.what);
}

static void renew_wait(struct renew *r)
{
    int64_t left = (r->due_ns - clock_wall_ns(r->agent->clock)) / NS_PER_MS;
    uint64_t ms = left > 0 ? (uint64_t)left : 0;

    loop_timer_start(r->timer, ms > RENEW_DAY_MS ? RENEW_DAY_MS : ms, 0);
}

static void renew_again(struct renew *r, const struct error *err)
{
    uint64_t ms = renew_retry_ms(clock_wall_ns(r->agent->clock), r->not_after_ns);

    log_warning("agent", "getting the next %s: %s; trying again in %llu s", r->options.what, error_text(err),
                (unsigned long long)ms / 1000);
    loop_timer_start(r->timer, ms, 0);
}

static void renew_signed(void *arg, struct pki_pair *pair, const struct error *err)
{
    struct renew *r = arg;

    r->csr = NULL;
    if (err) {
        renew_again(r, err);
        return;
    }
    log_info("agent", r->not_after_ns ? "the %s was renewed" : "there is a %s", r->options.what);
    renew_read(r, pair->certificate);
    r->options.taken(r->options.arg, pair);
    renew_wait(r);
}

static void renew_tick(void *arg)
{
    static const char *const organizations[] = {"system:nodes"};
    struct renew *r = arg;
    char *name CLEANUP_FREE = mem_printf("system:node:%s", r->agent->config.node_name);
    const char *names[] = {r->dns_name};
    const char *addresses[] = {r->ip_address};
    const struct csr_options options = {.signer = r->options.signer,
                                        .usage = r->options.usage,
                                        .subject = {.common_name = name,
                                                    .organizations = organizations,
                                                    .organization_count = 1,
                                                    .dns_names = names,
                                                    .dns_name_count = r->dns_name ? 1 : 0,
                                                    .ip_addresses = addresses,
                                                    .ip_address_count = r->ip_address ? 1 : 0}};
    ERROR_LOCAL(err);

    if (r->due_ns > clock_wall_ns(r->agent->clock))
        renew_wait(r);
    else if (csr_start(r->agent->client, &options, renew_signed, r, &r->csr, &err) < 0)
        renew_again(r, &err);
}

struct renew *renew_start(struct agent *agent, const struct renew_options *options)
{
    struct renew *r = mem_zalloc(sizeof(*r));

    r->agent = agent;
    r->options = *options;
    r->dns_name = options->dns_name ? mem_strdup(options->dns_name) : NULL;
    r->ip_address = options->ip_address ? mem_strdup(options->ip_address) : NULL;
    r->timer = loop_timer_new(agent->loop, renew_tick, r);
    renew_read_ca(r);
    renew_read(r, options->current);
    renew_wait(r);
    return r;
}

void renew_free(struct renew *r)
{
    if (!r)
        return;
    csr_cancel(r->csr);
    loop_timer_free(r->timer);
    free(r->dns_name);
    free(r->ip_address);
    free(r);
}
