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
    struct kubeconfig config;
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
/* Streams the answer's data to fn until it ends. A failure status becomes an error. */
int session_stream(struct session *s, const struct client_request *request, void (*fn)(void *arg, struct slice data),
                   void *arg, struct error *err);
/* Lets the loop run for so long. */
void session_sleep(struct session *s, unsigned ms);

/* Prints "error: ..." as kubectl words it and returns the exit code 1. */
int session_fail(const struct error *err);

/* The kind behind "pods", "pod", "po", "Pod" or "deployments.apps"; NULL after printing that there is none. */
const struct schema_kind *session_kind(const char *text);
#endif
