/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/spdy.h"

#include "tests/unit/test.h"

/* Reads all of `bytes`, `step` at a time: "type stream[!] name=value,data;" per frame. */
static void read_all(struct spdy *s, struct slice bytes, size_t step, struct buf *out)
{
    struct spdy_frame f;
    ERROR_LOCAL(err);
    int r = 0;

    while (bytes.len && r >= 0) {
        struct slice piece = slice_make(bytes.data, bytes.len < step ? bytes.len : step);

        bytes = slice_from(bytes, piece.len);
        while ((r = spdy_read(s, &piece, &f, &err)) > 0) {
            buf_printf(out, "%d %u%s", f.type, f.stream, f.fin ? "!" : "");
            for (size_t i = 0; i < f.header_count; i++)
                buf_printf(out, " %.*s=%.*s", SLICE_ARGS(f.headers[i].name), SLICE_ARGS(f.headers[i].value));
            buf_printf(out, "%s%.*s;", f.data.len ? " " : "", SLICE_ARGS(f.data));
        }
    }
    if (r < 0)
        buf_append_str(out, "bad");
}

/* The first frames of a kubectl 1.35 port-forward, as recorded: a compressed block that needs the dictionary. */
static void test_a_recorded_client_is_understood(void **state)
{
    static const char bytes[] = "\x80\x03\x00\x01\x00\x00\x00\x3d\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                                "x\xf9\xe3\xc6\xa7\xc2\x02%:p:+)JM\xcc\x85\x16%\xac\xa9\xa0\x80\x86\x14\xcb"
                                "E\xa0$\xcc"
                                "da\xc0\xc0\xc0\xc0Y\x04\x89\xc4LP\xe2"
                                "f4\x00\x00\x00\x00\xff\xff"
                                "\x00\x00\x00\x01\x01\x00\x00\x00";

    (void)state;
    for (size_t step = 1; step < 100; step += 7) {
        struct spdy *s = spdy_new();
        BUF_LOCAL(out);

        read_all(s, slice_make(bytes, sizeof(bytes) - 1), step, &out);
        assert_string_equal(buf_cstr(&out), "1 1 streamtype=error port=80 requestid=0;0 1!;");
        spdy_free(s);
    }
}

static void test_both_sides_of_one_connection(void **state)
{
    const struct spdy_header first[] = {{SLICE_LIT("streamtype"), SLICE_LIT("stdin")}};
    const struct spdy_header second[] = {{SLICE_LIT("streamtype"), SLICE_LIT("data")},
                                         {SLICE_LIT("port"), SLICE_LIT("80")}};
    struct spdy *client = spdy_new();
    struct spdy *server = spdy_new();
    BUF_LOCAL(bytes);
    BUF_LOCAL(out);

    (void)state;
    spdy_write_syn_stream(client, &bytes, 1, first, 1);
    spdy_write_syn_stream(client, &bytes, 3, second, 2);
    spdy_write_data(&bytes, 3, SLICE_LIT("hello"), false);
    spdy_write_ping(&bytes, 0xffffffff);
    spdy_write_data(&bytes, 3, SLICE_NONE, true);
    spdy_write_reset(&bytes, 1, SPDY_CANCEL);
    spdy_write_goaway(&bytes, 3);
    read_all(server, buf_slice(&bytes), 4096, &out);
    assert_string_equal(buf_cstr(&out),
                        "1 1 streamtype=stdin;1 3 streamtype=data port=80;0 3 hello;6 4294967295;0 3!;3 1;"
                        "7 3;");
    buf_reset(&bytes);
    buf_reset(&out);
    spdy_write_syn_reply(server, &bytes, 1);
    spdy_write_syn_reply(server, &bytes, 3);
    read_all(client, buf_slice(&bytes), 5, &out);
    assert_string_equal(buf_cstr(&out), "2 1;2 3;");
    spdy_free(client);
    spdy_free(server);
}

static void test_large_data_goes_into_several_frames(void **state)
{
    const size_t size = (16u << 20) + 100;
    char *block CLEANUP_FREE = mem_zalloc(size);
    struct spdy *s = spdy_new();
    struct slice rest;
    struct spdy_frame f;
    size_t got = 0;
    bool fin = false;
    BUF_LOCAL(bytes);

    (void)state;
    spdy_write_data(&bytes, 5, slice_make(block, size), true);
    rest = buf_slice(&bytes);
    while (spdy_read(s, &rest, &f, NULL) > 0) {
        assert_false(fin);
        got += f.data.len;
        fin = f.fin;
    }
    assert_true(fin);
    assert_int_equal(got, size);
    spdy_free(s);
}

static void test_bad_frames(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"\x80\x02\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01", 12}, /* another version */
        {"\x80\x03\x00\x01\x00\x00\x40\x01", 8},                  /* too large */
        {"\x80\x03\x00\x06\x00\x00\x00\x02\x00\x00", 10},         /* a short ping */
        {"\x80\x03\x00\x01\x00\x00\x00\x04\x00\x00\x00\x01", 12}, /* a short SYN_STREAM */
        {"\x80\x03\x00\x02\x00\x00\x00\x07\x00\x00\x00\x01"
         "abc",
         15},                                                     /* not zlib */
        {"\x80\x03\x00\x02\x00\x00\x00\x04\x00\x00\x00\x01", 12}, /* an empty block */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct spdy *s = spdy_new();
        BUF_LOCAL(out);

        read_all(s, slice_make(rows[i].bytes, rows[i].len), 3, &out);
        assert_string_equal(buf_cstr(&out), "bad");
        spdy_free(s);
    }
}

/* A few bytes that inflate to more than any header block may be. */
static void test_a_bomb_is_refused(void **state)
{
    char *text CLEANUP_FREE = mem_zalloc(60000);
    const struct spdy_header header = {SLICE_LIT("x"), slice_make(text, 60000)};
    struct spdy *client = spdy_new();
    struct spdy *server = spdy_new();
    BUF_LOCAL(bytes);
    BUF_LOCAL(out);

    (void)state;
    spdy_write_syn_stream(client, &bytes, 1, &header, 1);
    assert_true(bytes.len < 1000);
    read_all(server, buf_slice(&bytes), 4096, &out);
    assert_string_equal(buf_cstr(&out), "bad");
    spdy_free(client);
    spdy_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_recorded_client_is_understood),
        cmocka_unit_test(test_both_sides_of_one_connection),
        cmocka_unit_test(test_large_data_goes_into_several_frames),
        cmocka_unit_test(test_bad_frames),
        cmocka_unit_test(test_a_bomb_is_refused),
    };

    return cmocka_run_group_tests_name("spdy", tests, NULL, NULL);
}
