/* SPDX-License-Identifier: Apache-2.0 */
#include "api/cron.h"

#include <ctype.h>

#define CRON_TEXT_MAX 1024 /* of a whole schedule */

struct cron_bounds {
    unsigned low, high;
    const char *const *names; /* NULL = none; the first one means `low` */
};

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};
static const struct cron_bounds bounds[] = {
    {0, 59, NULL}, {0, 23, NULL}, {1, 31, NULL}, {1, 12, month_names}, {0, 6, day_names},
};

static const struct {
    const char *name;
    const char *fields;
} descriptors[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
    {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@hourly", "0 * * * *"},
};

static bool is_word(struct slice text, const char *word)
{
    size_t i = 0;

    for (; i < text.len && word[i]; i++)
        if (tolower((unsigned char)text.data[i]) != word[i])
            return false;
    return i == text.len && !word[i];
}

/* A number, or the name of one. */
static int read_number(struct slice text, const struct cron_bounds *b, uint64_t *ret_number, struct error *err)
{
    int64_t number;

    for (size_t i = 0; b->names && b->names[i]; i++)
        if (is_word(text, b->names[i])) {
            *ret_number = b->low + i;
            return 0;
        }
    if (!slice_to_int64(text, &number))
        return error_set(err, ERROR_INVALID,
                         "failed to parse int from %.*s: strconv.Atoi: parsing \"%.*s\": invalid syntax",
                         SLICE_ARGS(text), SLICE_ARGS(text));
    if (number < 0)
        return error_set(err, ERROR_INVALID, "negative number (%lld) not allowed: %.*s", (long long)number,
                         SLICE_ARGS(text));
    *ret_number = (uint64_t)number;
    return 0;
}

static size_t count_of(struct slice text, char c)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == c;
    return count;
}

/* "*", "5" or "1-5", in front of a step. *ret_open: it has no end of its own. */
static int read_ends(struct slice text, const struct cron_bounds *b, uint64_t ends[2], bool *ret_open,
                     struct error *err)
{
    struct slice rest = text;
    struct slice part = SLICE_NONE;
    int r;

    *ret_open = false;
    if (slice_is(text, "*") || slice_is(text, "?")) {
        ends[0] = b->low;
        ends[1] = b->high;
        return 0;
    }
    (void)slice_split(&rest, '-', &part);
    if ((r = read_number(part, b, &ends[0], err)) < 0)
        return r;
    *ret_open = !count_of(text, '-');
    if (*ret_open) {
        ends[1] = ends[0];
        return 0;
    }
    return read_number(rest, b, &ends[1], err);
}

static int check_ends(struct slice text, const struct cron_bounds *b, const uint64_t ends[2], struct error *err)
{
    unsigned long long low = ends[0], high = ends[1];

    if (low < b->low)
        return error_set(err, ERROR_INVALID, "beginning of range (%llu) below minimum (%u): %.*s", low, b->low,
                         SLICE_ARGS(text));
    if (high > b->high)
        return error_set(err, ERROR_INVALID, "end of range (%llu) above maximum (%u): %.*s", high, b->high,
                         SLICE_ARGS(text));
    if (low > high)
        return error_set(err, ERROR_INVALID, "beginning of range (%llu) beyond end of range (%llu): %.*s", low, high,
                         SLICE_ARGS(text));
    return 0;
}

/* RANGE[/STEP] */
static int read_range(struct slice text, const struct cron_bounds *b, uint64_t *bits, struct error *err)
{
    struct slice rest = text;
    struct slice range = SLICE_NONE;
    uint64_t ends[2] = {0, 0}, step = 1;
    bool open;
    int r;

    (void)slice_split(&rest, '/', &range);
    if (count_of(range, '-') > 1)
        return error_set(err, ERROR_INVALID, "too many hyphens: %.*s", SLICE_ARGS(text));
    if (count_of(text, '/') > 1)
        return error_set(err, ERROR_INVALID, "too many slashes: %.*s", SLICE_ARGS(text));
    if ((r = read_ends(range, b, ends, &open, err)) < 0)
        return r;
    if (count_of(text, '/')) {
        static const struct cron_bounds plain = {0, UINT32_MAX, NULL};

        if ((r = read_number(rest, &plain, &step, err)) < 0)
            return r;
        if (open)
            ends[1] = b->high;
    }
    if ((r = check_ends(text, b, ends, err)) < 0)
        return r;
    if (!step)
        return error_set(err, ERROR_INVALID, "step of range should be a positive number: %.*s", SLICE_ARGS(text));
    for (uint64_t i = ends[0]; i <= ends[1]; i += step)
        *bits |= (uint64_t)1 << i;
    if (step == 1 && (slice_is(range, "*") || slice_is(range, "?")))
        *bits |= CRON_STAR;
    return 0;
}

