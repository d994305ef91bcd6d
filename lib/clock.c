/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t clock_read(clockid_t id)
{
    struct timespec ts;

    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static int64_t system_wall(struct clock *c)
{
    (void)c;
    return clock_read(CLOCK_REALTIME);
}

static int64_t system_monotonic(struct clock *c)
{
    (void)c;
    return clock_read(CLOCK_MONOTONIC);
}

struct clock *clock_system(void)
{
    static struct clock system_clock = {system_wall, system_monotonic};

    return &system_clock;
}

static int64_t fake_wall(struct clock *c)
{
    return container_of(c, struct clock_fake, base)->wall;
}

static int64_t fake_monotonic(struct clock *c)
{
    return container_of(c, struct clock_fake, base)->monotonic;
}

void clock_fake_init(struct clock_fake *c, int64_t wall_ns)
{
    c->base = (struct clock){fake_wall, fake_monotonic};
    c->wall = wall_ns;
    c->monotonic = NS_PER_S;
}

void clock_fake_advance(struct clock_fake *c, int64_t ns)
{
    c->wall += ns;
    c->monotonic += ns;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Every object carries some, so they are not printed. */
static char *write_digits(char *out, int64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--, value /= 10)
        out[i] = (char)('0' + value % 10);
    return out + count;
}

/* digits: 0, 6 or 9 behind the point. An int64_t has no year of more than four digits. */
static void time_format(int64_t wall_ns, int digits, char *out)
{
    static const char marks[] = "--T::";
    time_t seconds = (time_t)floor_div(wall_ns, NS_PER_S);
    int64_t nanos = wall_ns - (int64_t)seconds * NS_PER_S;
    struct tm tm;

    (void)gmtime_r(&seconds, &tm);
    const int parts[] = {tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec};

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        out = write_digits(out, parts[i], i ? 2 : 4);
        if (i < strlen(marks))
            *out++ = marks[i];
    }
    if (digits) {
        *out++ = '.';
        out = write_digits(out, digits == 6 ? nanos / 1000 : nanos, digits);
    }
    *out++ = 'Z';
    *out = '\0';
}

void time_format_seconds(int64_t wall_ns, char ret_text[TIME_TEXT_MAX])
{
    time_format(wall_ns, 0, ret_text);
}

void time_format_micro(int64_t wall_ns, char ret_text[TIME_TEXT_MAX])
{
    time_format(wall_ns, 6, ret_text);
}

void time_format_nano(int64_t wall_ns, char ret_text[TIME_TEXT_MAX])
{
    time_format(wall_ns, 9, ret_text);
}

static bool parse_digits(struct slice *s, int count, int *ret_value)
{
    int value = 0;

    if (s->len < (size_t)count)
        return false;
    for (int i = 0; i < count; i++) {
        if (s->data[i] < '0' || s->data[i] > '9')
            return false;
        value = value * 10 + (s->data[i] - '0');
    }
    *s = slice_from(*s, (size_t)count);
    *ret_value = value;
    return true;
}

static bool parse_char(struct slice *s, const char *any)
{
    if (!s->len || !strchr(any, s->data[0]) || !s->data[0])
        return false;
    *s = slice_from(*s, 1);
    return true;
}

static bool parse_fraction(struct slice *s, int64_t *ret_nanos)
{
    int64_t nanos = 0;
    int64_t unit = NS_PER_S / 10;
    bool any = false;

    *ret_nanos = 0;
    if (!parse_char(s, ".,"))
        return true;
    while (s->len && s->data[0] >= '0' && s->data[0] <= '9') {
        nanos += (s->data[0] - '0') * unit;
        unit /= 10;
        any = true;
        *s = slice_from(*s, 1);
    }
    *ret_nanos = nanos;
    return any;
}

static bool parse_offset(struct slice *s, int64_t *ret_seconds)
{
    bool negative = s->len && s->data[0] == '-';
    int hours, minutes;

    *ret_seconds = 0;
    if (parse_char(s, "Zz"))
        return s->len == 0;
    if (!parse_char(s, "+-") || !parse_digits(s, 2, &hours) || !parse_char(s, ":") || !parse_digits(s, 2, &minutes))
        return false;
    if (hours > 23 || minutes > 59)
        return false;
    *ret_seconds = (hours * 60 + minutes) * 60 * (negative ? -1 : 1);
    return s->len == 0;
}

bool time_parse(struct slice text, int64_t *ret_wall_ns)
{
    struct tm tm = {0};
    int64_t nanos, offset, seconds;
    int year, month;

    if (!parse_digits(&text, 4, &year) || !parse_char(&text, "-") || !parse_digits(&text, 2, &month) ||
        !parse_char(&text, "-") || !parse_digits(&text, 2, &tm.tm_mday) || !parse_char(&text, "Tt") ||
        !parse_digits(&text, 2, &tm.tm_hour) || !parse_char(&text, ":") || !parse_digits(&text, 2, &tm.tm_min) ||
        !parse_char(&text, ":") || !parse_digits(&text, 2, &tm.tm_sec) || !parse_fraction(&text, &nanos) ||
        !parse_offset(&text, &offset))
        return false;
    if (month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
        tm.tm_sec > 60)
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    seconds = (int64_t)timegm(&tm) - offset;
    if (seconds > TIME_SECONDS_MAX)
        seconds = TIME_SECONDS_MAX;
    else if (seconds < -TIME_SECONDS_MAX)
        seconds = -TIME_SECONDS_MAX;
    *ret_wall_ns = seconds * NS_PER_S + nanos;
    return tm.tm_mon == month - 1; /* timegm normalises 31 February away */
}

/* Upstream's steps: apimachinery/pkg/util/duration.HumanDuration. */
void time_format_age(int64_t span_ns, char ret_text[TIME_TEXT_MAX])
{
    int64_t s = span_ns / NS_PER_S;
    int64_t m = s / 60;
    int64_t h = m / 60;
    int64_t d = h / 24;
    int64_t y = d / 365;

    if (s < -1) {
        (void)snprintf(ret_text, TIME_TEXT_MAX, "<invalid>");
        return;
    }
    if (s < 0)
        s = 0;
#define AGE(...) (void)snprintf(ret_text, TIME_TEXT_MAX, __VA_ARGS__)
    if (s < 120)
        AGE("%llds", (long long)s);
    else if (m < 10 && s % 60)
        AGE("%lldm%llds", (long long)m, (long long)(s % 60));
    else if (m < 180)
        AGE("%lldm", (long long)m);
    else if (h < 8 && m % 60)
        AGE("%lldh%lldm", (long long)h, (long long)(m % 60));
    else if (h < 48)
        AGE("%lldh", (long long)h);
    else if (h < 192 && h % 24)
        AGE("%lldd%lldh", (long long)d, (long long)(h % 24));
    else if (d < 730)
        AGE("%lldd", (long long)d);
    else if (y < 8 && d % 365)
        AGE("%lldy%lldd", (long long)y, (long long)(d % 365));
    else
        AGE("%lldy", (long long)y);
#undef AGE
}
