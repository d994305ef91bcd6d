/* SPDX-License-Identifier: Apache-2.0 */
/* The scanner's two loops: how far a string goes, and how far what stands in brackets. */
#ifndef KNARR_API_SCAN_SKIP_H
#define KNARR_API_SCAN_SKIP_H

#include <stdbool.h>
#include <stddef.h>

/* `at` is after the opening quote; returns the place after the closing one, or `end`. */
const char *scan_skip_string(const char *at, const char *end);
/* From the bracket at `at` to behind the one that closes it, or `end`. */
const char *scan_skip_brackets(const char *at, const char *end);

/* The ways to do the latter, which the processor chooses from; all find the same. */
enum scan_skip_way { SCAN_SKIP_BYTES, SCAN_SKIP_SSE2, SCAN_SKIP_AVX2, SCAN_SKIP_WAYS };
bool scan_skip_can(enum scan_skip_way way);
const char *scan_skip_brackets_by(enum scan_skip_way way, const char *at, const char *end);

#endif
