"""Call functions in processes of their own, so that one that crashes takes nothing else with it.

Decoders are native code, and strangers' files find their faults: a crash, a loop without end, memory
without bound. In a worker such a file costs that one process, and is named; the caller goes on.

Workers are started when they are needed, serve whoever calls next, and leave when nobody does. They are
started by a command of their own and not by `multiprocessing`, which would run the caller's main script
again in each of them: `polysee.Library().index(...)` at the top of a script is all right.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import multiprocessing.spawn
import os
import pickle
import signal
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import IO, Any

CPU_SECONDS = 30
"""The most that one call may compute, where the system counts that (not on Windows)."""
WALL_SECONDS = 300
"""The most that one call may last, however little of the machine it gets."""
IDLE_SECONDS = 60
"""After so long without a call a worker leaves."""
MAX_MEMORY = 6 * 2**30
"""The most address space of a worker, where the system can bound it (Linux)."""

STARTS = 2
"""How often a worker may fail to begin a call before the call is made in the caller's own process."""

# One thread a worker; and memory that is freed is kept for the next picture: handing it back to the
# system each time takes a third as long again as decoding (Pillow's own cache, and glibc's).
_SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PILLOW_BLOCKS_MAX": "2",
    "MALLOC_TRIM_THRESHOLD_": str(100 * 2**20),
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
}
_BEGUN = b"!"
_COMMAND = "from polysee.media.workers import serve; serve()"


class WorkerDied(Exception):
    """A worker ended during a call.

    Args:
        reason: a short phrase about what was to be decoded.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _NotBegun(Exception):
    """The worker was gone before it began: it had left, or never came up."""


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """`function(*arguments)`, computed in a worker process.

    Where no process can be started it is computed here: then a crash is a crash.

    Args:
        function: of a module that can be imported; it is handed over by its name.
    Raises:
        WorkerDied: the function crashed its process, or took too long.
        Exception: whatever the function raises.
    """
    request = pickle.dumps((function, arguments), protocol=5)
    for _ in range(STARTS):
        try:
            worker = _free() or _Worker()
            answer = worker.ask(request)
        except (OSError, _NotBegun):
            continue
        _idle.append(worker)
        right, value = pickle.loads(answer)
        if right:
            return value
        raise value
    return function(*arguments)


def _free() -> _Worker | None:
    """A worker that waits for a call."""
    while True:
        try:
            worker = _idle.pop()
        except IndexError:
            return None
        if worker.process.poll() is None:
            return worker
        worker.end()


class _Worker:
    """The caller's end of one process."""

    def __init__(self) -> None:
        path = [os.path.abspath(entry) for entry in sys.path if entry]  # noqa: PTH100
        self.process = subprocess.Popen(
            # -P: the folder that the caller stands in may be a stranger's, modules and all
            [multiprocessing.spawn.get_executable(), "-P", "-W", "ignore", "-c", _COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_SETTINGS, "PYTHONPATH": os.pathsep.join(path)},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )

    def ask(self, request: bytes) -> bytes:
        """The worker's answer; whatever else happens, the process is gone."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        started = time.monotonic()
        try:
            try:
                _send(self.process.stdin, request)
                begun = self.process.stdout.read(1) == _BEGUN
            except OSError:
                begun = False
            if not begun:
                raise _NotBegun
            return _receive(self.process.stdout)
        except (EOFError, OSError):
            raise WorkerDied(_reason(self.end(), time.monotonic() - started)) from None
        except BaseException:  # Ctrl-C, too
            self.process.kill()
            self.end()
            raise

    def end(self) -> int:
        """Make sure that the process is gone, and say with which code."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what it was to read is still on its way
                    pipe.close()
        try:
            return self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def _reason(code: int, seconds: float) -> str:
    if seconds > WALL_SECONDS or -code == getattr(signal, "SIGPROF", None):
        return f"decoding it takes longer than {CPU_SECONDS} seconds"
    if -code == getattr(signal, "SIGKILL", None):
        return "the system stopped its decoder, perhaps for want of memory"
    return "its decoder crashed"


_idle: deque[_Worker] = deque()  # its operations are atomic


def close() -> None:
    """End the workers that wait for a call."""
    while _idle:
        worker = _idle.pop()
        worker.process.kill()
        worker.end()


atexit.register(close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # they answer to one caller


# -- the worker's end ------------------------------------------------------------------------------


def serve() -> None:
    """What a worker does: calls, until the caller hangs up or nobody has called for long."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the caller to answer
    if hasattr(signal, "SIGPROF"):
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
    _bound_memory()
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), sys.stdout.fileno())  # decoders that print do not answer
        while True:
            # from a thread of C, which needs nothing of a decoder that hangs
            faulthandler.dump_traceback_later(IDLE_SECONDS, exit=True, file=nowhere)
            try:
                request = _receive(requests)
            except EOFError:
                return
            faulthandler.dump_traceback_later(WALL_SECONDS, exit=True, file=nowhere)
            answers.write(_BEGUN)
            answers.flush()
            _send(answers, _answer(request))


def _answer(request: bytes) -> bytes:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # its signal ends the process
    try:
        function, arguments = pickle.loads(request)
        answer = (True, function(*arguments))
    except Exception as error:
        answer = (False, error)
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, 0)
    return pickle.dumps(answer, protocol=5)


def _bound_memory() -> None:
    if sys.platform == "win32":
        return
    import resource

    try:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        if hard == resource.RLIM_INFINITY or hard > MAX_MEMORY:
            resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, hard))
    except (OSError, ValueError):  # a system that has the name and not the thing
        pass


# -- both ends -------------------------------------------------------------------------------------


def _send(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(struct.pack("<Q", len(message)))
    pipe.write(message)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes:
    (length,) = struct.unpack("<Q", _exactly(pipe, 8))
    return _exactly(pipe, length)


def _exactly(pipe: IO[bytes], length: int) -> bytes:
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError
    return data
