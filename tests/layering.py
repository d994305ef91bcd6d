#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the folders to the floors of docs/architecture.md: reads each folder's list of public headers in its
meson.build and every #include line, and fails on an arrow that points the wrong way or into a private header."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What each folder may include besides itself. `main` wires everybody; tests may look at anything.
MAY = {
    'lib': set(),
    'api': {'lib'},
    'store': {'lib'},
    'client': {'api', 'lib'},
    'apiserver': {'store', 'client', 'api', 'lib'},
    'scheduler': {'client', 'api', 'lib'},
    'controllers': {'client', 'api', 'lib'},
    'agent': {'client', 'api', 'lib'},
    'cli': {'client', 'api', 'lib'},
    'main': {'apiserver', 'store', 'scheduler', 'controllers', 'agent', 'cli', 'client', 'api', 'lib'},
}


def public_headers(folder):
    """The names listed in `<folder>_headers = files(...)` of the folder's meson.build."""
    text = (ROOT / folder / 'meson.build').read_text()
    found = re.search(r'^%s_headers = files\((.*?)\)' % folder, text, re.S | re.M)
    return set(re.findall(r"'([^']+\.h)'", found.group(1))) if found else set()


def violations():
    public = {folder: public_headers(folder) for folder in MAY if (ROOT / folder / 'meson.build').exists()}
    for folder in MAY:
        for path in sorted((ROOT / folder).rglob('*.[ch]')):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                found = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
                if not found:
                    continue
                where = f'{path.relative_to(ROOT)}:{number}'
                target, _, rest = found.group(1).partition('/')
                if not rest:
                    yield f'{where}: name the folder: "{folder}/{target}"'
                elif target not in MAY:
                    yield f'{where}: unknown folder {target}'
                elif target != folder and target not in MAY[folder]:
                    yield f'{where}: {folder} must not include {target}'
                elif target != folder and rest not in public.get(target, set()):
                    yield f'{where}: {found.group(1)} is private to {target}'
    for folder, headers in public.items():
        for name in headers:
            if not (ROOT / folder / name).exists():
                yield f'{folder}/meson.build lists {name}, which is not there'


bad = list(violations())
for line in bad:
    print(line)
print(f'layering: {len(bad)} violations')
sys.exit(1 if bad else 0)
