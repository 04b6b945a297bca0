"""A process that forks runs to be killed: what they need is imported once, before there are threads.

A line of JSON on stdin asks for a run: ``out``, ``resume``, and when it dies: ``moment`` and ``after`` of a file
operation, or ``seconds``. A line on stdout says how it ended and how many file operations it made.
"""

import json
import os
import signal
import sys
import threading
import warnings
from pathlib import Path

import jax  # noqa: F401
import optax  # noqa: F401
import scipy.stats  # noqa: F401

import fallline
import faulty
from fallline.engine import layouts
from fallline.sequential import train_until_decided  # noqa: F401

layouts.SMALL_WEIGHTS = faulty.WEIGHTS
warnings.simplefilter("error")


def child(order, told):
    dying = faulty.Dying(order["out"], order.get("moment"), order.get("after"))
    fallline.run(faulty.study(), order["out"], resume=order["resume"])
    os.write(told, b"%d" % dying.count)


def fork(order):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            child(order, writing)
            os._exit(0)
        except BaseException as failure:
            os.write(writing, f"{type(failure).__name__}: {failure}".encode())
            os._exit(1)
    os.close(writing)
    clock = threading.Timer(order["seconds"], os.kill, (pid, signal.SIGKILL)) if "seconds" in order else None
    if clock:
        clock.start()
    said = os.fdopen(reading, "rb").read().decode()
    _, status = os.waitpid(pid, 0)
    if clock:
        clock.cancel()
        clock.join()
    code = os.waitstatus_to_exitcode(status)
    return {"killed": code == -signal.SIGKILL, "code": code, "said": said}


for line in sys.stdin:
    request = json.loads(line)
    Path(request["out"]).parent.mkdir(parents=True, exist_ok=True)
    print(json.dumps(fork(request)), flush=True)
