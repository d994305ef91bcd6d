/* SPDX-License-Identifier: Apache-2.0 */
/* What an unquoted YAML 1.1 scalar is, by go-yaml v2's rules. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/yaml_internal.h"

static const struct {
    const char *text;
    const char *json;
} words[] = {
    {"", "null"},       {"~", "null"},    {"null", "null"}, {"Null", "null"}, {"NULL", "null"},   {"true", "true"},
    {"True", "true"},   {"TRUE", "true"}, {"y", "true"},    {"Y", "true"},    {"yes", "true"},    {"Yes", "true"},
    {"YES", "true"},    {"on", "true"},   {"On", "true"},   {"ON", "true"},   {"false", "false"}, {"False", "false"},
    {"FALSE", "false"}, {"n", "false"},   {"N", "false"},   {"no", "false"},  {"No", "false"},    {"NO", "false"},
    {"off", "false"},   {"Off", "false"}, {"OFF", "false"},
};

/* Digits of `base`, all of the text, into 64 bits. */
static bool read_digits(const char *digits, int base, unsigned long long *ret_value)
{
    char *end;

    if (!isalnum((unsigned char)digits[0]))
        return false; /* strtoull would take blanks and signs */
    errno = 0;
    *ret_value = strtoull(digits, &end, base);
    return !*end && !errno;
}

static bool write_integer(struct buf *out, const char *text)
{
    bool negative = text[0] == '-';
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    unsigned long long value;
    bool ok;

    if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
        ok = read_digits(digits + 2, 16, &value);
    else if (digits[0] == '0' && (digits[1] == 'b' || digits[1] == 'B'))
        ok = read_digits(digits + 2, 2, &value);
    else if (digits[0] == '0' && (digits[1] == 'o' || digits[1] == 'O'))
        ok = read_digits(digits + 2, 8, &value);
    else
        ok = read_digits(digits, digits[0] == '0' && digits[1] ? 8 : 10, &value);
    if (!ok || (negative && value > (unsigned long long)INT64_MAX + 1))
        return false;
    buf_printf(out, "%s%llu", negative && value ? "-" : "", value);
    return true;
}

/* [-+]? (digits [. digits*]? | . digits+) ([eE] [-+]? digits+)? */
static bool is_float(const char *s)
{
    size_t before = 0;
    size_t after = 0;

    s += *s == '-' || *s == '+';
    for (; isdigit((unsigned char)*s); s++)
        before++;
    if (*s == '.')
        for (s++; isdigit((unsigned char)*s); s++)
            after++;
    if (!before && !after)
        return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '-' || *s == '+';
        if (!isdigit((unsigned char)*s))
            return false;
        while (isdigit((unsigned char)*s))
            s++;
    }
    return !*s;
}

/* The shortest text that reads back as the same number; without exponent where Go's encoder uses none. */
static bool write_float(struct buf *out, const char *text)
{
    double value = strtod(text, NULL);
    bool fixed = value == 0 || (fabs(value) >= 1e-6 && fabs(value) < 1e21);
    char shortest[64];

    if (!isfinite(value))
        return false; /* JSON has no such number */
    for (int digits = fixed ? 0 : 1; digits <= 24; digits++) {
        (void)snprintf(shortest, sizeof(shortest), fixed ? "%.*f" : "%.*g", digits, value);
        if (strtod(shortest, NULL) == value)
            break;
    }
    buf_append_str(out, shortest);
    return true;
}

bool yaml_write_plain(struct buf *out, struct slice text)
{
    char plain[320]; /* longer ones are no numbers that a double could hold */
    size_t len = 0;

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (slice_is(text, words[i].text)) {
            buf_append_str(out, words[i].json);
            return true;
        }
    }
    if (text.len >= sizeof(plain) || !strchr("+-.0123456789", text.data[0]))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '_') /* 1_000 */
            plain[len++] = text.data[i];
    plain[len] = '\0';
    return write_integer(out, plain) || (is_float(plain) && write_float(out, plain));
}
