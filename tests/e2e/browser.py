# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium on the host of a cluster's server, driven by JavaScript that has `page` and `argument`."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

from cluster import PATIENCE, PORT, ROOT

PLAYWRIGHT = os.environ.get('PLAYWRIGHT')


class Browser:
    def __init__(self, cluster, width=1280):
        if not shutil.which('chromium') or not shutil.which('node'):
            pytest.skip('there is no chromium, or no node to drive it')
        package = PLAYWRIGHT or subprocess.run([ROOT / 'tools/fetch-playwright', ROOT / 'build/test/deps'], check=True,
                                               capture_output=True, text=True).stdout.strip()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='browser-', dir=cluster.folder))
        self.log = open(self.folder / 'log', 'wb')
        command = ['nsenter', f'--net=/run/netns/{cluster.netns}', '--', 'node', ROOT / 'tests/e2e/browser.mjs',
                   pathlib.Path(package).resolve(),
                   self.folder / 'profile', str(width), str(20000 * PATIENCE)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env={'PATH': os.environ['PATH'], 'HOME': str(self.folder)}, start_new_session=True)
        try:
            self.answer()
        except BaseException:
            self.stop()
            raise
        self.address = f'https://127.0.0.1:{PORT}/dashboard/'

    def answer(self):
        line = self.process.stdout.readline()
        assert line, f'the browser ended: {pathlib.Path(self.log.name).read_text()[-3000:]}'
        reply = json.loads(line)
        assert 'error' not in reply, reply['error']
        return reply['value']

    def do(self, code, argument=None):
        """Runs the body of an async function in the driver; returns what it returns."""
        self.process.stdin.write(json.dumps({'code': code, 'argument': argument}) + '\n')
        self.process.stdin.flush()
        return self.answer()

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(30 * PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process.stdout.close()
        self.log.close()
