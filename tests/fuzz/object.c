/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of every built-in kind: "KIND\nJSON". What can be decoded is defaulted and judged without harm,
 * written and read again as the same; and so through protobuf, where the kind has it.
 */
#include "tests/fuzz/fuzz.h"

#include "api/codec.h"
#include "api/validate.h"
#include "tests/fuzz/kind.h"

static void check_again(const struct schema_kind *kind, const struct value *object)
{
    struct value *again CLEANUP_VALUE = NULL;
    BUF_LOCAL(text);
    BUF_LOCAL(same);

    codec_write(kind->type, object, &text);
    again = codec_decode(kind, CODEC_JSON, buf_slice(&text), CODEC_STRICT, NULL, NULL);
    FUZZ_CHECK(again && value_equal(again, object));
    codec_write(kind->type, again, &same);
    FUZZ_CHECK(slice_equal(buf_slice(&text), buf_slice(&same)));
}

static void check_protobuf(const struct schema_kind *kind, const struct value *object)
{
    struct value *once CLEANUP_VALUE = NULL;
    struct value *twice CLEANUP_VALUE = NULL;
    BUF_LOCAL(bytes);
    BUF_LOCAL(more);

    if (codec_encode_protobuf(kind, object, &bytes, NULL) < 0)
        return;
    once = codec_decode(kind, CODEC_PROTOBUF, buf_slice(&bytes), CODEC_STRICT, NULL, NULL);
    FUZZ_CHECK(once);
    FUZZ_CHECK(codec_encode_protobuf(kind, once, &more, NULL) == 0);
    twice = codec_decode(kind, CODEC_PROTOBUF, buf_slice(&more), CODEC_STRICT, NULL, NULL);
    FUZZ_CHECK(twice && value_equal(once, twice));
}

static void fuzz_one(struct slice input)
{
    const struct schema_kind *kind = fuzz_kind(fuzz_take(&input));
    struct value *object CLEANUP_VALUE = NULL;
    ERROR_LOCAL(err);
    int r;

    value_init();
    object = codec_decode(kind, CODEC_JSON, input, CODEC_IGNORE, NULL, &err);
    FUZZ_CHECK(!object == error_is_set(&err));
    if (!object)
        return;
    check_again(kind, object);
    default_apply(kind, object);
    error_clear(&err);
    r = validate_object(kind, object, NULL, "", &err);
    FUZZ_CHECK((r < 0) == error_is_set(&err));
    (void)validate_object(kind, object, object, "", NULL);
    (void)validate_object(kind, object, object, "status", NULL);
    if (r == 0)
        check_protobuf(kind, object);
}
