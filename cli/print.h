/* SPDX-License-Identifier: Apache-2.0 */
/* Output forms: indented JSON, YAML, jsonpath, and the columns of a Table. */
#ifndef KNARR_CLI_PRINT_H
#define KNARR_CLI_PRINT_H

#include "api/value.h"

/* Indented by four spaces, as kubectl prints JSON. */
void print_json(const struct value *v, struct buf *out);
/* "{.items[*].metadata.name}", "text {.a.b[0]}{'\n'}". ERROR_BAD_REQUEST on a template that cannot be read. */
int print_jsonpath(const char *template_, const struct value *v, struct buf *out, struct error *err);

/* Columns of a meta.k8s.io Table. */
struct table_printer {
    bool wide;
    bool with_namespace;
    bool no_headers;
    bool header_done; /* a watch prints the header once */
    size_t *widths;   /* kept between calls, so that a watch stays aligned */
    size_t width_count;
};
void table_printer_print(struct table_printer *p, const struct value *table, struct buf *out);
void table_printer_clear(struct table_printer *p);

#endif
