"""Runs pieces of Python that come as JSON lines on standard input, each in a thread of its own unless LAB_SERIAL is
set, and answers each with a JSON line: importing Celery takes too long to start a process for every question."""

import faulthandler
import json
import os
import signal
import sys
import textwrap
import threading
import time
import traceback

import celery
from celery import chain, chord, group, signature, states  # noqa: F401
from celery.canvas import chunks, xmap, xstarmap  # noqa: F401
from celery.result import AsyncResult, GroupResult  # noqa: F401

import lab
from lab import *  # noqa: F401,F403
from lab import app, route

answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # whatever else prints does not disturb the answers
lock = threading.Lock()
faulthandler.register(signal.SIGUSR1)  # says where every thread is


def events(seconds, until, start=lambda: None):
    """The events that come until enough came, or for so long. With the first of them, which is a heartbeat at the
    latest, nothing is missed any more, and start is called."""
    got = []
    deadline = time.monotonic() + seconds

    def take(event):
        if not got:
            start()
        got.append(event)
        if until(got) or time.monotonic() > deadline:
            receiver.should_stop = True

    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": take})
        try:
            receiver.capture(limit=None, timeout=seconds, wakeup=False)
        except OSError:  # nothing came for so long
            pass
        except RuntimeError:  # kombu's Redis channels share a dictionary among threads, which closing one walks over
            pass
    return got


def inspect(node):
    """What one worker tells of itself; it answers within ten seconds."""
    return app.control.inspect(destination=[node], timeout=30)


def wait(condition, seconds=60):
    """The first value of the condition that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise TimeoutError("waited %s s in vain" % seconds)


def value(id, seconds=60):
    """The result of a task by its id. Celery 5.2 may wait in vain in get for what somebody else has sent."""
    r = AsyncResult(id)
    wait(r.ready, seconds)
    return r.get(timeout=5)


def caught(f):
    """What a call raises, as [class, text]."""
    try:
        return ["nothing", repr(f())]
    except Exception as exc:
        return [type(exc).__name__, str(exc)]


def place(exc, code):
    """The line of the code that raised the exception."""
    lines = [f.lineno for f in traceback.extract_tb(exc.__traceback__) if f.filename == "question"]
    return "`%s`: " % code.splitlines()[lines[-1] - 2].strip() if lines else ""


def answer(question):
    route.queue = question.get("queue")
    reply = {"id": question["id"]}
    try:
        names = dict(globals(), **question.get("vars") or {})
        exec(compile("def question():\n" + textwrap.indent(question["code"], "    "), "question", "exec"), names)
        reply["value"] = names["question"]()
        line = json.dumps(reply)
    except Exception as exc:
        traceback.print_exc()
        line = json.dumps({"id": question["id"], "error": place(exc, question["code"]) + repr(exc)})
    with lock:
        answers.write(line + "\n")


answers.write(json.dumps({"id": 0, "value": celery.__version__}) + "\n")
for line in sys.stdin:
    if os.environ.get("LAB_SERIAL"):
        answer(json.loads(line))
    else:
        threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()
