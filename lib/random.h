/* SPDX-License-Identifier: Apache-2.0 */
/* Randomness: from the kernel, or from a seeded source that a simulation installs for its whole process. */
#ifndef KNARR_LIB_RANDOM_H
#define KNARR_LIB_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fills `data`; aborts when the kernel has none (it never blocks once booted). */
void random_bytes(void *data, size_t len);
/* Even in [0, below); below > 0. */
uint64_t random_below(uint64_t below);
/* A version 4 UUID with its NUL. */
void random_uuid(char ret_text[37]);
/* `len` characters of upstream's alphabet for generated names ("bcdfghjklmnpqrstvwxz2456789") and a NUL. */
void random_suffix(char *ret_text, size_t len);

/* Tests and simulations: everything above becomes a function of the seed (0 = back to the kernel). */
void random_set_seed(uint64_t seed);

#endif
