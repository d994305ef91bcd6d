/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers in general, and the ones that need no protocol: exec and sleep. Commands of probes have EXEC_MAX places, the
 * others wait in order: a node full of probes must not be all runtime. Hooks take none, they may last. See
 * handler_internal.h for the states.
 */
#include "agent/handler_internal.h"

#include <errno.h>
#include <stdio.h>

#define EXEC_MAX 16

struct handlers *handlers_new(struct loop *loop, const struct runtime *runtime)
{
    struct handlers *env = mem_zalloc(sizeof(*env));
    /* Probes ask whether somebody answers, not who; nothing secret is sent. */
    const struct http_client_options options = {.insecure_skip_verify = true};

    env->loop = loop;
    env->runtime = runtime;
    env->http = http_client_new(loop, &options);
    list_init(&env->queue);
    return env;
}

void handlers_free(struct handlers *env)
{
    if (!env)
        return;
    while (env->alive)
        loop_turn(env->loop, true);
    http_client_free(env->http);
    free(env);
}

/* ---- the end of a handler ---- */

static void queue_run(struct handlers *env);

static void handler_free(struct handler *h)
{
    struct handlers *env = h->env;
    bool counted = h->counted;

    list_remove(&h->link);
    loop_timer_free(h->timer);
    if (h->call)
        http_call_cancel(h->call);
    str_list_clear(&h->argv);
    str_list_clear(&h->header_texts);
    free(h->headers);
    buf_free(&h->text);
    free(h->container_id);
    free(h->url);
    free(h->address);
    free(h->grpc_message);
    free(h);
    if (counted) {
        env->running--;
        queue_run(env);
    }
}

void handler_tell(struct handler *h, enum handler_outcome outcome, const char *text)
{
    handler_done *done = h->done;
    void *arg = h->arg;
    char *copy CLEANUP_FREE = mem_strdup(text);

    handler_free(h);
    done(arg, outcome, copy);
}

void handler_tell_take(struct handler *h, enum handler_outcome outcome, char *text)
{
    char *owned CLEANUP_FREE = text;

    handler_tell(h, outcome, owned);
}

static void on_timer(void *arg)
{
    struct handler *h = arg;

    handler_tell(h, h->outcome, buf_cstr(&h->text));
}

void handler_tell_later(struct handler *h, enum handler_outcome outcome, char *text)
{
    char *owned CLEANUP_FREE = text;

    h->outcome = outcome;
    buf_reset(&h->text);
    buf_append_str(&h->text, owned);
    loop_timer_start(h->timer, 0, 0);
}

void handler_cancel(struct handler *h)
{
    if (!h)
        return;
    runtime_exec_cancel(h->exec);
    handler_free(h);
}

void handler_leave(struct handler *h)
{
    if (!h)
        return;
    runtime_exec_leave(h->exec);
    handler_free(h);
}

/* ---- exec ---- */

/* As Go writes a duration of whole seconds. */
static void seconds_text(unsigned ms, char ret_text[24])
{
    unsigned s = ms / 1000;

    if (s < 60)
        (void)snprintf(ret_text, 24, "%us", s);
    else if (s < 3600)
        (void)snprintf(ret_text, 24, "%um%us", s / 60, s % 60);
    else
        (void)snprintf(ret_text, 24, "%uh%um%us", s / 3600, s / 60 % 60, s % 60);
}

static char *timeout_text(const struct handler *h)
{
    char seconds[24];
    BUF_LOCAL(command);

    for (size_t i = 0; i < h->argv.count; i++)
        buf_printf(&command, "%s%s", i ? " " : "", h->argv.items[i]);
    seconds_text(h->timeout_ms, seconds);
    return mem_printf("command timed out: \"%s\" timed out after %s", buf_cstr(&command), seconds);
}

static void exec_ended(void *arg, enum runtime_exec_end end, int status, struct slice output)
{
    struct handler *h = arg;

    h->exec = NULL;
    if (end == RUNTIME_EXEC_TIMED_OUT)
        handler_tell_take(h, HANDLER_BAD, timeout_text(h));
    else
        handler_tell_take(h,
                          end == RUNTIME_EXEC_FAILED ? HANDLER_ERROR
                          : status                   ? HANDLER_BAD
                                                     : HANDLER_GOOD,
                          slice_dup(output));
}

