/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/encoding.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <openssl/crypto.h>
#include <openssl/evp.h>

static const char base64_std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode64(struct buf *out, struct slice in, const char *alphabet, bool pad)
{
    const unsigned char *p = (const unsigned char *)in.data;
    size_t left = in.len;

    for (; left >= 3; left -= 3, p += 3) {
        char *o = buf_reserve(out, 4);

        o[0] = alphabet[p[0] >> 2];
        o[1] = alphabet[((p[0] & 3) << 4) | (p[1] >> 4)];
        o[2] = alphabet[((p[1] & 15) << 2) | (p[2] >> 6)];
        o[3] = alphabet[p[2] & 63];
        out->len += 4;
    }
    if (!left)
        return;
    buf_append_byte(out, alphabet[p[0] >> 2]);
    if (left == 1) {
        buf_append_byte(out, alphabet[(p[0] & 3) << 4]);
    } else {
        buf_append_byte(out, alphabet[((p[0] & 3) << 4) | (p[1] >> 4)]);
        buf_append_byte(out, alphabet[(p[1] & 15) << 2]);
    }
    if (pad)
        buf_append(out, "==", left == 1 ? 2 : 1);
}

static int value64(char c, const char *alphabet)
{
    const char *at = c ? memchr(alphabet, c, 64) : NULL;

    return at ? (int)(at - alphabet) : -1;
}

static bool decode64(struct buf *out, struct slice in, const char *alphabet, bool pad)
{
    unsigned bits = 0;
    size_t symbols = 0, pads = 0;

    for (size_t i = 0; i < in.len; i++) {
        char c = in.data[i];
        int v;

        if (pad && (c == '\r' || c == '\n'))
            continue;
        if (pad && c == '=') {
            pads++;
            continue;
        }
        v = value64(c, alphabet);
        if (v < 0 || pads)
            return false;
        bits = (bits << 6) | (unsigned)v;
        symbols++;
        if (symbols % 4 == 0) {
            char bytes[3] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};

            buf_append(out, bytes, 3);
            bits = 0;
        }
    }
    if (symbols % 4 == 1 || (pad && (symbols + pads) % 4) || pads > 2)
        return false;
    if (symbols % 4 == 2)
        buf_append_byte(out, (char)(bits >> 4));
    if (symbols % 4 == 3) {
        buf_append_byte(out, (char)(bits >> 10));
        buf_append_byte(out, (char)(bits >> 2));
    }
    return true;
}

void base64_encode(struct buf *out, struct slice in)
{
    encode64(out, in, base64_std, true);
}

bool base64_decode(struct buf *out, struct slice in)
{
    return decode64(out, in, base64_std, true);
}

void base64url_encode(struct buf *out, struct slice in)
{
    encode64(out, in, base64_url, false);
}

bool base64url_decode(struct buf *out, struct slice in)
{
    return decode64(out, in, base64_url, false);
}

static const char hex_digits[] = "0123456789abcdef";

void hex_encode(struct buf *out, struct slice in)
{
    for (size_t i = 0; i < in.len; i++) {
        buf_append_byte(out, hex_digits[(unsigned char)in.data[i] >> 4]);
        buf_append_byte(out, hex_digits[(unsigned char)in.data[i] & 15]);
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool percent_decode(struct buf *out, struct slice in, bool plus_is_space)
{
    for (size_t i = 0; i < in.len; i++) {
        char c = in.data[i];

        if (c == '%') {
            int high = i + 2 < in.len ? hex_value(in.data[i + 1]) : -1;
            int low = i + 2 < in.len ? hex_value(in.data[i + 2]) : -1;

            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '\0') {
            return false;
        }
        buf_append_byte(out, c);
    }
    return true;
}

void percent_encode(struct buf *out, struct slice in)
{
    static const char upper[] = "0123456789ABCDEF";

    for (size_t i = 0; i < in.len; i++) {
        unsigned char c = (unsigned char)in.data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c))) {
            buf_append_byte(out, (char)c);
        } else {
            buf_append_byte(out, '%');
            buf_append_byte(out, upper[c >> 4]);
            buf_append_byte(out, upper[c & 15]);
        }
    }
}

static bool is_plain(unsigned char c, bool ascii)
{
    return c >= 0x20 && c != '"' && c != '\\' && !(ascii && c >= 0x80);
}

#ifdef __SSE2__
/* A bit for each byte that is not plain. */
static unsigned find_special(__m128i bytes, bool ascii)
{
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    const __m128i special = _mm_or_si128(control, _mm_or_si128(quote, backslash));

    return (unsigned)_mm_movemask_epi8(ascii ? _mm_or_si128(special, bytes) : special);
}

/* Plain bytes up to the first that is not, or until fewer than 8 are left; *ret_stopped tells which. */
static size_t count_plain(struct slice s, bool ascii, bool *ret_stopped)
{
    unsigned special = 0;
    size_t at = 0;

    for (; !special && s.len - at >= 16; at += special ? 0 : 16)
        special = find_special(_mm_loadu_si128((const __m128i *)(const void *)(s.data + at)), ascii);
    if (!special && s.len - at >= 8) {
        special = find_special(_mm_loadl_epi64((const __m128i *)(const void *)(s.data + at)), ascii) & 0xff;
        at += special ? 0 : 8;
    }
    *ret_stopped = special;
    return special ? at + (size_t)__builtin_ctz(special) : at;
}
#else
static size_t count_plain(struct slice s, bool ascii, bool *ret_stopped)
{
    *ret_stopped = false;
    return 0;
}
#endif

size_t json_plain_length(struct slice s, bool ascii)
{
    bool stopped;
    size_t at = count_plain(s, ascii, &stopped);

    while (!stopped && at < s.len && is_plain((unsigned char)s.data[at], ascii))
        at++;
    return at;
}