static int read_fields(struct slice text, uint64_t *const fields[5], struct error *err)
{
    struct slice found[5];
    size_t count = 0;
    BUF_LOCAL(all);

    for (size_t i = 0; i < text.len;) {
        size_t start;

        while (i < text.len && isspace((unsigned char)text.data[i]))
            i++;
        start = i;
        while (i < text.len && !isspace((unsigned char)text.data[i]))
            i++;
        if (i == start)
            break;
        buf_printf(&all, "%s%.*s", count ? " " : "", (int)(i - start), text.data + start);
        if (count < ARRAY_SIZE(found))
            found[count] = slice_make(text.data + start, i - start);
        count++;
    }
    if (count != ARRAY_SIZE(found))
        return error_set(err, ERROR_INVALID, "expected exactly 5 fields, found %zu: [%s]", count, buf_cstr(&all));
    for (size_t i = 0; i < ARRAY_SIZE(found); i++) {
        struct slice part;

        while (slice_split(&found[i], ',', &part)) {
            int r = part.len ? read_range(part, &bounds[i], fields[i], err) : 0; /* as upstream: "1,,2" will do */

            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* A number with its unit, from the front; 0 = it is none. */
static size_t read_part(struct slice text, double *total)
{
    double number = 0, place = 1;
    size_t i = 0;

    for (; i < text.len && isdigit((unsigned char)text.data[i]); i++)
        number = number * 10 + (text.data[i] - '0');
    if (i < text.len && text.data[i] == '.')
        for (i++; i < text.len && isdigit((unsigned char)text.data[i]); i++)
            number += (text.data[i] - '0') * (place /= 10);
    if (!i || i == text.len)
        return 0;
    if (slice_starts(slice_from(text, i), SLICE_LIT("ms"))) {
        *total += number / 1000;
        return i + 2;
    }
    if (text.data[i] != 'h' && text.data[i] != 'm' && text.data[i] != 's')
        return 0;
    *total += number * (text.data[i] == 'h' ? 3600 : text.data[i] == 'm' ? 60 : 1);
    return i + 1;
}

/* Go's durations, as whole seconds and one at least: "1h30m". */
static int read_every(struct slice text, int64_t *ret_seconds, struct error *err)
{
    struct slice rest = text;
    double total = 0;
    size_t read;

    while (rest.len && (read = read_part(rest, &total)) > 0)
        rest = slice_from(rest, read);
    if (!text.len || rest.len || total > (double)INT32_MAX)
        return error_set(err, ERROR_INVALID, "failed to parse duration @every %.*s: time: invalid duration \"%.*s\"",
                         SLICE_ARGS(text), SLICE_ARGS(text));
    *ret_seconds = total < 1 ? 1 : (int64_t)total;
    return 0;
}

int cron_parse(struct slice text, struct cron *ret_cron, struct error *err)
{
    static const char every[] = "@every ";
    struct cron cron = {0};
    uint64_t *const fields[] = {&cron.minute, &cron.hour, &cron.day, &cron.month, &cron.weekday};
    int r;

    if (!text.len)
        return error_set(err, ERROR_INVALID, "empty spec string");
    if (text.len > CRON_TEXT_MAX)
        return error_set(err, ERROR_INVALID, "may not be more than %d bytes", CRON_TEXT_MAX);
    if (slice_starts(text, slice_str(every))) {
        r = read_every(slice_from(text, sizeof(every) - 1), &cron.every_s, err);
    } else if (text.data[0] == '@') {
        r = error_set(err, ERROR_INVALID, "unrecognized descriptor: %.*s", SLICE_ARGS(text));
        for (size_t i = 0; i < ARRAY_SIZE(descriptors); i++)
            if (slice_is(text, descriptors[i].name)) {
                error_clear(err);
                r = read_fields(slice_str(descriptors[i].fields), fields, err);
            }
    } else {
        r = read_fields(text, fields, err);
    }
    if (r == 0)
        *ret_cron = cron;
    return r;
}
