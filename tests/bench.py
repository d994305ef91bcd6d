#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The in-process driver of `bench/run store` does what bench/common.h says: tests/bench.py BENCH-STORE."""
import json
import subprocess
import sys
import tempfile

COMMANDS = ('insert n 0 300 1 1024 pod 0', 'update n 300 8 1024 random 50', 'batches', 'get n 300 1 20', 'list n 0 3',
            'list n 70 3', 'compact')


def run(*command, lines=''):
    done = subprocess.run(command, input=lines, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


with tempfile.TemporaryDirectory() as folder:
    opened, inserted, updated, batches, got, whole, paged, forgot = run(sys.argv[1], folder, lines='\n'.join(COMMANDS) + '\n')
    (log,) = run(sys.argv[1], folder, 'floor', '20')
assert opened['revision'] == 1, opened
assert inserted['ops'] == inserted['batches'] == 300, inserted
assert 0 < updated['batches'] <= updated['ops'], updated
assert batches['batches'] == updated['batches'], batches
assert got['ops'] and log['ops'] and 0 < log['p50_us'] <= log['p99_us'] <= log['p999_us'] <= log['max_us'], (got, log)
assert forgot['log_bytes'], forgot
assert whole['items'] == paged['items'] == 300 and whole['bytes'] == paged['bytes'] == 300 * 1024, (whole, paged)
