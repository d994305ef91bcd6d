#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the Dashboard's files into constant C arrays, each compressed: embed.py OUT FILE...

The same files give the same bytes. A file of a kind that is not listed, or more than SIZE_MAX in all, is an error."""
import gzip
import hashlib
import os
import sys

TYPES = {
    '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8', '.js': 'text/javascript; charset=utf-8',
    '.svg': 'image/svg+xml',
}
SIZE_MAX = 100 << 10  # bytes of all files as they are written


def main():
    arrays, rows, total = [], [], 0
    for i, path in enumerate(sorted(sys.argv[2:], key=os.path.basename)):
        name = os.path.basename(path)
        kind = TYPES.get(os.path.splitext(name)[1])
        if not kind:
            sys.exit(f'embed.py: {name}: what media type is it?')
        with open(path, 'rb') as file:
            plain = file.read()
        total += len(plain)
        packed = gzip.compress(plain, 9, mtime=0)
        numbers = ','.join(map(str, packed))
        arrays.append(f'static const unsigned char file_{i}[] = {{{numbers}}};')
        digest = hashlib.sha256(plain).hexdigest()[:32]
        rows.append(f'    {{"{name}", "{kind}", "W/\\"{digest}\\"", file_{i}, sizeof(file_{i}), {len(plain)}}},')
    if total > SIZE_MAX:
        sys.exit(f'embed.py: {total} bytes in all, {SIZE_MAX} are allowed')
    lines = ['/* Made by dashboard/embed.py from the files of dashboard/. */', '#include "apiserver/dashboard.h"', *arrays,
             'const struct dashboard_file dashboard_files[] = {', *rows, '};',
             f'const size_t dashboard_file_count = {len(rows)};']
    with open(sys.argv[1], 'w', encoding='utf-8') as out:
        out.write('\n'.join(lines) + '\n')


main()
