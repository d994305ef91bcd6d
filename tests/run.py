#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the suites and adds their counts up; the last line is 'N passed, N failed[, N skipped]'."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run_unit(build):
    log = pathlib.Path(build) / 'meson-logs' / 'testlog.json'
    log.unlink(missing_ok=True)
    subprocess.run(['meson', 'test', '-C', build, '--no-rebuild', '--print-errorlogs', '--quiet'], check=False)
    counts = {'passed': 0, 'failed': 0, 'skipped': 0}
    for line in log.read_text().splitlines() if log.exists() else []:
        result = json.loads(line)['result']
        counts[{'OK': 'passed', 'SKIP': 'skipped'}.get(result, 'failed')] += 1
    return counts


# Other minor versions of kubectl that must work, see tests/e2e/clients.
OLDER_KUBECTLS = ['20', '27', '30', '32']


def run_e2e(build, arguments):
    report = pathlib.Path(build) / 'e2e.xml'
    report.unlink(missing_ok=True)
    deps = pathlib.Path(build) / 'deps'
    kubectl = subprocess.run([ROOT / 'tools/fetch-kubectl', '35', deps], check=True, capture_output=True, text=True)
    helm = subprocess.run([ROOT / 'tools/fetch-kubectl', '35', deps, 'helm'], check=True, capture_output=True, text=True)
    for minor in OLDER_KUBECTLS:  # whoever is not to be had is skipped
        subprocess.run([ROOT / 'tools/fetch-kubectl', minor, deps], check=False, capture_output=True)
    subprocess.run([ROOT / 'tools/fetch-client-node', deps], check=False, capture_output=True)
    playwright = subprocess.run([ROOT / 'tools/fetch-playwright', deps], check=True, capture_output=True, text=True)
    env = dict(os.environ, PLAYWRIGHT=playwright.stdout.strip(), KNARR_BIN=str(pathlib.Path(build) / 'main' / 'knarr'), KUBECTL=kubectl.stdout.strip(),
               HELM=helm.stdout.strip(),
               PYTHONDONTWRITEBYTECODE='1')
    workers = [] if '-n' in arguments else ['-n', os.environ.get('KNARR_TEST_PARALLEL', '3'), '--dist', 'loadfile']
    done = subprocess.run(['/usr/bin/python3', '-m', 'pytest', '-q', '-p', 'no:cacheprovider', f'--junitxml={report}',
                    *workers, *arguments, str(ROOT / 'tests/e2e')], check=False, env=env)
    if not report.exists():
        return {'passed': 0, 'failed': 1, 'skipped': 0}
    suite = ET.parse(report).getroot().find('testsuite')
    total, skipped = int(suite.get('tests')), int(suite.get('skipped'))
    failed = int(suite.get('failures')) + int(suite.get('errors'))
    if done.returncode and not failed:  # the comparison of the host failed
        failed = 1
    return {'passed': max(total - failed - skipped, 0), 'failed': failed, 'skipped': skipped}


# The programs that judge watches, at length; what a change must pass is among the unit tests.
WATCH_RUNS = [*(['watch-churn', '400000', str(seed)] for seed in range(1, 5)), ['watch-sockets', 'KNARR', '60000'],
              ['watch-crowd', 'KNARR', '10000', '30', 'each']]


def run_watch(build):
    counts = {'passed': 0, 'failed': 0, 'skipped': 0}
    build = pathlib.Path(build)
    for program, *arguments in WATCH_RUNS:
        print(program, *arguments, flush=True)
        arguments = [str(build / 'main' / 'knarr') if a == 'KNARR' else a for a in arguments]
        code = subprocess.run([build / 'tests' / 'watch' / program, *arguments], check=False).returncode
        counts[{0: 'passed', 77: 'skipped'}.get(code, 'failed')] += 1
    return counts


def run_campaigns(commands):
    """Long ones, as many at a time as there are processors. Each says in its last line what it did."""
    def run(command):
        return subprocess.run([str(c) for c in command], check=False, capture_output=True, text=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        done = list(pool.map(run, commands))
    for command, result in zip(commands, done):
        lines = (result.stdout + result.stderr).splitlines()
        # Of one that failed everything: it names the seed and where the pieces are.
        print(f'{pathlib.Path(command[0]).name}: ' + ('; '.join(lines) if result.returncode else lines[-1]))
    failed = sum(bool(result.returncode) for result in done)
    return {'passed': len(done) - failed, 'failed': failed, 'skipped': 0}


def crash_commands(build, _):
    """1,000 kills, 100,000 losses of power."""
    crash = pathlib.Path(build) / 'tests/crash'
    server = [ROOT / 'tests/crash/server.py', crash / 'crash-knarr', pathlib.Path(build) / 'main/knarr']
    return [[*server, '150'], [*server, '150'], [crash / 'crash-store', '350'], [crash / 'crash-store', '350'],
            [crash / 'crash-power', '50000'], [crash / 'crash-power', '50000']]


def sim_commands(build, arguments):
    seeds = int(arguments[0]) if arguments else 20000
    share = -(-seeds // os.cpu_count())
    return [[pathlib.Path(build) / 'tests/sim' / program, str(min(share, seeds + 1 - first)), str(first)]
            for program in ('sim-store', 'sim-watch') for first in range(1, seeds + 1, share)]


def fuzz_commands(build, arguments):
    """Each target from the inputs that are kept; what it finds by itself is forgotten, what breaks it is written down.
    With a seed the same inputs are tried each time (as many as there is time for)."""
    seconds, seed = (arguments + ['60', '0'][len(arguments):])[:2]
    found = pathlib.Path(build) / 'found'
    found.mkdir(exist_ok=True)
    commands = []
    programs = sorted(p for p in (pathlib.Path(build) / 'tests/fuzz').glob('fuzz-*') if p.is_file() and os.access(p, os.X_OK))
    for program in programs:
        name = program.name.removeprefix('fuzz-')
        scratch = pathlib.Path(build) / 'scratch' / name
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        commands.append([program, f'-max_total_time={seconds}', f'-seed={seed}', '-max_len=8192', '-timeout=30', '-rss_limit_mb=3000', '-print_final_stats=0',
               f'-artifact_prefix={found}/{name}-', scratch, ROOT / 'tests/fuzz/corpus' / name])
    return commands


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--build', required=True)
    parser.add_argument('--what', choices=['all', 'unit', 'e2e', 'watch', 'crash', 'sim', 'fuzz'], required=True)
    parser.add_argument('rest', nargs='*')
    options = parser.parse_args()
    total = {'passed': 0, 'failed': 0, 'skipped': 0}
    if options.what in ('all', 'unit'):
        for key, value in run_unit(options.build).items():
            total[key] += value
    if options.what == 'watch':
        for key, value in run_watch(options.build).items():
            total[key] += value
    if options.what in ('all', 'e2e'):
        for key, value in run_e2e(options.build, options.rest).items():
            total[key] += value
    for what, commands in (('crash', crash_commands), ('sim', sim_commands), ('fuzz', fuzz_commands)):
        if options.what == what:
            total = run_campaigns(commands(options.build, options.rest))
    skipped = f", {total['skipped']} skipped" if total['skipped'] else ''
    print(f"{total['passed']} passed, {total['failed']} failed{skipped}")
    return 1 if total['failed'] or not total['passed'] else 0


sys.exit(main())
