/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantities exactly: digits go into a 128-bit integer that counts billionths, so that no value a pod can ask for is
 * ever rounded by floating point. What is finer than a billionth is rounded away from zero, what is larger than 2^63-1
 * is that: upstream's limits.
 *
 * Invariant: |nano| <= QUANTITY_MAX, so that sums of a few thousand quantities cannot overflow either.
 */
#include "api/quantity.h"

#include <stdio.h>

#define NANO         ((__int128)1000000000)
#define QUANTITY_MAX ((unsigned __int128)INT64_MAX * 1000000000u)
/* Significant digits that are kept; more cannot matter below the maximum and above a billionth. */
#define DIGITS_MAX 28
/* Beyond this every number is zero or too large, whatever its digits. */
#define EXPONENT_MAX 1000

static const struct {
    const char *text;
    char format;
    int exponent; /* of 10 or of 2 */
} suffixes[] = {
    {"", 'd', 0},    {"n", 'd', -9},  {"u", 'd', -6},  {"m", 'd', -3},  {"k", 'd', 3},   {"M", 'd', 6},
    {"G", 'd', 9},   {"T", 'd', 12},  {"P", 'd', 15},  {"E", 'd', 18},  {"Ki", 'b', 10}, {"Mi", 'b', 20},
    {"Gi", 'b', 30}, {"Ti", 'b', 40}, {"Pi", 'b', 50}, {"Ei", 'b', 60},
};

