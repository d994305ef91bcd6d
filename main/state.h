/* SPDX-License-Identifier: Apache-2.0 */
/* What a server keeps under its home: the CA, certificates made from it, the key of ServiceAccounts' tokens, and the
 * administrator's kubeconfig. */
#ifndef KNARR_MAIN_STATE_H
#define KNARR_MAIN_STATE_H

#include "lib/pki.h"

struct state_options {
    const char *home;
    const char *address;           /* that the server listens on */
    const char *advertise_address; /* that others reach it at */
    const char *service_address;   /* first of the Service block */
    uint16_t port;
    int64_t certificate_s; /* life of what the CA signs */
};

struct state {
    struct pki_pair ca;          /* kept in home/pki/ca.crt and ca.key */
    struct pki_pair serving;     /* made anew at every start, and by state_renew */
    struct pki_pair node_client; /* likewise: what the API server shows to node servers */
    char *account_key;           /* PEM, kept in home/pki/sa.key: signs tokens of ServiceAccounts */
    int64_t renew_ns;            /* when state_renew is due, wall clock */
    int64_t ca_end_ns;           /* when the CA expires */
    char *kubeconfig;            /* path */
};

/* home, 0700. */
int state_make_home(const char *home, struct error *err);
/* Makes what is missing in home, which exists. The CA and the key of tokens are made once; everything the CA signs is
 * made anew, so that a change of addresses counts at once. ERROR_IO with the file that failed. */
int state_load(const struct state_options *options, struct state *ret_state, struct error *err);
/* Makes new certificates of the server from the CA, with the same names. What was there stays on failure. */
int state_renew(const struct state_options *options, struct state *state, struct error *err);
void state_clear(struct state *state);
/* "192.0.2.1": the first address of this machine that is not loopback, else "127.0.0.1". Caller frees. */
char *state_own_address(void);

#endif
