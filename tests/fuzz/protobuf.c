/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf bodies: "KIND\nMESSAGE", the message with its envelope or without. What can be read is an
 * object that JSON can say, and that is the same once more.
 */
#include <stdio.h>

#include "tests/fuzz/fuzz.h"

#include "api/codec.h"
#include "api/validate.h"
#include "tests/fuzz/kind.h"

/* In the envelope of the kind, which nobody finds by chance: 1 = type, 2 = the message. */
static void wrap(const struct schema_kind *kind, struct slice message, struct buf *out)
{
    char version[128];
    char type[256];
    int length;

    (void)schema_api_version(kind, version, sizeof(version));
    length = snprintf(type, sizeof(type), "\n%c%s\x12%c%s", (char)strlen(version), version, (char)strlen(kind->kind),
                      kind->kind);
    buf_append(out, "k8s\0\n", 5);
    buf_append_byte(out, (char)length);
    buf_append(out, type, (size_t)length);
    buf_append_byte(out, '\x12');
    for (size_t n = message.len; buf_append_byte(out, (char)((n & 127) | (n > 127 ? 128 : 0))), n > 127; n >>= 7)
        ;
    buf_append_slice(out, message);
}

static void check(const struct schema_kind *kind, struct slice bytes)
{
    struct value *object CLEANUP_VALUE = NULL;
    struct value *again CLEANUP_VALUE = NULL;
    ERROR_LOCAL(err);
    BUF_LOCAL(json);

    object = codec_decode(kind, CODEC_PROTOBUF, bytes, CODEC_STRICT, NULL, &err);
    FUZZ_CHECK(!object == error_is_set(&err));
    if (!object)
        return;
    value_write(object, &json);
    again = codec_decode(kind, CODEC_JSON, buf_slice(&json), CODEC_STRICT, NULL, NULL);
    FUZZ_CHECK(again && value_equal(again, object));
    default_apply(kind, object);
    (void)validate_object(kind, object, NULL, "", NULL);
}

static void fuzz_one(struct slice input)
{
    const struct schema_kind *kind = fuzz_kind(fuzz_take(&input));
    /* An exact copy on the heap, so that one byte too far is seen. */
    char *copy CLEANUP_FREE = mem_dup(input.data, input.len);
    char *version CLEANUP_FREE = NULL;
    char *name CLEANUP_FREE = NULL;
    BUF_LOCAL(wrapped);

    value_init();
    (void)codec_peek_type(CODEC_PROTOBUF, slice_make(copy, input.len), &version, &name, NULL);
    check(kind, slice_make(copy, input.len));
    wrap(kind, input, &wrapped);
    check(kind, buf_slice(&wrapped));
}
