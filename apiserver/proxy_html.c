/* SPDX-License-Identifier: Apache-2.0 */
/*
 *                     '<'          a letter
 *            TEXT ---------> OPEN ---------> TAG ------- '>' ---> TEXT; RAW in a script and its like, until "</script"
 *              ^ '>'          | '!' '/' '?'   | space
 *              |---- BOGUS <--|               v                               '='
 *              '---- COMMENT <' "<!--"     BETWEEN --> NAME --> AFTER_NAME ---------> EQUALS ---> QUOTED, UNQUOTED
 *                                             ^-- another name, '>' --'              (their end: BETWEEN)
 *
 * As browsers read a page (HTML, 13.2.5), as far as it matters where tags and values begin and end. Invariant: what is
 * held in `value` is not written yet, all else is.
 */
#include "apiserver/proxy_html.h"

#include <string.h>

#define NAME_MAX_LEN 15 /* longer names are none that we look for */

enum html_state {
    HTML_TEXT,
    HTML_OPEN,
    HTML_MARKUP, /* behind "<!", with a first '-' or without */
    HTML_COMMENT,
    HTML_BOGUS,
    HTML_TAG,
    HTML_BETWEEN,
    HTML_NAME,
    HTML_AFTER_NAME,
    HTML_EQUALS,
    HTML_QUOTED,
    HTML_UNQUOTED,
    HTML_RAW
};

struct html_name {
    char text[NAME_MAX_LEN + 1]; /* in lower case */
    size_t len;                  /* may be more */
};

struct proxy_html {
    enum html_state state;
    void (*link)(void *arg, struct slice value, struct buf *out);
    void *arg;
    struct html_name tag;
    struct html_name attribute;
    struct buf value; /* of an attribute that is a link */
    bool holds;
    char quote;
    size_t matched; /* of "--" in a comment, of "</script" in a script */
};

/* Which attributes of which tags are URLs: those of HTML 4 and 5 that upstream rewrites. */
static const struct {
    const char *tag;
    const char *attributes[5];
} html_links[] = {
    {"a", {"href"}},
    {"applet", {"codebase"}},
    {"area", {"href"}},
    {"audio", {"src"}},
    {"base", {"href"}},
    {"blockquote", {"cite"}},
    {"body", {"background"}},
    {"button", {"formaction"}},
    {"command", {"icon"}},
    {"del", {"cite"}},
    {"embed", {"src"}},
    {"form", {"action"}},
    {"frame", {"longdesc", "src"}},
    {"head", {"profile"}},
    {"html", {"manifest"}},
    {"iframe", {"longdesc", "src"}},
    {"img", {"longdesc", "src", "usemap"}},
    {"input", {"src", "usemap", "formaction"}},
    {"ins", {"cite"}},
    {"link", {"href"}},
    {"object", {"classid", "codebase", "data", "usemap"}},
    {"q", {"cite"}},
    {"script", {"src"}},
    {"source", {"src"}},
    {"video", {"poster", "src"}},
};
/* What stands in these is no markup. */
static const char *const html_raw[] = {"iframe",   "noembed", "noframes", "plaintext", "script",
                                       "textarea", "style",   "title",    "xmp"};

struct proxy_html *proxy_html_new(void (*link)(void *arg, struct slice value, struct buf *out), void *arg)
{
    struct proxy_html *html = mem_zalloc(sizeof(*html));

    html->link = link;
    html->arg = arg;
    return html;
}

