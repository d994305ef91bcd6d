/* SPDX-License-Identifier: Apache-2.0 */
/* The formats of texts that apiextensions.k8s.io/v1 knows. A name that is not here says nothing, as upstream. */
#include "api/structural_internal.h"

#include <arpa/inet.h>
#include <ctype.h>

#include "api/validate.h"
#include "lib/clock.h"
#include "lib/encoding.h"

static bool fits_time(struct slice text)
{
    int64_t at;

    return time_parse(text, &at);
}

static bool fits_date(struct slice text)
{
    BUF_LOCAL(full);

    buf_printf(&full, "%.*sT00:00:00Z", SLICE_ARGS(text));
    return text.len == 10 && fits_time(buf_slice(&full));
}

static bool fits_address(struct slice text, int family)
{
    unsigned char address[sizeof(struct in6_addr)];
    char *z CLEANUP_FREE = slice_dup(text);

    return inet_pton(family, z, address) == 1;
}

static bool fits_ipv4(struct slice text)
{
    return fits_address(text, AF_INET);
}

static bool fits_ipv6(struct slice text)
{
    return fits_address(text, AF_INET6);
}

static bool fits_cidr(struct slice text)
{
    struct slice address;
    int64_t bits;
    bool four;

    if (slice_find(text, '/') < 0 || !slice_split(&text, '/', &address) || !slice_to_int64(text, &bits))
        return false;
    four = fits_ipv4(address);
    return (four || fits_ipv6(address)) && bits >= 0 && bits <= (four ? 32 : 128);
}

static bool fits_bytes(struct slice text)
{
    BUF_LOCAL(out);

    return base64_decode(&out, text);
}

static bool fits_hostname(struct slice text)
{
    struct slice label;

    if (!text.len || text.len > 255)
        return false;
    while (slice_split(&text, '.', &label)) {
        if (!label.len || label.len > 63 || label.data[0] == '-' || label.data[label.len - 1] == '-')
            return false;
        for (size_t i = 0; i < label.len; i++)
            if (!isalnum((unsigned char)label.data[i]) && label.data[i] != '-')
                return false;
    }
    return true;
}

static bool fits_email(struct slice text)
{
    ptrdiff_t at = slice_find(text, '@');

    return at > 0 && fits_hostname(slice_from(text, (size_t)at + 1));
}

/* SCHEME:REST, or a path. */
static bool fits_uri(struct slice text)
{
    ptrdiff_t colon = slice_find(text, ':');

    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] <= ' ')
            return false;
    if (text.len && text.data[0] == '/')
        return true;
    for (ptrdiff_t i = 0; i < colon; i++)
        if (!isalnum((unsigned char)text.data[i]) && (!i || !strchr("+-.", text.data[i])))
            return false;
    return colon > 0 && isalpha((unsigned char)text.data[0]);
}

/* 8-4-4-4-12 hexadecimal digits, the dashes optional; `version` 0 = any. */
static bool fits_uuid_of(struct slice text, char version)
{
    size_t digits = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '-' && (digits == 8 || digits == 12 || digits == 16 || digits == 20))
            continue;
        if (!isxdigit((unsigned char)text.data[i]) || (digits == 12 && version && text.data[i] != version))
            return false;
        digits++;
    }
    return digits == 32;
}

static bool fits_uuid(struct slice text)
{
    return fits_uuid_of(text, 0);
}

static bool fits_uuid3(struct slice text)
{
    return fits_uuid_of(text, '3');
}

static bool fits_uuid4(struct slice text)
{
    return fits_uuid_of(text, '4');
}

static bool fits_uuid5(struct slice text)
{
    return fits_uuid_of(text, '5');
}

static bool fits_mac(struct slice text)
{
    if (text.len != 17)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (i % 3 == 2 ? text.data[i] != ':' && text.data[i] != '-' : !isxdigit((unsigned char)text.data[i]))
            return false;
    return true;
}

/* Go's: a sign, and numbers with units. */
static bool fits_duration(struct slice text)
{
    static const char *const units[] = {"ns", "us", "\xc2\xb5s", "ms", "s", "m", "h"};
    size_t i = text.len && (text.data[0] == '-' || text.data[0] == '+') ? 1 : 0;

    if (slice_is(text, "0"))
        return true;
    if (i == text.len)
        return false;
    while (i < text.len) {
        size_t digits = 0, unit = 0;

        for (; i < text.len && (isdigit((unsigned char)text.data[i]) || text.data[i] == '.'); i++)
            digits += text.data[i] != '.';
        for (size_t u = 0; u < ARRAY_SIZE(units); u++)
            if (slice_starts(slice_from(text, i), slice_str(units[u])) && strlen(units[u]) > unit)
                unit = strlen(units[u]);
        if (!digits || !unit)
            return false;
        i += unit;
    }
    return true;
}

static bool fits_label(struct slice text)
{
    return !validate_dns1123_label(text);
}

static bool fits_subdomain(struct slice text)
{
    return !validate_dns1123_subdomain(text);
}

bool structural_format_fits(const char *format, struct slice text)
{
    static const struct {
        const char *name;
        bool (*fits)(struct slice text);
    } formats[] = {
        {"date-time", fits_time},
        {"datetime", fits_time},
        {"date", fits_date},
        {"ipv4", fits_ipv4},
        {"ipv6", fits_ipv6},
        {"cidr", fits_cidr},
        {"byte", fits_bytes},
        {"hostname", fits_hostname},
        {"email", fits_email},
        {"uri", fits_uri},
        {"uuid", fits_uuid},
        {"uuid3", fits_uuid3},
        {"uuid4", fits_uuid4},
        {"uuid5", fits_uuid5},
        {"mac", fits_mac},
        {"duration", fits_duration},
        {"k8s-short-name", fits_label},
        {"k8s-long-name", fits_subdomain},
    };

    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (!strcmp(format, formats[i].name))
            return formats[i].fits(text);
    return true;
}
