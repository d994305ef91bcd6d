#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the rows of api/schema/*.schema into constant C tables (schema_tables.c): compile.py OUT FILE...

The language. '#' starts a comment line. Two or more spaces end a row's marks; what follows is its description.

  group GROUP VERSION OPENAPI        what the rest of the file belongs to; GROUP "core" is the one without a name
  kind KIND PLURAL MARKS             PLURAL "-" = it has no resource of its own; its fields are those of the type KIND
                                     namespaced|cluster  status (a subresource splits writes)  generation (counted)
                                     virtual (never stored)  bare (no object: Status, DeleteOptions)
                                     returned (a deletion answers with the object)
                                     observed (what was seen or asked, nobody's wish: not rewound)
    short NAME...                    in CATEGORY...            verbs VERB,... (all, or none when virtual)
    select PATH...                   selectable besides metadata.name and metadata.namespace
    scale SPEC STATUS SELECTOR       paths for the scale subresource
    sub NAME VERB,... [KIND] [writes PLACES]  KIND or GROUP/VERSION/KIND, the parent's own when missing; PLACES: the
                                     fields that it may change, as api/places.h has them
    history window|none              how long what an object was is kept, when not as long as the history is: for watches
                                     and pages under way; likewise, and its writes may wait a little (see store/store.h)
    also VERSION                     a body may name this older version of the same form, too
    stored GROUP/VERSION/KIND        another version of that kind, in which it is stored (api/version.h); no columns of its own
    move OWN STORED                  the name a field of the whole object has in the stored version
    inert SENTENCE                   stored, but nothing acts on it yet: what a Warning says to who writes one
    deprecated SENTENCE              what a Warning says to who asks anything of it
    column NAME TYPE [wide] [name] CELL  DESCRIPTION        NAME in quotes when it has spaces; CELL: see api/table.h
  type NAME [atomic]  DESCRIPTION    atomic: apply replaces each place that holds one as a whole
  either NAME  DESCRIPTION           as a type, but its fields are alternatives: the value is one of them by itself, in
                                     JSON told by what it is (a boolean, an object, a list)
   NUMBER FIELD TYPE MARKS  DESCRIPTION

  A field's TYPE: string bool int32 int64 double bytes quantity intorstring time microtime any json fieldsv1 strings
  (json: any, but OpenAPI calls it JSON and not RawExtension) or the name of a type (of this group, else of core, else of meta), with [] or map[string] before it; behind it '*'
  when a zero counts (upstream's field is a pointer) and '!' when it must be there. Then in any order:
    = JSON         the default                         enum A|B  the values ("" = the empty one)
    min N, max N   bounds                              format F  OpenAPI's, or a rule's name of api/validate.h
    inline         nested in protobuf, not in JSON     fixed     may not change
    keys A,B       a list that is a map by these keys  set       a list without equals
    atomic         replaced as a whole by apply (with keys: each item)     empty     written even when it is zero
    granular       not so, although its type is atomic
    expected       OpenAPI says that it must be there, but nobody insists
    merge KEY      strategic merge by KEY ('.' = a list of scalars)      retain    with retainKeys
    replace        strategic merge: an object is replaced as a whole
    inert          stored, but nothing acts on it yet
"""
import hashlib
import json
import re
import shlex
import sys

BASES = {
    'string': 'STRING', 'bool': 'BOOL', 'int32': 'INT32', 'int64': 'INT64', 'double': 'DOUBLE', 'bytes': 'BYTES',
    'quantity': 'QUANTITY', 'intorstring': 'INT_OR_STRING', 'time': 'TIME', 'microtime': 'MICRO_TIME',
    'any': 'ANY', 'json': 'ANY', 'fieldsv1': 'FIELDS_V1', 'strings': 'STRINGS',
}
FLAGS = {
    'inline': 'INLINE', 'fixed': 'IMMUTABLE', 'set': 'LIST_SET', 'atomic': 'ATOMIC', 'retain': 'PATCH_RETAIN',
    'replace': 'PATCH_REPLACE',
    'empty': 'EMIT_EMPTY', 'inert': 'NOT_ENFORCED', 'granular': 'GRANULAR', 'expected': 'EXPECTED',
}
# What only OpenAPI tells.
TOLD = {'GRANULAR', 'EXPECTED', 'JSON'}
# What of a kind decides nothing about the form of its objects.
TOLD_KIND = {'observed', 'returned'}
HISTORIES = ['full', 'window', 'none']
VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
COLUMN_TYPES = ['string', 'integer', 'boolean', 'date', 'number']


def fail(where, text):
    sys.exit(f'{where}: {text}')


def split_description(line):
    """'marks  description' taken apart."""
    parts = re.split(r' {2,}', line.strip(), maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ''


class Group:
    def __init__(self, name, version, openapi):
        self.name = '' if name == 'core' else name
        self.version = version
        self.openapi = openapi


class Field:
    def __init__(self, where, line):
        found = re.match(r' *(\d+) (\S+) +(\S+) ?(.*)$', line)
        if not found:
            fail(where, f'not a field: {line.strip()}')
        self.where = where
        self.number = int(found.group(1))
        self.name = found.group(2)
        self.flags = set()
        self.default = self.enum = self.keys = self.merge = self.format = self.min = self.max = None
        self.take_type(found.group(3))
        rest, self.description = split_description(found.group(4)) if not found.group(4).startswith(' ') else (
            '', found.group(4).strip())
        self.take_marks(rest.split(' ') if rest else [])

    def take_type(self, text):
        while text[-1] in '*!':
            self.flags.add('POINTER' if text[-1] == '*' else 'REQUIRED')
            text = text[:-1]
        self.shape = 'ONE'
        for prefix, shape in (('[]', 'LIST'), ('map[string]', 'MAP')):
            if text.startswith(prefix):
                self.shape = shape
                text = text[len(prefix):]
        self.base = BASES.get(text, 'OBJECT')
        if text == 'json':
            self.flags.add('JSON')
        self.type_name = None if text in BASES else text

    def take_marks(self, marks):
        while marks:
            mark = marks.pop(0)
            if mark in FLAGS:
                self.flags.add(FLAGS[mark])
            elif not marks:
                fail(self.where, f'unknown mark {mark}')
            elif mark == '=':
                self.default = marks.pop(0)
                json.loads(self.default)
            elif mark == 'enum':
                self.enum = ['' if v == '""' else v for v in marks.pop(0).split('|')]
            elif mark == 'keys':
                self.keys = marks.pop(0).split(',')
                self.flags.add('LIST_MAP')
            elif mark == 'merge':
                key = marks.pop(0)
                self.merge = None if key == '.' else key
                self.flags.add('PATCH_MERGE')
            elif mark in ('min', 'max'):
                setattr(self, mark, int(marks.pop(0)))
            elif mark == 'format':
                self.format = marks.pop(0)
            else:
                fail(self.where, f'unknown mark {mark}')


class Type:
    def __init__(self, group, words, description, either):
        self.group = group
        self.name = words[0]
        self.atomic = words[1:] == ['atomic']
        self.description = description
        self.either = either
        self.fields = []


class Kind:
    def __init__(self, where, group, words):
        self.where = where
        self.group = group
        self.name, self.plural = words[0], '' if words[1] == '-' else words[1]
        self.marks = set(words[2:])
        self.short, self.categories, self.select, self.columns, self.subs = [], [], [], [], []
        self.scale = self.inert = self.deprecated = self.also = self.stored = None
        self.moves = []
        self.history = 'full'
        self.verbs = [] if 'virtual' in self.marks else VERBS
        unknown = self.marks - {'namespaced', 'cluster', 'status', 'generation', 'virtual', 'bare'} - TOLD_KIND
        if unknown or len(self.marks & {'namespaced', 'cluster'}) != 1:
            fail(where, f'kind {self.name}: marks {sorted(self.marks)}')

    def take(self, where, line):
        word, _, rest = line.strip().partition(' ')
        if word == 'short':
            self.short = rest.split()
        elif word == 'in':
            self.categories = rest.split()
        elif word == 'verbs':
            self.verbs = rest.split(',')
        elif word == 'select':
            self.select = rest.split()
        elif word == 'scale':
            self.scale = rest.split()
        elif word == 'sub':
            name, verbs, *more = rest.split()
            writes = more[more.index('writes') + 1] if 'writes' in more else None
            target = more[:more.index('writes')] if writes else more
            self.subs.append((name, verbs.split(','), target[0].split('/') if target else None, writes))
        elif word == 'inert':
            self.inert = rest
        elif word == 'deprecated':
            self.deprecated = rest
        elif word == 'also':
            self.also = rest
        elif word == 'stored':
            self.stored = rest.split('/')
        elif word == 'move':
            self.moves.append(rest.split())
        elif word == 'history' and rest in HISTORIES:
            self.history = rest
        elif word == 'column':
            self.take_column(where, rest)
        else:
            fail(where, f'unknown row {word}')

    def take_column(self, where, rest):
        text, description = split_description(rest)
        found = re.match(r'("[^"]+"|\S+) (\w+) (wide )?(name )?(.+)$', text)
        if not found or found.group(2) not in COLUMN_TYPES:
            fail(where, f'not a column: {text}')
        self.columns.append((found.group(1).strip('"'), found.group(2), bool(found.group(3)), bool(found.group(4)),
                             found.group(5), description))


def read(paths):
    types, kinds, group, current = {}, [], None, None
    for path in paths:
        with open(path, encoding='utf-8') as file:
            for number, line in enumerate(file, 1):
                where = f'{path}:{number}'
                line = line.rstrip('\n')
                if not line.strip() or line.startswith('#'):
                    continue
                if line.startswith('group '):
                    group = Group(*shlex.split(line)[1:])
                    current = None
                elif line.startswith('kind '):
                    current = Kind(where, group, line.split()[1:])
                    kinds.append(current)
                elif line.startswith(('type ', 'either ')):
                    word, _, rest = line.partition(' ')
                    words, description = split_description(rest)
                    current = Type(group, words.split(), description, word == 'either')
                    if (group.openapi, current.name) in types or words not in (current.name, f'{current.name} atomic'):
                        fail(where, f'{words}: twice, or an unknown mark')
                    types[(group.openapi, current.name)] = current
                elif isinstance(current, Type):
                    current.fields.append(Field(where, line))
                elif current is not None:
                    current.take(where, line)
                else:
                    fail(where, 'a row that belongs to nothing')
    return list(types.values()), kinds


def resolve(types, kinds):
    """Gives every object field its type, and every kind its own with apiVersion and kind before the rows."""
    scopes = {}
    for t in types:
        scopes.setdefault(t.group.openapi, {})[t.name] = t

    def find(where, group, name):
        for scope in (group.openapi, 'io.k8s.api.core.v1', 'io.k8s.apimachinery.pkg.apis.meta.v1'):
            if name in scopes.get(scope, {}):
                return scopes[scope][name]
        return fail(where, f'no type {name}')

    for t in types:
        t.fields.sort(key=lambda f: f.number)
        for f in t.fields:
            f.type = find(f.where, t.group, f.type_name) if f.type_name else None
            if f.type and f.type.either:
                f.base = 'EITHER'
            if f.type and f.type.atomic and (f.shape == 'ONE' or f.keys) and 'GRANULAR' not in f.flags:
                f.flags.add('ATOMIC')
    for k in kinds:
        k.type = find(k.where, k.group, k.name)
        if k.type.fields[0].number:
            k.type.fields[:0] = [
                Field(k.where, '0 apiVersion string  The version of the group that this object is written in.'),
                Field(k.where, '0 kind string  The kind of object this is.')]
            for f in k.type.fields[:2]:
                f.type = None
    for i, t in enumerate(types):
        t.index = i


def text(value):
    return 'NULL' if value is None else json.dumps(value, ensure_ascii=False)


class Writer:
    def __init__(self):
        self.lines = []
        self.lists = {}

    def put(self, line):
        self.lines.append(line)

    def string_list(self, values):
        """A NULL-terminated list, shared by all who have the same one."""
        if values is None:
            return 'NULL'
        key = tuple(values)
        if key not in self.lists:
            self.lists[key] = f'list_{len(self.lists)}'
            items = ', '.join([text(v) for v in values] + ['NULL'])
            self.put(f'static const char *const {self.lists[key]}[] = {{{items}}};')
        return self.lists[key]


def write_field(out, f, lists):
    flags = ' | '.join(f'SCHEMA_{flag}' for flag in sorted(f.flags)) or '0'
    parts = [f'.name = {text(f.name)}', f'.description = {text(f.description)}', f'.flags = {flags}',
             f'.number = {f.number}', f'.base = SCHEMA_{f.base}', f'.shape = SCHEMA_{f.shape}']
    if f.type:
        parts.append(f'.type = &types[{f.type.index}]')
    if f.default is not None:
        parts.append(f'.default_json = {text(f.default)}')
    if f.enum is not None:
        parts.append(f'.enum_values = {lists[0]}')
    if f.keys is not None:
        parts.append(f'.map_keys = {lists[1]}')
    if f.merge is not None:
        parts.append(f'.merge_key = {text(f.merge)}')
    if f.format is not None:
        parts.append(f'.format = {text(f.format)}')
    for name, value in (('minimum', f.min), ('maximum', f.max)):
        if value is not None:
            parts += [f'.{name} = {value}', f'.has_{name} = 1']
    out.put('    {' + ', '.join(parts) + '},')


def write_types(out, types):
    out.put(f'static const struct schema_type types[{len(types)}];')
    for t in types:
        lists = [(out.string_list(f.enum), out.string_list(f.keys)) for f in t.fields]
        if not t.fields:
            continue
        out.put(f'static const struct schema_field fields_{t.index}[] = {{')
        for f, pair in zip(t.fields, lists):
            write_field(out, f, pair)
        out.put('};')
        order = sorted(range(len(t.fields)), key=lambda i: t.fields[i].name.encode())
        out.put(f'static const uint16_t order_{t.index}[] = {{{", ".join(map(str, order))}}};')
    out.put(f'static const struct schema_type types[{len(types)}] = {{')
    for t in types:
        fields, order = (f'fields_{t.index}', f'order_{t.index}') if t.fields else ('NULL', 'NULL')
        out.put(f'    {{.name = {text(t.name)}, .openapi_name = {text(t.group.openapi + "." + t.name)}, '
                f'.description = {text(t.description)}, .fields = {fields}, .field_count = {len(t.fields)}, '
                f'.by_name = {order}' + (', .atomic = true' if t.atomic else '') +
                (f', .openapi = {text(json.dumps({"description": t.description}))}' if t.either else '') + '},')
    out.put('};')


def verb_bits(where, verbs):
    if not set(verbs) <= set(VERBS):
        fail(where, f'verbs {verbs}')
    return ' | '.join(f'SCHEMA_VERB_{v.upper()}' for v in verbs) or '0'


def kind_hash(kind):
    """Changes when anything changes that decides how an object is read or stored."""
    seen, todo = {}, [kind.type]
    while todo:
        t = todo.pop()
        if t.index in seen:
            continue
        seen[t.index] = [(f.number, f.name, f.base, f.shape, f.type_name, sorted(f.flags - TOLD), f.default, f.enum, f.keys,
                          f.merge) for f in t.fields]
        todo += [f.type for f in t.fields if f.type]
    rows = [kind.group.name, kind.group.version, kind.name, kind.plural, sorted(kind.marks - TOLD_KIND),
            kind.select, [seen[i] for i in sorted(seen)]]
    return int.from_bytes(hashlib.sha256(repr(rows).encode()).digest()[:4], 'big')


def write_kind(out, i, k):
    columns, subs, scale, moves = 'NULL', 'NULL', 'NULL', 'NULL'
    short, categories, select = (out.string_list(v) for v in (k.short, k.categories, k.select))
    if k.columns:
        columns = f'columns_{i}'
        out.put(f'static const struct schema_column {columns}[] = {{')
        for name, kind, wide, is_name, cell, description in k.columns:
            out.put(f'    {{.name = {text(name)}, .cell = {text(cell)}, .description = {text(description)}, '
                    f'.format = "{"name" if is_name else ""}", .type = SCHEMA_COLUMN_{kind.upper()}, '
                    f'.priority = {int(wide)}}},')
        out.put('};')
    if k.subs:
        subs = f'subresources_{i}'
        out.put(f'static const struct schema_subresource {subs}[] = {{')
        for name, verbs, target, writes in sorted(k.subs):
            group = [None, None, None] if target is None else ([None, None] + target)[-3:]
            out.put(f'    {{.name = {text(name)}, .group = {text(group[0])}, .version = {text(group[1])}, '
                    f'.kind = {text(group[2])}, .writes = {text(writes)}, .verbs = {verb_bits(k.where, verbs)}}},')
        out.put('};')
    if k.moves:
        moves = f'moves_{i}'
        out.put(f'static const struct schema_move {moves}[] = {{'
                + ', '.join(f'{{{text(own)}, {text(stored)}}}' for own, stored in k.moves) + '};')
    stored = f'&kind_{k.stored.index}' if k.stored else 'NULL'
    if k.scale:
        scale = f'&scale_{i}'
        out.put(f'static const struct schema_scale_paths scale_{i} = {{{", ".join(map(text, k.scale))}}};')
    marks = ', '.join(f'.{field} = true' for mark, field in (
        ('namespaced', 'namespaced'), ('status', 'has_status'), ('generation', 'generation'),
        ('virtual', 'virtual_kind'), ('bare', 'no_metadata'), ('observed', 'observed'),
        ('returned', 'returned')) if mark in k.marks)
    out.put(f'static const struct schema_kind kind_{i} = {{.group = {text(k.group.name)}, '
            f'.version = {text(k.group.version)}, .kind = {text(k.name)}, .plural = {text(k.plural)}, '
            f'.singular = {text(k.name.lower() if k.plural else "")}, .short_names = {short}, '
            f'.categories = {categories}, .type = &types[{k.type.index}], .columns = {columns}, '
            f'.column_count = {len(k.columns)}, .selectable = {select}, .subresources = {subs}, '
            f'.subresource_count = {len(k.subs)}, .scale = {scale}, .stored = {stored}, '
            f'.moves = {moves}, .move_count = {len(k.moves)}, .inert = {text(k.inert)}, '
            f'.deprecated = {text(k.deprecated)}, .also = {text(k.also)}, '
            f'.verbs = {verb_bits(k.where, k.verbs)}, '
            f'.hash = 0x{kind_hash(k):08x}u, .history = SCHEMA_HISTORY_{k.history.upper()}' + (f', {marks}' if marks else '') + '};')


def find_stored(kinds):
    """Puts the kind in the place of its name."""
    names = {}
    for i, k in enumerate(kinds):
        k.index = i
        names[(k.group.name or 'core', k.group.version, k.name)] = k
    for k in kinds:
        if k.stored:
            k.stored = names.get(tuple(k.stored)) or fail(k.where, f'kind {k.name}: stored as what is not there')


def main():
    types, kinds = read(sys.argv[2:])
    resolve(types, kinds)
    groups = {k.group.name: i for i, k in reversed(list(enumerate(kinds)))}
    kinds.sort(key=lambda k: (groups[k.group.name], k.plural, k.name))
    out = Writer()
    out.put('/* Made by api/schema/compile.py from the rows of api/schema. */')
    out.put('#include "api/schema_internal.h"')
    write_types(out, types)
    find_stored(kinds)
    for i, k in enumerate(kinds):
        out.put(f'static const struct schema_kind kind_{i};')
    for i, k in enumerate(kinds):
        write_kind(out, i, k)
    out.put('const struct schema_kind *const schema_table_kinds[] = {'
            + ', '.join(f'&kind_{i}' for i in range(len(kinds))) + '};')
    out.put(f'const size_t schema_table_kind_count = {len(kinds)};')
    out.put('const struct schema_type *const schema_table_types = types;')
    out.put(f'const size_t schema_table_type_count = {len(types)};')
    with open(sys.argv[1], 'w', encoding='utf-8') as file:
        file.write('\n'.join(out.lines) + '\n')


main()