void proxy_html_free(struct proxy_html *html)
{
    if (!html)
        return;
    buf_free(&html->value);
    free(html);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static void name_add(struct html_name *name, char c)
{
    if (name->len < NAME_MAX_LEN) {
        name->text[name->len] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
        name->text[name->len + 1] = '\0';
    }
    name->len++;
}

static bool name_is(const struct html_name *name, const char *text)
{
    return name->len <= NAME_MAX_LEN && !strcmp(name->text, text);
}

static void name_start(struct html_name *name, char c)
{
    name->len = 0;
    name_add(name, c);
}

static bool is_link(const struct proxy_html *html)
{
    for (size_t i = 0; i < ARRAY_SIZE(html_links); i++) {
        if (!name_is(&html->tag, html_links[i].tag))
            continue;
        for (size_t k = 0; html_links[i].attributes[k]; k++)
            if (name_is(&html->attribute, html_links[i].attributes[k]))
                return true;
    }
    return false;
}

static void value_start(struct proxy_html *html, enum html_state state, char quote)
{
    html->state = state;
    html->quote = quote;
    html->holds = is_link(html);
    buf_reset(&html->value);
}

static void value_add(struct proxy_html *html, char c, struct buf *out)
{
    if (html->holds && html->value.len == PROXY_HTML_VALUE_MAX) {
        buf_append_slice(out, buf_slice(&html->value));
        html->holds = false;
    }
    buf_append_byte(html->holds ? &html->value : out, c);
}

static void value_end(struct proxy_html *html, struct buf *out)
{
    if (html->holds)
        html->link(html->arg, buf_slice(&html->value), out);
    html->holds = false;
    html->state = HTML_BETWEEN;
}

static void tag_end(struct proxy_html *html)
{
    html->state = HTML_TEXT;
    html->matched = 0;
    for (size_t i = 0; i < ARRAY_SIZE(html_raw); i++)
        if (name_is(&html->tag, html_raw[i]))
            html->state = HTML_RAW;
}

static void on_open(struct proxy_html *html, char c)
{
    html->matched = 0;
    html->state = c == '!' ? HTML_MARKUP : c == '/' || c == '?' ? HTML_BOGUS : c == '<' ? HTML_OPEN : HTML_TEXT;
    if (!is_letter(c))
        return;
    html->state = HTML_TAG;
    name_start(&html->tag, c);
}

/* "<!--" begins a comment, anything else ends with the first '>'. */
static void on_markup(struct proxy_html *html, char c)
{
    if (c == '-' && html->matched++)
        html->state = HTML_COMMENT; /* "<!-->" is a whole one: its dashes count for the end, too */
    else if (c != '-')
        html->state = c == '>' ? HTML_TEXT : HTML_BOGUS;
}

static void on_comment(struct proxy_html *html, char c)
{
    if (c == '>' && html->matched >= 2)
        html->state = HTML_TEXT;
    html->matched = c == '-' ? html->matched + 1 : 0;
}

/* Inside of a tag, where no name and no value is. */
static void on_between(struct proxy_html *html, char c)
{
    if (c == '>') {
        tag_end(html);
    } else if (!is_space(c) && c != '/') {
        html->state = HTML_NAME;
        name_start(&html->attribute, c);
    }
}

static void on_name(struct proxy_html *html, char c)
{
    if (c == '=')
        html->state = HTML_EQUALS;
    else if (is_space(c))
        html->state = HTML_AFTER_NAME;
    else if (c == '>' || c == '/' || html->state == HTML_AFTER_NAME)
        on_between(html, c);
    else
        name_add(&html->attribute, c);
    if (c == '/')
        html->state = HTML_BETWEEN;
}

/* The first byte of an unquoted value belongs to it. */
static void on_equals(struct proxy_html *html, char c, struct buf *out)
{
    if (c == '"' || c == '\'') {
        buf_append_byte(out, c);
        value_start(html, HTML_QUOTED, c);
    } else if (is_space(c) || c == '>') {
        buf_append_byte(out, c);
        if (c == '>')
            tag_end(html);
    } else {
        value_start(html, HTML_UNQUOTED, 0);
        value_add(html, c, out);
    }
}

static void on_value(struct proxy_html *html, char c, struct buf *out)
{
    bool ends = html->state == HTML_QUOTED ? c == html->quote : is_space(c) || c == '>';

    if (!ends) {
        value_add(html, c, out);
        return;
    }
    value_end(html, out);
    buf_append_byte(out, c);
    if (html->quote != c && c == '>')
        tag_end(html);
}

/* Up to "</" and the tag's own name. */
static void on_raw(struct proxy_html *html, char c)
{
    size_t at = html->matched;

    if (at == html->tag.len + 2 && (is_space(c) || c == '/' || c == '>'))
        html->state = c == '>' ? HTML_TEXT : HTML_BOGUS;
    else if ((at == 1 && c == '/') ||
             (at >= 2 && at < html->tag.len + 2 && (is_letter(c) ? c | 0x20 : c) == html->tag.text[at - 2]))
        html->matched++;
    else
        html->matched = c == '<';
}

/* A byte that goes on as it is. */
static void html_pass(struct proxy_html *html, char c)
{
    switch (html->state) {
    case HTML_TEXT:
        if (c == '<')
            html->state = HTML_OPEN;
        break;
    case HTML_OPEN:
        on_open(html, c);
        break;
    case HTML_MARKUP:
        on_markup(html, c);
        break;
    case HTML_COMMENT:
        on_comment(html, c);
        break;
    case HTML_BOGUS:
        if (c == '>')
            html->state = HTML_TEXT;
        break;
    case HTML_TAG:
        if (!is_space(c) && c != '/' && c != '>') {
            name_add(&html->tag, c);
            break;
        }
        html->state = HTML_BETWEEN;
        on_between(html, c);
        break;
    case HTML_BETWEEN:
        on_between(html, c);
        break;
    case HTML_NAME:
    case HTML_AFTER_NAME:
        on_name(html, c);
        break;
    case HTML_RAW:
        on_raw(html, c);
        break;
    default:
        break;
    }
}

static void html_take(struct proxy_html *html, char c, struct buf *out)
{
    if (html->state == HTML_EQUALS) {
        on_equals(html, c, out);
    } else if (html->state == HTML_QUOTED || html->state == HTML_UNQUOTED) {
        on_value(html, c, out);
    } else {
        buf_append_byte(out, c);
        html_pass(html, c);
    }
}

void proxy_html_feed(struct proxy_html *html, struct slice piece, struct buf *out)
{
    while (piece.len) {
        if (html->state == HTML_TEXT) { /* most of a page */
            const char *open = memchr(piece.data, '<', piece.len);
            size_t n = open ? (size_t)(open - piece.data) : piece.len;

            buf_append_slice(out, slice_make(piece.data, n));
            piece = slice_from(piece, n);
            if (!piece.len)
                return;
        }
        html_take(html, piece.data[0], out);
        piece = slice_from(piece, 1);
    }
}

void proxy_html_end(struct proxy_html *html, struct buf *out)
{
    if (html->holds)
        buf_append_slice(out, buf_slice(&html->value));
    html->holds = false;
}
