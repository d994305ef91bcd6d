/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/span.h"

#include "lib/bytes.h"

int64_t span_read(const char *text, int64_t most)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    struct slice number = slice_str(text);
    int64_t unit = 1;
    int64_t value;

    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (number.len && number.data[number.len - 1] == units[i].letter) {
            unit = units[i].seconds;
            number.len--;
            break;
        }
    if (!slice_to_int64(number, &value) || value < 1 || value > most / unit)
        return 0;
    return value * unit;
}
