/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of label selectors, by recursive descent over tokens:
 *
 *     selector    = [ requirement { "," requirement } ]
 *     requirement = [ "!" ] key | key ( "=" | "==" | "!=" | ">" | "<" ) [ value ] | key ( "in" | "notin" ) set
 *     set         = "(" [ value ] { "," [ value ] } ")"
 *
 * `in` and `notin` are words only where an operator may stand: `in in (in)` is fine. Errors are worded as upstream's.
 */
#include "api/selector_internal.h"

#include <stdio.h>

#include "api/validate.h"
#include "lib/encoding.h"

#define BINARY_OPERATORS "in, notin, =, ==, !=, gt, lt"

enum token { TOKEN_END, TOKEN_CLOSE, TOKEN_OPEN, TOKEN_COMMA, TOKEN_NOT, TOKEN_OPERATOR, TOKEN_IDENTIFIER };

struct parser {
    struct slice rest;
    /* The token looked at. */
    enum token token;
    struct slice text;
    enum selector_operator op; /* of TOKEN_OPERATOR */
    bool is_word;              /* `in` or `notin`: an identifier where values stand */
};

static const struct {
    const char *text;
    enum token token;
    enum selector_operator op;
} symbols[] = {
    {"==", TOKEN_OPERATOR, SELECTOR_DOUBLE_EQUALS},
    {"!=", TOKEN_OPERATOR, SELECTOR_NOT_EQUALS},
    {"=", TOKEN_OPERATOR, SELECTOR_EQUALS},
    {">", TOKEN_OPERATOR, SELECTOR_GREATER},
    {"<", TOKEN_OPERATOR, SELECTOR_LESS},
    {"!", TOKEN_NOT, 0},
    {",", TOKEN_COMMA, 0},
    {"(", TOKEN_OPEN, 0},
    {")", TOKEN_CLOSE, 0},
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_symbol(char c)
{
    return c && strchr("=!(),><", c);
}

static void parser_take(struct parser *p, size_t len, enum token token)
{
    p->token = token;
    p->text = slice_make(p->rest.data, len);
    p->rest = slice_from(p->rest, len);
}

static void parser_next(struct parser *p)
{
    size_t len = 0;

    p->is_word = false;
    while (p->rest.len && is_space(p->rest.data[0]))
        p->rest = slice_from(p->rest, 1);
    if (!p->rest.len) {
        parser_take(p, 0, TOKEN_END);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(symbols); i++)
        if (slice_starts(p->rest, slice_str(symbols[i].text))) {
            p->op = symbols[i].op;
            parser_take(p, strlen(symbols[i].text), symbols[i].token);
            return;
        }
    while (len < p->rest.len && !is_space(p->rest.data[len]) && !is_symbol(p->rest.data[len]))
        len++;
    parser_take(p, len, TOKEN_IDENTIFIER);
    p->is_word = slice_is(p->text, "in") || slice_is(p->text, "notin");
    p->op = slice_is(p->text, "in") ? SELECTOR_IN : SELECTOR_NOT_IN;
}

static int unexpected(const struct parser *p, const char *expected, struct error *err)
{
    return error_set(err, ERROR_BAD_REQUEST, "found '%.*s', expected: %s", SLICE_ARGS(p->text), expected);
}

/* `field: Invalid value: "text": why`, as a field error prints. */
static int invalid(const char *field, struct slice value, const char *why, struct error *err)
{
    BUF_LOCAL(quoted);

    json_write_string(&quoted, value);
    return error_set(err, ERROR_BAD_REQUEST, "%s: Invalid value: %s: %s", field, buf_cstr(&quoted), why);
}

static int check_value(const struct selector_requirement *r, size_t index, struct error *err)
{
    struct slice value = slice_make(r->values[index].text, r->values[index].len);
    const char *why = validate_label_value(value);
    char field[48];
    int64_t number;

    (void)snprintf(field, sizeof(field), "values[%zu]", index);
    if ((r->op == SELECTOR_GREATER || r->op == SELECTOR_LESS) && !slice_to_int64(value, &number))
        return invalid(field, value, "for 'Gt', 'Lt' operators, the value must be an integer", err);
    return why ? invalid(field, value, why, err) : 0;
}

int selector_check_requirement(const struct selector_requirement *r, struct error *err)
{
    struct slice key = slice_make(r->key, r->key_len);
    const char *why = validate_qualified_name(key);
    bool takes_none = r->op == SELECTOR_EXISTS || r->op == SELECTOR_NOT_EXISTS;
    bool takes_set = r->op == SELECTOR_IN || r->op == SELECTOR_NOT_IN;
    int rc;

    if (why)
        return invalid("key", key, why, err);
    if (takes_set && !r->value_count)
        return error_set(err, ERROR_BAD_REQUEST,
                         "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
    if (takes_none && r->value_count)
        return error_set(err, ERROR_BAD_REQUEST,
                         "values: Invalid value: values set must be empty for exists and "
                         "does not exist");
    for (size_t i = 0; i < r->value_count; i++)
        if ((rc = check_value(r, i, err)) < 0)
            return rc;
    return 0;
}

/* After the "(": values up to the ")". An empty place between commas is the empty value, and so is nothing at all. */
static int parse_set(struct parser *p, struct selector_requirement *r, struct error *err)
{
    bool value_expected = true;

    if (p->token == TOKEN_CLOSE) {
        selector_add_value(r, SLICE_LIT(""));
        return 0;
    }
    while (true) {
        if (p->token == TOKEN_IDENTIFIER && value_expected) {
            selector_add_value(r, p->text);
            value_expected = false;
        } else if (p->token == TOKEN_COMMA || (p->token == TOKEN_CLOSE && value_expected)) {
            if (value_expected)
                selector_add_value(r, SLICE_LIT(""));
            value_expected = true;
        } else if (p->token != TOKEN_CLOSE) {
            return unexpected(p, value_expected ? "',', or identifier" : "',' or ')'", err);
        }
        if (p->token == TOKEN_CLOSE)
            return 0;
        parser_next(p);
    }
}

static int parse_operands(struct parser *p, struct selector_requirement *r, struct error *err)
{
    int rc;

    parser_next(p);
    if (r->op != SELECTOR_IN && r->op != SELECTOR_NOT_IN) {
        if (p->token == TOKEN_END || p->token == TOKEN_COMMA) {
            selector_add_value(r, SLICE_LIT(""));
            return 0;
        }
        if (p->token != TOKEN_IDENTIFIER)
            return unexpected(p, "identifier", err);
        selector_add_value(r, p->text);
        parser_next(p);
        return 0;
    }
    if (p->token != TOKEN_OPEN)
        return error_set(err, ERROR_BAD_REQUEST, "found '%.*s' expected: '('", SLICE_ARGS(p->text));
    parser_next(p);
    if (p->token != TOKEN_IDENTIFIER && p->token != TOKEN_COMMA && p->token != TOKEN_CLOSE)
        return unexpected(p, "',', ')' or identifier", err);
    if ((rc = parse_set(p, r, err)) < 0)
        return rc;
    selector_sort_values(r);
    parser_next(p);
    return 0;
}

static int parse_requirement(struct parser *p, struct selector *s, struct error *err)
{
    bool negated = p->token == TOKEN_NOT;
    struct selector_requirement *r;
    const char *why;
    int rc;

    if (negated)
        parser_next(p);
    if (p->token != TOKEN_IDENTIFIER)
        return unexpected(p, "identifier", err);
    if ((why = validate_qualified_name(p->text)))
        return invalid("<nil>", p->text, why, err);
    r = selector_add(s, p->text, negated ? SELECTOR_NOT_EXISTS : SELECTOR_EXISTS);
    parser_next(p);
    if (negated || p->token == TOKEN_END || p->token == TOKEN_COMMA)
        return 0;
    if (p->token != TOKEN_OPERATOR && !p->is_word)
        return unexpected(p, BINARY_OPERATORS, err);
    r->op = p->op;
    if ((rc = parse_operands(p, r, err)) < 0)
        return rc;
    return selector_check_requirement(r, err);
}

static int parse_selector(struct parser *p, struct selector *s, struct error *err)
{
    int rc;

    parser_next(p);
    while (p->token != TOKEN_END) {
        if (p->token != TOKEN_IDENTIFIER && p->token != TOKEN_NOT)
            return unexpected(p, "!, identifier, or 'end of string'", err);
        if ((rc = parse_requirement(p, s, err)) < 0) {
            (void)error_wrap(err, "unable to parse requirement");
            return rc;
        }
        if (p->token == TOKEN_END)
            break;
        if (p->token != TOKEN_COMMA)
            return unexpected(p, "',' or 'end of string'", err);
        parser_next(p);
        if (p->token != TOKEN_IDENTIFIER && p->token != TOKEN_NOT)
            return unexpected(p, "identifier after ','", err);
    }
    return 0;
}

int selector_parse_labels(struct slice text, struct selector **ret_selector, struct error *err)
{
    struct selector *s CLEANUP_SELECTOR = mem_zalloc(sizeof(*s));
    struct parser p = {.rest = text.data ? text : SLICE_LIT("")};
    int rc = parse_selector(&p, s, err);

    if (rc < 0)
        return rc;
    selector_sort(s);
    *ret_selector = STEAL(s);
    return 0;
}
