/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session: a loop and a client for one command, with calls that wait for their answer. A command line does one thing at
 * a time; only watch and logs stream.
 */
#ifndef KNARR_CLI_SESSION_H
#define KNARR_CLI_SESSION_H

#include "cli/flags.h"
#include "cli/kubeconfig.h"
#include "client/client.h"

struct session {
    struct loop *loop;
    struct client *client;
    struct session_signals *signals; /* NULL = they end the process */
    struct kubeconfig config;
    struct custom_kind **kinds; /* that are not built in; once the server was asked */
    size_t kind_count;
    size_t kind_cap;
    bool asked;
};

/* The flag every command has. */
#define SESSION_FLAGS(kubeconfig)                                                                                      \
    {                                                                                                                  \
        "kubeconfig", 0, FLAG_TEXT, &(kubeconfig)                                                                      \
    }

int session_open(struct session *s, const char *kubeconfig, struct error *err);
void session_close(struct session *s);

/* Sends and waits. *ret_body gets the whole answer. */
int session_call(struct session *s, const struct client_request *request, struct buf *ret_body, struct error *err);
/* Streams the answer's data to fn until it ends, or fn fails. A failure status becomes an error. */
int session_stream(struct session *s, const struct client_request *request,
                   int (*fn)(void *arg, struct slice data, struct error *err), void *arg, struct error *err);
/* From now on SIGINT, SIGTERM and SIGHUP end what the loop waits for (a stream: ERROR_CANCELLED), so that a command can
 * put right what it would leave behind. */
void session_end_by_signals(struct session *s);
/* A line of a watch: fails as it says when the server ends the watch with a Status. */
int session_watch_failed(struct slice line, struct error *err);
/* Lets the loop run for so long. */
void session_sleep(struct session *s, unsigned ms);

/* Writes to standard output, at once. ERROR_IO when nobody reads it any more. */
int session_print(struct slice text, struct error *err);
/* Prints "error: ..." as kubectl words it and returns the exit code 1. */
int session_fail(const struct error *err);

/* The kind behind "pods", "pod", "po", "Pod" or "deployments.apps", built in or one that the server has besides; NULL
 * after printing that there is none. It lives as long as the session. */
const struct schema_kind *session_kind(struct session *s, const char *text);
/* The same by apiVersion and kind. s NULL: only what is built in. ERROR_BAD_REQUEST when there is none. */
int session_find_kind(struct session *s, const char *api_version, const char *name, const struct schema_kind **ret_kind,
                      struct error *err);
/* Part of session_close. */
/* Asks which kinds there are that are not built in; when it was asked before, adds what is new since. */
int session_ask_kinds(struct session *s, struct error *err);
/* Of those that were asked for, each in the version that the server prefers: the first from *at on, and *at behind it;
 * NULL when there is no more. They live as long as the session. */
const struct schema_kind *session_next_kind(const struct session *s, size_t *at);
void session_forget_kinds(struct session *s);
#endif