static void exec_run(struct handler *h)
{
    const struct runtime_exec_options options = {.id = h->container_id,
                                                 .argv = (const char *const *)h->argv.items,
                                                 .timeout_ms = h->timeout_ms,
                                                 .output_max = h->hook ? 0 : HANDLER_OUTPUT,
                                                 .alive = &h->env->alive};

    h->exec = runtime_exec_start(h->env->loop, h->env->runtime, &options, exec_ended, h);
}

static void queue_run(struct handlers *env)
{
    while (env->running < EXEC_MAX && !list_empty(&env->queue)) {
        struct handler *h = list_first(&env->queue, struct handler, link);

        list_remove(&h->link);
        h->counted = true;
        env->running++;
        exec_run(h);
    }
}

static void exec_start(struct handler *h, const struct handler_request *r, const struct value *action)
{
    const struct value *command = value_get(action, "command");

    h->container_id = mem_strdup(r->container_id);
    for (size_t i = 0; i < value_count(command); i++)
        str_list_take(&h->argv, slice_dup(value_string(value_at(command, i))));
    if (!h->argv.count) {
        handler_tell_later(h, HANDLER_ERROR, mem_strdup("there is no command"));
    } else if (h->hook) {
        exec_run(h);
    } else {
        list_append(&h->env->queue, &h->link);
        queue_run(h->env);
    }
}

/* ---- sleep ---- */

static void sleep_start(struct handler *h, const struct handler_request *r, const struct value *action)
{
    int64_t seconds = value_int(value_get(action, "seconds"));

    (void)r;
    h->outcome = HANDLER_GOOD;
    loop_timer_start(h->timer, seconds > 0 ? (uint64_t)seconds * 1000 : 0, 0);
}

/* ---- all of them ---- */

uint16_t handler_port(struct handler *h, const struct value *container, const struct value *port)
{
    const struct value *ports = value_get(container, "ports");
    struct slice name = value_string(port);
    int64_t number = value_int(port);

    for (size_t i = 0; name.len && !number && i < value_count(ports); i++)
        if (slice_equal(value_string(value_get(value_at(ports, i), "name")), name))
            number = value_int(value_get(value_at(ports, i), "containerPort"));
    if (name.len && !number && !slice_to_int64(name, &number)) {
        handler_tell_later(h, HANDLER_ERROR,
                           mem_printf("strconv.Atoi: parsing \"%.*s\": invalid syntax", SLICE_ARGS(name)));
        return 0;
    }
    if (number > 0 && number < 65536)
        return (uint16_t)number;
    handler_tell_later(h, HANDLER_ERROR, mem_printf("invalid port number: %lld", (long long)number));
    return 0;
}

void handler_set_address(struct handler *h, const char *host, uint16_t port)
{
    bool bare6 = strchr(host, ':') && *host != '[';

    free(h->address);
    h->address = mem_printf(bare6 ? "[%s]:%u" : "%s:%u", host, port);
}

char *handler_dial_text(const struct handler *h, const struct error *err)
{
    int number = http_call_errno(h->call);
    /* "url: what libcurl says" */
    const char *what = strstr(error_text(err), ": ");

    if (err->code == ERROR_TIMEOUT)
        return mem_printf("dial tcp %s: i/o timeout", h->address);
    if (number == ECONNREFUSED || number == EHOSTUNREACH || number == ENETUNREACH)
        return mem_printf("dial tcp %s: connect: %s", h->address,
                          number == ECONNREFUSED   ? "connection refused"
                          : number == EHOSTUNREACH ? "no route to host"
                                                   : "network is unreachable");
    return mem_strdup(what ? what + 2 : error_text(err));
}

struct handler *handler_start(struct handlers *env, const struct handler_request *request, handler_done *done,
                              void *arg)
{
    static const struct {
        const char *name;
        void (*start)(struct handler *h, const struct handler_request *r, const struct value *action);
    } kinds[] = {{"exec", exec_start},
                 {"httpGet", handler_http_start},
                 {"tcpSocket", handler_tcp_start},
                 {"grpc", handler_grpc_start},
                 {"sleep", sleep_start}};
    struct handler *h = mem_zalloc(sizeof(*h));

    h->env = env;
    list_init(&h->link);
    h->done = done;
    h->arg = arg;
    h->hook = request->hook;
    h->timeout_ms = request->timeout_ms;
    h->grpc_status = -1;
    h->timer = loop_timer_new(env->loop, on_timer, h);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const struct value *action = value_get(request->action, kinds[i].name);

        if (action) {
            kinds[i].start(h, request, action);
            return h;
        }
    }
    handler_tell_later(h, HANDLER_ERROR, mem_strdup("there is no handler"));
    return h;
}
