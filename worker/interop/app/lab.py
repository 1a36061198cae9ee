"""The tasks of the tests, as a Celery application. The Go worker of the tests has the same ones."""

import json
import os
import threading
import time

from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded

route = threading.local()  # .queue: where this thread's tasks go
home = os.environ["LAB_QUEUE"]


def router(name, args, kwargs, options, task=None, **kw):
    return {"queue": getattr(route, "queue", None) or home}


app = Celery("lab", broker=os.environ["LAB_BROKER"], backend=os.environ.get("LAB_BACKEND") or None)
app.conf.update(
    task_default_queue=home,
    task_routes=(router,),
    task_track_started=True,
    result_extended=True,
    result_chord_join_timeout=10.0,
    broker_connection_retry_on_startup=True,
    worker_send_task_events=True,
    task_send_sent_event=True,
    broker_pool_limit=300,  # driver.py asks much at once, and one question to remote control takes two connections
    worker_cancel_long_running_tasks_on_connection_loss=False,
)
app.set_default()  # for the threads of driver.py
app.conf.update(json.loads(os.environ.get("LAB_CONF") or "{}"))


@app.task(name="lab.add")
def add(x, y):
    return x + y


@app.task(name="lab.mul")
def mul(x, y):
    return x * y


@app.task(name="lab.xsum")
def xsum(numbers):
    return sum(numbers)


@app.task(name="lab.echo")
def echo(*args, **kwargs):
    return {"args": list(args), "kwargs": kwargs}


@app.task(name="lab.length")
def length(text):
    return len(text)


@app.task(name="lab.big")
def big(size):
    return "x" * size


@app.task(name="lab.noop")
def noop():
    return None


@app.task(name="lab.sleep")
def sleep(seconds):
    time.sleep(seconds)
    return seconds


@app.task(name="lab.lasting")
def lasting(seconds):
    """Sleep under a name of its own, to have its time limits changed."""
    time.sleep(seconds)


@app.task(name="lab.patient")
def patient(seconds):
    """Ends by itself when the soft time limit is reached."""
    try:
        time.sleep(seconds)
    except SoftTimeLimitExceeded:
        return "soft"
    return "whole"


@app.task(name="lab.fail")
def fail(message):
    raise ValueError(message)


@app.task(name="lab.again", bind=True, max_retries=10)
def again(self, times):
    """Asks to be retried so many times and returns how often it was."""
    if self.request.retries < times:
        raise self.retry(countdown=0.1, exc=RuntimeError("not yet"))
    return self.request.retries


@app.task(name="lab.never", bind=True, max_retries=1)
def never(self):
    raise self.retry(countdown=0.1, exc=KeyError("never"))


@app.task(name="lab.limited")
def limited(n):
    return time.time()


@app.task(name="lab.failed")
def failed(task_id):
    """An errback: it gets the id of the task that failed."""
    return task_id


@app.task(name="lab.who")
def who(seconds=0):
    time.sleep(seconds)
    return "python"


@app.task(name="lab.request", bind=True, max_retries=10)
def request(self, times=0):
    """Asks to be retried so many times and returns what it knows of itself then."""
    r = self.request
    if r.retries < times:
        raise self.retry(countdown=0.1, exc=RuntimeError("not yet"))
    return {
        "id": r.id, "root_id": r.root_id, "parent_id": r.parent_id, "group": r.group, "retries": r.retries,
        "headers": {k: v for k, v in {**vars(r), **(r.headers or {})}.items() if k.startswith("X-")},
        "priority": (r.delivery_info or {}).get("priority"), "stamps": getattr(r, "stamps", None),
    }


@app.task(name="lab.swap", bind=True)
def swap(self, x, y):
    return self.replace(mul.s(x, y))
