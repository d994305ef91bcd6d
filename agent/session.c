/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/session.h"

#define SESSIONS_MAX 200 /* below the connections that the node server takes, so that logs still find room */

int session_add(struct session *s, struct agent *agent, void (*end)(struct session *session), struct error *err)
{
    if (agent->session_count >= SESSIONS_MAX)
        return error_set(err, ERROR_UNAVAILABLE,
                         "the node has %d sessions of exec, attach, port-forward and proxies already", SESSIONS_MAX);
    s->agent = agent;
    s->end = end;
    list_append(&agent->sessions, &s->link);
    agent->session_count++;
    return 0;
}

void session_remove(struct session *s)
{
    list_remove(&s->link);
    s->agent->session_count--;
}

void sessions_end(struct agent *agent)
{
    struct list todo;
    struct session *s;

    /* The end of one may be that of others, and one with a job on the pool stays: each is taken from the front, once.
     */
    list_move(&todo, &agent->sessions);
    while ((s = list_first(&todo, struct session, link))) {
        list_remove(&s->link);
        list_append(&agent->sessions, &s->link);
        s->end(s);
    }
}

void session_refuse(struct http_request *req, const struct error *err)
{
    const char *text = error_text(err);
    struct refbuf *body CLEANUP_REFBUF = refbuf_new(text, strlen(text));

    http_respond(req, error_http_status(err->code), "text/plain", NULL, 0, body);
}
