/* SPDX-License-Identifier: Apache-2.0 */
/* Text forms of bytes: base64, hex, percent, JSON strings; SHA-256. */
#ifndef KNARR_LIB_ENCODING_H
#define KNARR_LIB_ENCODING_H

#include "lib/bytes.h"

void base64_encode(struct buf *out, struct slice in);
/* Standard alphabet with padding, as encoding/base64 StdEncoding; line breaks are skipped. False on anything else. */
bool base64_decode(struct buf *out, struct slice in);
/* URL alphabet without padding (JWT). */
void base64url_encode(struct buf *out, struct slice in);
bool base64url_decode(struct buf *out, struct slice in);

void hex_encode(struct buf *out, struct slice in);

/* %XX decoding of one path segment or query value; plus_is_space for queries. False on a bad escape or a NUL. */
bool percent_decode(struct buf *out, struct slice in, bool plus_is_space);
/* Escapes all but unreserved characters (RFC 3986). */
void percent_encode(struct buf *out, struct slice in);

/* The UTF-8 bytes of a code point below 0x110000. */
void utf8_append(struct buf *out, unsigned code);
/* Bytes of the UTF-8 sequence at the start of what is not empty; 0 when there is none. Overlong forms and surrogates
 * are none. */
size_t utf8_sequence(struct slice s);
bool utf8_valid(struct slice s);

/* A JSON string with its quotes. Input is UTF-8; bytes below 0x20, quote and backslash are escaped. <, > and & are
 * escaped as upstream's encoder does not (SetEscapeHTML off), so they stay. */
void json_write_string(struct buf *out, struct slice in);
/* What stands between its quotes. */
void json_write_inside(struct buf *out, struct slice in);
/* Bytes from the start on that stand in a JSON string as they are; with `ascii`, none of 0x80 and above. */
size_t json_plain_length(struct slice s, bool ascii);
/* The text of a JSON string (quotes included in `in`); false when it is not one. */
bool json_read_string(struct buf *out, struct slice in);

#define SHA256_SIZE 32
void sha256(struct slice in, unsigned char ret_digest[SHA256_SIZE]);
/* 64 lower-case hex digits and a NUL. */
void sha256_hex(struct slice in, char ret_text[SHA256_SIZE * 2 + 1]);
/* Compares without leaking where the difference is; false when lengths differ. */
bool slice_equal_constant_time(struct slice a, struct slice b);

#endif
