/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links in a page that comes through a proxy: the values of attributes that are URLs (those that upstream's proxy
 * knows) are handed out and come back as they shall be; every other byte goes through as it is. The page is read as it
 * comes, and no more of it is kept than a tag's and an attribute's name and one value. Pure.
 */
#ifndef KNARR_APISERVER_PROXY_HTML_H
#define KNARR_APISERVER_PROXY_HTML_H

#include "lib/bytes.h"

#define PROXY_HTML_VALUE_MAX 8192 /* a longer value goes through as it is */

struct proxy_html;
/* `link` writes a value, raw as it stands in the page, as it shall be. */
struct proxy_html *proxy_html_new(void (*link)(void *arg, struct slice value, struct buf *out), void *arg);
/* Appends what of the page can go on. */
void proxy_html_feed(struct proxy_html *html, struct slice piece, struct buf *out);
/* The page ends: what is still held. */
void proxy_html_end(struct proxy_html *html, struct buf *out);
void proxy_html_free(struct proxy_html *html); /* NULL is allowed */

#endif
