/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two halves of a pull: image_pull.c is the order of its steps, image_pull_request.c one request with the login it
 * is made with. image_pull.c has the drawing.
 */
#ifndef KNARR_AGENT_IMAGE_PULL_INTERNAL_H
#define KNARR_AGENT_IMAGE_PULL_INTERNAL_H

#include <openssl/evp.h>

#include "agent/image_manifest.h"
#include "agent/image_pull.h"
#include "agent/registry_auth.h"
#include "lib/http_client.h"

enum pull_state { PULL_MANIFEST, PULL_TOKEN, PULL_CONFIG, PULL_LAYER, PULL_UNPACKING, PULL_RECORD, PULL_DONE };

struct image_pull {
    struct loop *loop;
    struct http_client *http;
    struct http_call *call;
    struct loop_timer *fail; /* reports a failure that happened inside the start */
    enum pull_state state;
    enum pull_state after_token;
    bool answered; /* the challenge of this request */
    bool insecure;
    bool cancelled;
    bool on_pool;
    char *store_dir;
    char *base; /* "https://registry.example.com:5000" */
    char *registry;
    char *repository;
    char *reference; /* tag or digest of the manifest asked for */
    char *name;
    struct registry_logins logins; /* tried in turn */
    size_t login;
    size_t host_logins;  /* from this one on they are the node's */
    char *authorization; /* for the registry: the header's value; NULL = none */
    struct registry_challenge challenge;
    const struct image *present;
    char *top_digest; /* of what the tag names: goes into the repo digest */
    unsigned depth;
    struct image_manifest manifest;
    struct image *image;
    size_t layer;
    /* what is being received */
    const char *want; /* digest, NULL = unknown (a tag) */
    int64_t limit;
    int64_t received;
    int status;
    EVP_MD_CTX *hash;
    struct buf body;
    int file;
    char *path; /* of the file */
    struct error err;
    void (*done)(void *arg, struct image *image, const struct error *err);
    void *arg;
};

/* image_pull_request.c */
/* Asks for what the state says; image_pull_received and image_pull_step follow from the loop. */
void image_pull_request(struct image_pull *p);
/* A new try with the login of p->login. */
void image_pull_login(struct image_pull *p);
/* Did a failure come so early that the next login may do better? Then it is set up, and the error is gone. */
bool image_pull_login_next(struct image_pull *p);
/* Wipes the one before; takes `value` over. */
void image_pull_authorize(struct image_pull *p, char *value);

/* image_pull.c */
/* The body of a 200 is here: reads it and moves on. */
int image_pull_received(struct image_pull *p);
/* Does what follows from an answer, or from p->err. */
void image_pull_step(struct image_pull *p);

#endif
