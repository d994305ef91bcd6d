# SPDX-License-Identifier: Apache-2.0
"""kubectl that goes on while the test does, with a terminal or without."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from cluster import KUBECTL, PATIENCE


def start(cluster, *arguments, env=None, program=KUBECTL, **kwargs):
    """kubectl in the background, its output in bytes."""
    return subprocess.Popen(['nsenter', f'--net=/run/netns/{cluster.netns}', '--', program, *map(str, arguments)],
                            env={**cluster.environment(), **(env or {})}, **kwargs)


class Terminal:
    """kubectl with a terminal of 33 rows and 101 columns."""

    def __init__(self, cluster, *arguments, **kwargs):
        self.master, slave = pty.openpty()
        self.resize(33, 101)
        self.process = start(cluster, *arguments, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, **kwargs)
        os.close(slave)
        self.seen = b''

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
        if hasattr(self, 'process'):
            self.process.send_signal(signal.SIGWINCH)  # it has no terminal of its own that would

    def expect(self, pattern, seconds=20):
        """Reads on until the pattern is there; what was before it is forgotten."""
        end = time.monotonic() + seconds * PATIENCE
        while not (found := re.search(pattern, self.seen)):
            ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            try:
                data = os.read(self.master, 65536) if ready else b''
            except OSError:
                data = b''
            assert data, (pattern, self.seen)
            self.seen += data
        self.seen = self.seen[found.end():]
        return found

    def send(self, text):
        os.write(self.master, text)

    def wait(self):
        code = self.process.wait(20 * PATIENCE)
        os.close(self.master)
        return code
