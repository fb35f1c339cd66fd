"""Calls in processes of their own: what they return, what they raise, and what their death costs."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from polysee.errors import MediaError
from polysee.media import workers
from polysee.media.image import read_image
from polysee.media.workers import WorkerDied, call

FUNCTIONS = """
import os, signal, sys, time
from polysee.media import workers

def shout(text):
    print(text)  # into nothing: what a worker prints is no answer
    os.write(1, text.encode())
    return text.upper()

def spin(seconds):
    workers.signal.setitimer(workers.signal.ITIMER_PROF, seconds)
    while True:
        pass

def allocate(size):
    return len(bytes(size))

def killed():
    os.kill(os.getpid(), signal.SIGKILL)
"""

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals and limits")


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A module that the workers can import because this process can."""
    (tmp_path / "functions_for_workers.py").write_text(FUNCTIONS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    workers.close()  # those from before look elsewhere
    yield __import__("functions_for_workers")
    workers.close()


def test_it_is_another_process_and_serves_again() -> None:
    first, second = call(os.getpid), call(os.getpid)
    assert first == second != os.getpid()


def test_values_and_errors_come_back() -> None:
    assert call(operator.add, b"a" * 3_000_000, b"b") == b"a" * 3_000_000 + b"b"
    with pytest.raises(ZeroDivisionError):
        call(operator.truediv, 1, 0)
    with pytest.raises(MediaError, match="picture: not a picture") as caught:
        call(read_image, b"nothing")
    assert caught.value.reason == "not a picture of a known format"


def test_a_death_is_named_and_the_next_call_goes_on() -> None:
    for _ in range(2):
        with pytest.raises(WorkerDied, match="its decoder crashed"):
            call(os.abort)
        assert call(operator.add, 1, 2) == 3
    with pytest.raises(WorkerDied):
        call(os._exit, 0)


def test_a_worker_that_left_is_replaced() -> None:
    workers.close()
    call(os.getpid)
    (left,) = workers._idle
    left.process.kill()
    left.process.wait()
    assert call(operator.add, 1, 2) == 3
    (another,) = workers._idle
    another.process.kill()  # and not waited for: it may die under the call
    assert call(operator.add, 1, 2) == 3


def test_what_it_prints_is_no_answer(functions) -> None:
    assert call(functions.shout, "hello") == "HELLO"
    assert call(functions.shout, "again") == "AGAIN"


@posix
def test_time_is_bounded(functions) -> None:
    started = time.process_time()
    with pytest.raises(WorkerDied, match=f"longer than {workers.CPU_SECONDS} seconds"):
        call(functions.spin, 0.05)
    assert time.process_time() - started < 5


@posix
def test_a_kill_is_told_from_a_crash(functions) -> None:
    with pytest.raises(WorkerDied, match="the system stopped its decoder"):
        call(functions.killed)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux bounds memory")
def test_memory_is_bounded(functions) -> None:
    assert call(functions.allocate, 1000) == 1000
    with pytest.raises(MemoryError):
        call(functions.allocate, workers.MAX_MEMORY)


def test_several_at_once() -> None:
    workers.close()
    with ThreadPoolExecutor(3) as pool:
        sums = list(pool.map(lambda number: call(operator.add, number, 1), range(60)))
    assert sums == list(range(1, 61))
    assert 1 <= len(workers._idle) <= 3


def test_without_processes_it_is_called_here(monkeypatch: pytest.MonkeyPatch) -> None:
    workers.close()
    monkeypatch.setattr("multiprocessing.spawn.get_executable", lambda: "/no/such/python")
    assert call(os.getpid) == os.getpid()
    monkeypatch.setattr("multiprocessing.spawn.get_executable", lambda: sys.executable)
    monkeypatch.setattr(workers, "_COMMAND", "raise SystemExit")  # comes up, and leaves at once
    assert call(os.getpid) == os.getpid()


def test_a_script_without_a_guard(tmp_path: Path) -> None:
    """Its main part runs once, and a stranger's modules in the folder where it is run are not imported."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os; from polysee.media.workers import call; print(call(os.getpid) != os.getpid())",
        encoding="utf-8",
    )
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "struct.py").write_text("raise SystemExit", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path / "strange",
        capture_output=True,
        check=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
