/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML to JSON text, as far as Kubernetes manifests go: YAML 1.1 scalars as sigs.k8s.io/yaml reads them, anchors and
 * aliases (expansion bounded), duplicate keys refused, several documents.
 */
#ifndef KNARR_LIB_YAML_H
#define KNARR_LIB_YAML_H

#include "lib/bytes.h"
#include "lib/error.h"

#define YAML_DEPTH_MAX 64
#define YAML_BYTES_MAX (16u << 20) /* of JSON made from one document */

/* Calls fn with the JSON text of each document, in order; empty documents are skipped. Stops when fn fails. */
int yaml_each_document(struct slice text, int (*fn)(void *arg, struct slice json, struct error *err), void *arg,
                       struct error *err);
/* Exactly one document. */
int yaml_to_json(struct slice text, struct buf *out, struct error *err);
/* JSON text as YAML, block style (for output). */
int yaml_from_json(struct slice json, struct buf *out, struct error *err);

#endif