/* A number taken apart: digits x 10^exponent, and whether non-zero digits were dropped. */
struct number {
    unsigned __int128 digits;
    int count;
    int64_t exponent;
    bool negative;
    bool sticky;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void number_add_digit(struct number *n, char c, bool behind_point)
{
    unsigned digit = (unsigned)(c - '0');

    if (n->count >= DIGITS_MAX) {
        n->sticky = n->sticky || digit;
        n->exponent += !behind_point;
        return;
    }
    n->digits = n->digits * 10 + digit;
    n->count += n->count || digit;
    n->exponent -= behind_point;
}

/* Reads [+-]digits[.digits] and returns what is left; false when there is neither digit nor point. */
static bool number_read(struct slice *text, struct number *n)
{
    bool point = false;
    size_t i = 0;
    size_t start;

    if (i < text->len && (text->data[i] == '-' || text->data[i] == '+'))
        n->negative = text->data[i++] == '-';
    for (start = i; i < text->len; i++) {
        char c = text->data[i];

        if (c == '.' && !point)
            point = true;
        else if (is_digit(c))
            number_add_digit(n, c, point);
        else
            break;
    }
    *text = slice_from(*text, i);
    return i > start;
}

/* Whether the rest has the form of a suffix at all: [eEinumkKMGTP]*[-+]?[0-9]* */
static bool suffix_is_formed(struct slice s)
{
    size_t i = 0;

    while (i < s.len && s.data[i] && strchr("eEinumkKMGTP", s.data[i]))
        i++;
    if (i < s.len && (s.data[i] == '-' || s.data[i] == '+'))
        i++;
    while (i < s.len && is_digit(s.data[i]))
        i++;
    return i == s.len;
}

static bool suffix_read_exponent(struct slice s, int *ret_exponent)
{
    int64_t value;

    if (s.len < 2 || (s.data[0] != 'e' && s.data[0] != 'E'))
        return false;
    s = slice_from(s, 1);
    if (s.data[0] == '+')
        s = slice_from(s, 1);
    if (!slice_to_int64(s, &value))
        return false;
    *ret_exponent = (int)(value > EXPONENT_MAX ? EXPONENT_MAX : value < -EXPONENT_MAX ? -EXPONENT_MAX : value);
    return true;
}

/* Of at most two letters, one of which decides nearly always. */
static bool suffix_is(struct slice s, const char *text)
{
    if (!s.len)
        return !text[0];
    return s.data[0] == text[0] && (s.len == 1 ? !text[1] : s.data[1] == text[1]);
}

static bool suffix_read(struct slice s, char *ret_format, int *ret_exponent)
{
    for (size_t i = 0; s.len <= 2 && i < ARRAY_SIZE(suffixes); i++)
        if (suffix_is(s, suffixes[i].text)) {
            *ret_format = suffixes[i].format;
            *ret_exponent = suffixes[i].exponent;
            return true;
        }
    *ret_format = 'e';
    return suffix_read_exponent(s, ret_exponent);
}

/* What most numbers are: whole billionths of moderate size. 0 = another way must be gone. */
static unsigned __int128 number_scale_whole(const struct number *n, int64_t exponent, int shift)
{
    static const uint64_t powers[] = {1,           10,           100,           1000,          10000,
                                      100000,      1000000,      10000000,      100000000,     1000000000,
                                      10000000000, 100000000000, 1000000000000, 10000000000000};
    unsigned __int128 value;

    if (exponent < 0 || exponent >= (int64_t)ARRAY_SIZE(powers) || n->digits > UINT32_MAX || n->sticky)
        return 0;
    value = n->digits * powers[exponent];
    return value > QUANTITY_MAX >> shift ? 0 : value << shift;
}

/* n x 2^shift in billionths, rounded up, at most QUANTITY_MAX. */
static unsigned __int128 number_scale(struct number *n, int64_t exponent, int shift)
{
    unsigned __int128 divisor = 1;
    unsigned __int128 value = number_scale_whole(n, exponent + 9, shift);
    unsigned __int128 rest;

    if (value)
        return value;
    for (exponent += 9; exponent > 0 && n->digits <= QUANTITY_MAX; exponent--)
        n->digits *= 10;
    for (; exponent < -DIGITS_MAX - 9 && n->digits; exponent++) {
        n->sticky = n->sticky || n->digits % 10;
        n->digits /= 10;
    }
    for (; exponent < 0 && n->digits; exponent++)
        divisor *= 10;
    value = n->digits / divisor;
    rest = n->digits % divisor;
    for (; shift > 0 && value <= QUANTITY_MAX; shift--) {
        value = value * 2 + (rest * 2 >= divisor);
        rest = rest * 2 >= divisor ? rest * 2 - divisor : rest * 2;
    }
    value += rest || n->sticky;
    return value > QUANTITY_MAX ? QUANTITY_MAX : value;
}

int quantity_parse(struct slice text, struct quantity *ret_quantity, struct error *err)
{
    struct number n = {0};
    char format;
    int exponent;
    unsigned __int128 value;

    if (!number_read(&text, &n) || !suffix_is_formed(text))
        return error_set(err, ERROR_BAD_REQUEST,
                         "quantities must match the regular expression "
                         "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    if (!suffix_read(text, &format, &exponent))
        return error_set(err, ERROR_BAD_REQUEST, "unable to parse quantity's suffix");
    value = number_scale(&n, n.exponent + (format == 'b' ? 0 : exponent), format == 'b' ? exponent : 0);
    if (format == 'b' && value < (unsigned __int128)NANO)
        format = 'd';
    *ret_quantity = (struct quantity){n.negative ? -(__int128)value : (__int128)value, format};
    return 0;
}

static const char *suffix_text(char format, int exponent)
{
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
        if (suffixes[i].exponent == exponent && (suffixes[i].format == format || !exponent))
            return suffixes[i].text;
    return "";
}

static void write_unsigned(struct buf *out, unsigned __int128 value)
{
    char text[40];
    size_t at = sizeof(text);

    do {
        text[--at] = (char)('0' + (int)(value % 10));
        value /= 10;
    } while (value);
    buf_append(out, text + at, sizeof(text) - at);
}

static void write_binary(struct buf *out, unsigned __int128 whole)
{
    int exponent = 0;

    while (whole % 1024 == 0 && exponent < 60) {
        whole /= 1024;
        exponent += 10;
    }
    write_unsigned(out, whole);
    buf_append_str(out, suffix_text('b', exponent));
}

/* The largest power of 1000 that leaves no fraction. */
static void write_decimal(struct buf *out, unsigned __int128 nano, char format)
{
    int exponent = -9;

    while (nano % 1000 == 0 && exponent < 18) {
        nano /= 1000;
        exponent += 3;
    }
    write_unsigned(out, nano);
    if (format == 'e' && exponent)
        buf_printf(out, "e%d", exponent);
    else
        buf_append_str(out, suffix_text('d', exponent));
}

void quantity_write(const struct quantity *q, struct buf *out)
{
    unsigned __int128 nano = q->nano < 0 ? -(unsigned __int128)q->nano : (unsigned __int128)q->nano;

    if (!nano) {
        buf_append_byte(out, '0');
        return;
    }
    if (q->nano < 0)
        buf_append_byte(out, '-');
    /* Below 1024 and with a fraction binary suffixes would lose precision. */
    if (q->format == 'b' && nano >= 1024 * (unsigned __int128)NANO && nano % (unsigned __int128)NANO == 0)
        write_binary(out, nano / (unsigned __int128)NANO);
    else
        write_decimal(out, nano, q->format);
}

int quantity_compare(const struct quantity *a, const struct quantity *b)
{
    return a->nano < b->nano ? -1 : a->nano > b->nano;
}

static void quantity_move(struct quantity *to, __int128 by, char format)
{
    const __int128 max = (__int128)QUANTITY_MAX;

    if (!to->nano)
        to->format = format;
    to->nano += by;
    if (to->nano > max)
        to->nano = max;
    if (to->nano < -max)
        to->nano = -max;
}

void quantity_add(struct quantity *to, const struct quantity *more)
{
    quantity_move(to, more->nano, more->format);
}

void quantity_subtract(struct quantity *from, const struct quantity *less)
{
    quantity_move(from, -less->nano, less->format);
}

/* nano / unit away from zero, within int64. */
static int64_t round_away(__int128 nano, __int128 unit)
{
    __int128 value = nano / unit + (nano % unit > 0) - (nano % unit < 0);

    if (value > INT64_MAX)
        return INT64_MAX;
    return value < INT64_MIN ? INT64_MIN : (int64_t)value;
}

int64_t quantity_value(const struct quantity *q)
{
    return round_away(q->nano, NANO);
}

int64_t quantity_milli(const struct quantity *q)
{
    return round_away(q->nano, NANO / 1000);
}
