"""Records what Celery's own crontab makes of seeded random schedules: python record.py, with celery installed.

Writes parse-56.json (fields expanded to their values) and next-56.json (ticks one after the other) beside itself.
"""
import json
import pathlib
import random
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import celery
from celery import Celery
from celery.schedules import crontab

FIELDS = {
    "minute": (0, 59, []),
    "hour": (0, 23, []),
    "day_of_week": (0, 6, ["sun", "Mon", "tuesday", "WED", "thurs", "fri", "sat"]),
    "day_of_month": (1, 31, []),
    "month_of_year": (1, 12, ["jan", "FEB", "march", "apr", "may", "June", "jul", "aug", "sept", "oct", "nov", "dec"]),
}
ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kolkata",
         "America/Havana", "Africa/Cairo", "America/Sao_Paulo"]
here = pathlib.Path(__file__).parent
rng = random.Random(56)


def number(low, high, names):
    if rng.random() < 0.02:
        return str(rng.choice([high + 1, high + 2, -1]))
    if names and rng.random() < 0.4:
        return rng.choice(names)
    return str(rng.randint(low, high))


def part(field, dense=False):
    low, high, names = FIELDS[field]
    kind = rng.random()
    if kind < 0.05:
        return "*"
    if kind < 0.3:
        return f"*/{rng.choice([0, 100] if rng.random() < 0.05 else [rng.randint(1, high)])}"
    if kind < 0.5:
        return f"{number(*FIELDS[field])}-{number(*FIELDS[field])}"
    if kind < 0.7:
        return f"{number(*FIELDS[field])}-{number(*FIELDS[field])}/{rng.randint(1, 9)}"
    if kind < 0.73:
        return rng.choice(["", "*/", "5/2", "x", "1-", "1-3/", "L", "15W", "?", "1#2"])
    return number(low, high, names)


def text(field):
    return ",".join(part(field) for _ in range(rng.choice([1, 1, 1, 2, 3])))


def parse_cases(n):
    for _ in range(n):
        field = rng.choice(list(FIELDS))
        spec = text(field)
        try:
            yield {"field": field, "text": spec, "values": sorted(getattr(crontab(**{field: spec}), field))}
        except Exception as e:
            yield {"field": field, "text": spec, "error": repr(e)}


def after(zone):
    # Mostly near a change of the clock.
    t = datetime(rng.randint(2005, 2036), rng.randint(1, 12), rng.randint(1, 28), rng.randint(0, 23),
                 rng.randint(0, 59), rng.randint(0, 59), tzinfo=timezone.utc)
    if rng.random() < 0.2:
        return t
    for _ in range(400):
        u = t + timedelta(days=1)
        if t.astimezone(zone).utcoffset() != u.astimezone(zone).utcoffset():
            return t - timedelta(minutes=rng.randint(0, 3000))
        t = u
    return t


def next_cases(n):
    made = 0
    while made < n:
        spec = {f: text(f) for f in FIELDS if rng.random() < (0.8 if f in ("minute", "hour") else 0.25)}
        name = rng.choice(ZONES)
        app = Celery(set_as_current=False)
        app.conf.timezone = name
        last = after(ZoneInfo(name))
        case = {"tz": name, "spec": spec, "last_run_at": last.astimezone(ZoneInfo(name)).isoformat(), "fires": []}
        try:
            for _ in range(4):
                local = last.astimezone(ZoneInfo(name))
                c = crontab(app=app, nowfun=lambda: local, **spec)
                last += c.remaining_estimate(local)
                case["fires"].append(last.isoformat())
        except Exception as e:
            if "rollover" not in repr(e):
                continue
            case["error"] = repr(e)
        made += 1
        yield case


def write(name, cases):
    head = json.dumps({"celery": celery.__version__})[:-1]
    body = ",\n".join(json.dumps(c) for c in cases)
    (here / name).write_text(f'{head}, "cases": [\n{body}\n]}}\n')


write("parse-56.json", parse_cases(400))
write("next-56.json", next_cases(300))