void json_write_inside(struct buf *out, struct slice in)
{
    size_t from = 0;

    if (!in.len)
        in = SLICE_LIT(""); /* an empty slice may have no bytes to count from */
    for (;;) {
        size_t run = json_plain_length(slice_from(in, from), false);
        unsigned char c;

        buf_append(out, in.data + from, run);
        from += run;
        if (from >= in.len)
            break;
        c = (unsigned char)in.data[from++];
        switch (c) {
        case '"':
            buf_append(out, "\\\"", 2);
            break;
        case '\\':
            buf_append(out, "\\\\", 2);
            break;
        case '\n':
            buf_append(out, "\\n", 2);
            break;
        case '\r':
            buf_append(out, "\\r", 2);
            break;
        case '\t':
            buf_append(out, "\\t", 2);
            break;
        default:
            buf_printf(out, "\\u%04x", c);
        }
    }
}

void json_write_string(struct buf *out, struct slice in)
{
    char *to = buf_reserve(out, in.len + 2);

    *to = '"';
    if (in.len && json_plain_length(in, false) == in.len) { /* as most are */
        memcpy(to + 1, in.data, in.len);
        to[in.len + 1] = '"';
        out->len += in.len + 2;
        return;
    }
    out->len++;
    json_write_inside(out, in);
    buf_append_byte(out, '"');
}

void utf8_append(struct buf *out, unsigned code)
{
    if (code < 0x80) {
        buf_append_byte(out, (char)code);
    } else if (code < 0x800) {
        buf_append_byte(out, (char)(0xc0 | (code >> 6)));
        buf_append_byte(out, (char)(0x80 | (code & 63)));
    } else if (code < 0x10000) {
        buf_append_byte(out, (char)(0xe0 | (code >> 12)));
        buf_append_byte(out, (char)(0x80 | ((code >> 6) & 63)));
        buf_append_byte(out, (char)(0x80 | (code & 63)));
    } else {
        buf_append_byte(out, (char)(0xf0 | (code >> 18)));
        buf_append_byte(out, (char)(0x80 | ((code >> 12) & 63)));
        buf_append_byte(out, (char)(0x80 | ((code >> 6) & 63)));
        buf_append_byte(out, (char)(0x80 | (code & 63)));
    }
}

size_t utf8_sequence(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.data;
    static const unsigned char least[] = {0, 0, 0, 0xA0, 0x90};
    size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xC2 && p[0] < 0xE0 ? 2 : (p[0] & 0xF0) == 0xE0 ? 3 : 0;

    if (p[0] >= 0xF0 && p[0] <= 0xF4)
        len = 4;
    if (!len || len > s.len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 || p[0] == 0xF0) && p[1] < least[len])
        return 0;
    if ((p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return len;
}

bool utf8_valid(struct slice s)
{
    while (s.len) {
        size_t len = utf8_sequence(s);

        if (!len)
            return false;
        s = slice_from(s, len);
    }
    return true;
}

static bool read_hex4(struct slice in, size_t at, unsigned *ret_code)
{
    unsigned code = 0;

    if (at + 4 > in.len)
        return false;
    for (size_t i = at; i < at + 4; i++) {
        int v = hex_value(in.data[i]);

        if (v < 0)
            return false;
        code = code * 16 + (unsigned)v;
    }
    *ret_code = code;
    return true;
}

/* The \uXXXX at `at` (behind the u), with its low surrogate if it needs one; moves *at to the last digit used. */
static bool read_unicode(struct buf *out, struct slice in, size_t *at)
{
    unsigned code, low;

    if (!read_hex4(in, *at, &code))
        return false;
    *at += 3;
    if (code >= 0xdc00 && code < 0xe000)
        return false;
    if (code >= 0xd800 && code < 0xdc00) {
        if (*at + 2 >= in.len || in.data[*at + 1] != '\\' || in.data[*at + 2] != 'u' || !read_hex4(in, *at + 3, &low) ||
            low < 0xdc00 || low >= 0xe000)
            return false;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        *at += 6;
    }
    utf8_append(out, code);
    return true;
}

bool json_read_string(struct buf *out, struct slice in)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";

    if (in.len < 2 || in.data[0] != '"' || in.data[in.len - 1] != '"')
        return false;
    in = slice_make(in.data + 1, in.len - 2);
    for (size_t i = 0; i < in.len; i++) {
        const char *at;

        if (in.data[i] == '"')
            return false;
        if (in.data[i] != '\\') {
            buf_append_byte(out, in.data[i]);
            continue;
        }
        if (++i >= in.len)
            return false;
        at = in.data[i] ? strchr(from, in.data[i]) : NULL;
        if (at) {
            buf_append_byte(out, to[at - from]);
            continue;
        }
        i++;
        if (in.data[i - 1] != 'u' || !read_unicode(out, in, &i))
            return false;
    }
    return true;
}

void sha256(struct slice in, unsigned char ret_digest[SHA256_SIZE])
{
    if (EVP_Digest(in.data ? in.data : "", in.len, ret_digest, NULL, EVP_sha256(), NULL) != 1)
        abort();
}

void sha256_hex(struct slice in, char ret_text[SHA256_SIZE * 2 + 1])
{
    unsigned char digest[SHA256_SIZE];

    sha256(in, digest);
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        ret_text[2 * i] = hex_digits[digest[i] >> 4];
        ret_text[2 * i + 1] = hex_digits[digest[i] & 15];
    }
    ret_text[SHA256_SIZE * 2] = '\0';
}

bool slice_equal_constant_time(struct slice a, struct slice b)
{
    return a.len == b.len && (!a.len || CRYPTO_memcmp(a.data, b.data, a.len) == 0);
}
