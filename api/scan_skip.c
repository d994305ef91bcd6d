/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brackets are counted 64 bytes at a time: a bit for each byte says whether it is a quote, a backslash, a bracket; the
 * quotes' running parity says which bytes stand in strings. What is told of a block is told by SSE2, which every x86-64
 * has, or by AVX2 and POPCNT in a third of the instructions; elsewhere, and in what is left at the end, byte by byte.
 */
#include "api/scan_skip.h"

#include <stdint.h>
#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

const char *scan_skip_string(const char *at, const char *end)
{
    while (at < end) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        const char *back = quote;

        if (!quote)
            return end;
        while (back > at && back[-1] == '\\')
            back--;
        if ((quote - back) % 2 == 0)
            return quote + 1;
        at = quote + 1;
    }
    return end;
}

/* How far a bracket's inside has been looked through. */
struct skip {
    const char *at;
    size_t depth;
    uint64_t in_string; /* all bits or none */
    uint64_t escaped;   /* 1 = the next byte is */
};

#ifdef __x86_64__
#define BLOCK  64
#define INLINE static inline __attribute__((always_inline))

/* A bit for each byte of a block. */
struct block {
    uint64_t quotes, backslashes, open, close;
};

/* Which bytes stand behind a backslash that is none itself. */
INLINE uint64_t block_escaped(struct skip *s, uint64_t backslashes)
{
    uint64_t escaped = s->escaped;

    s->escaped = 0;
    for (uint64_t left = backslashes & ~escaped; left; left &= left - 1) {
        int i = __builtin_ctzll(left);

        if (escaped >> i & 1)
            continue;
        if (i == BLOCK - 1)
            s->escaped = 1;
        else
            escaped |= (uint64_t)2 << i;
    }
    return escaped;
}

/* Bytes from an opening quote on up to before its closing one. */
INLINE uint64_t block_strings(struct skip *s, uint64_t quotes)
{
    for (int i = 1; i < BLOCK; i *= 2)
        quotes ^= quotes << i;
    quotes ^= s->in_string;
    s->in_string = quotes >> (BLOCK - 1) ? UINT64_MAX : 0;
    return quotes;
}

/* The place after the bracket that closes the first one, if it is in this block; else NULL. */
INLINE const char *skip_block(struct skip *s, const char *at, const struct block *b)
{
    uint64_t strings = block_strings(s, b->quotes & ~block_escaped(s, b->backslashes));
    uint64_t open = b->open & ~strings;
    uint64_t close = b->close & ~strings;

    if ((size_t)__builtin_popcountll(close) < s->depth) {
        s->depth += (size_t)__builtin_popcountll(open) - (size_t)__builtin_popcountll(close);
        return NULL;
    }
    for (uint64_t left = open | close; left; left &= left - 1) {
        int i = __builtin_ctzll(left);

        if (open >> i & 1)
            s->depth++;
        else if (--s->depth == 0)
            return at + i + 1;
    }
    return NULL;
}

/* Both look for brackets with bit 5 set, which makes '{' of '[', '}' of ']', and neither of any other byte. */

INLINE uint64_t find_sse2(const __m128i parts[4], char c)
{
    uint64_t found = 0;

    for (int i = 3; i >= 0; i--)
        found = found << 16 | (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(parts[i], _mm_set1_epi8(c)));
    return found;
}

static const char *skip_blocks_sse2(struct skip *s, const char *end)
{
    for (const char *at = s->at; end - at >= BLOCK; s->at = at += BLOCK) {
        __m128i parts[4], lower[4];
        const char *found;

        for (int i = 0; i < 4; i++) {
            parts[i] = _mm_loadu_si128((const __m128i *)(const void *)(at + (size_t)i * 16));
            lower[i] = _mm_or_si128(parts[i], _mm_set1_epi8(0x20));
        }
        found = skip_block(s, at,
                           &(struct block){find_sse2(parts, '"'), find_sse2(parts, '\\'), find_sse2(lower, '{'),
                                           find_sse2(lower, '}')});
        if (found)
            return found;
    }
    return NULL;
}

#define WITH_AVX2 __attribute__((target("avx2,popcnt,bmi")))

WITH_AVX2 static inline uint64_t find_avx2(__m256i first, __m256i second, char c)
{
    __m256i wanted = _mm256_set1_epi8(c);

    return (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(second, wanted)) << 32 |
           (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(first, wanted));
}

WITH_AVX2 static const char *skip_blocks_avx2(struct skip *s, const char *end)
{
    const __m256i bit = _mm256_set1_epi8(0x20);

    for (const char *at = s->at; end - at >= BLOCK; s->at = at += BLOCK) {
        __m256i first = _mm256_loadu_si256((const __m256i *)(const void *)at);
        __m256i second = _mm256_loadu_si256((const __m256i *)(const void *)(at + 32));
        __m256i first_lower = _mm256_or_si256(first, bit);
        __m256i second_lower = _mm256_or_si256(second, bit);
        const char *found = skip_block(s, at,
                                       &(struct block){find_avx2(first, second, '"'), find_avx2(first, second, '\\'),
                                                       find_avx2(first_lower, second_lower, '{'),
                                                       find_avx2(first_lower, second_lower, '}')});

        if (found)
            return found;
    }
    return NULL;
}

bool scan_skip_can(enum scan_skip_way way)
{
    return way != SCAN_SKIP_AVX2 ||
           (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("bmi"));
}

static const char *skip_blocks(enum scan_skip_way way, struct skip *s, const char *end)
{
    if (way == SCAN_SKIP_BYTES)
        return NULL;
    return way == SCAN_SKIP_AVX2 ? skip_blocks_avx2(s, end) : skip_blocks_sse2(s, end);
}
#else
bool scan_skip_can(enum scan_skip_way way)
{
    return way == SCAN_SKIP_BYTES;
}

static const char *skip_blocks(enum scan_skip_way way, struct skip *s, const char *end)
{
    (void)way;
    (void)s;
    (void)end;
    return NULL;
}
#endif

const char *scan_skip_brackets_by(enum scan_skip_way way, const char *at, const char *end)
{
    struct skip s = {.at = at + 1, .depth = 1};
    const char *found = skip_blocks(way, &s, end);

    if (found)
        return found;
    at = s.at + (s.escaped && s.at < end);
    if (s.in_string)
        at = scan_skip_string(at, end);
    while (at < end) {
        char c = *at++;

        if (c == '"') {
            at = scan_skip_string(at, end);
        } else if (c == '{' || c == '[') {
            s.depth++;
        } else if ((c == '}' || c == ']') && --s.depth == 0) {
            return at;
        }
    }
    return end;
}

const char *scan_skip_brackets(const char *at, const char *end)
{
    return scan_skip_brackets_by(scan_skip_can(SCAN_SKIP_AVX2)   ? SCAN_SKIP_AVX2
                                 : scan_skip_can(SCAN_SKIP_SSE2) ? SCAN_SKIP_SSE2
                                                                 : SCAN_SKIP_BYTES,
                                 at, end);
}
