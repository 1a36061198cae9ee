package interop_test

var controlAsks = []ask{
	{name: "ping", code: `return app.control.ping(destination=[NODE], timeout=30)[0][NODE]`, want: `{"ok": "pong"}`},
	{name: "ping all", code: `return NODE in [n for reply in app.control.ping(timeout=2) for n in reply]`, want: `true`},
	{name: "registered", code: `
names = [n.split()[0] for n in inspect(NODE).registered()[NODE]]
return [n for n in ("lab.add", "lab.echo", "lab.sleep") if n in names] + [n for n in names if n.startswith("celery.")]`,
		want: `["lab.add", "lab.echo", "lab.sleep"]`},
	{name: "active", code: `
r = sleep.delay(3)
info = wait(lambda: [i for i in inspect(NODE).active()[NODE] if i["id"] == r.id])[0]
return [info["name"], info["args"], info["kwargs"], info["hostname"] == NODE, info["delivery_info"]["routing_key"] == QUEUE,
        abs(time.time() - info["time_start"]) < 5]`, want: `["lab.sleep", [3], {}, true, true, true]`},
	{name: "scheduled", code: `
r = add.apply_async((1, 1), countdown=8)
entry = wait(lambda: [e for e in inspect(NODE).scheduled()[NODE] if e["request"]["id"] == r.id])[0]
import datetime
eta = datetime.datetime.fromisoformat(entry["eta"]).timestamp()
return [entry["request"]["name"], 0 < eta - time.time() < 8.1, r.get(timeout=60)]`, want: `["lab.add", true, 2]`},
	{name: "query task", code: `
r = sleep.delay(3)
wait(lambda: r.state == "STARTED")
state, info = inspect(NODE).query_task(r.id)[NODE][r.id]
return [state, info["name"]]`, want: `["active", "lab.sleep"]`},
	{name: "active queues", code: `
queues = inspect(NODE).active_queues()[NODE]
q = [q for q in queues if q["name"] == QUEUE][0]
return [q["routing_key"] == QUEUE, q["exchange"]["type"], q["durable"]]`, want: `[true, "direct", true]`},
	{name: "stats", code: `
add.delay(1, 1).get(timeout=60)
s = inspect(NODE).stats()[NODE]
return [s["total"]["lab.add"] > 0, s["pool"]["max-concurrency"] > 0, isinstance(s["pool"].get("processes", []), list), s["pid"] > 0,
        s["broker"]["transport"] if s["broker"]["transport"] not in ("redis", "amqp") else True, isinstance(s["clock"], str), s["uptime"] >= 0, s["prefetch_count"] > 0]`,
		want: `[true, true, true, true, true, true, true, true]`},
	{name: "conf", code: `return isinstance(inspect(NODE).conf()[NODE], dict)`, want: `true`},
	{name: "report", code: `return isinstance(inspect(NODE).report()[NODE]["ok"], str)`, want: `true`},
	{name: "clock", code: `return inspect(NODE).clock()[NODE]["clock"] > 0`, want: `true`},
	{name: "unknown command", code: `
reply = app.control.broadcast("nonsense", destination=[NODE], reply=True, timeout=30)
return list(reply[0][NODE])`, want: `["error"]`},
	{name: "revoke", code: `
r = add.apply_async((1, 1), countdown=8)
wait(lambda: [e for e in inspect(NODE).scheduled()[NODE] if e["request"]["id"] == r.id])
r.revoke()
error = caught(lambda: r.get(timeout=60))
return error + [r.state, r.id in inspect(NODE).revoked()[NODE]]`, want: `["TaskRevokedError", "revoked", "REVOKED", true]`},
	{name: "revoke and terminate", alone: true, code: `
r = sleep.delay(30)
wait(lambda: r.state == "STARTED")
app.control.revoke(r.id, terminate=True)
return caught(lambda: r.get(timeout=60)) + [r.state]`, want: `["TaskRevokedError", "terminated", "REVOKED"]`},
	{name: "works after termination", alone: true, odd: "Celery 5.2 at times hangs from then on", code: `
rs = [sleep.delay(30) for _ in range(2)]
for r in rs:
    wait(lambda: r.state == "STARTED", 20)
app.control.revoke([r.id for r in rs], terminate=True, signal="SIGKILL")
for r in rs:
    caught(lambda: r.get(timeout=60))
return group(add.s(i, i) for i in range(20)).apply_async().get(timeout=60)[19]`, want: `38`},
	{name: "revoke by stamp", not: []string{"debian"}, code: `
sig = add.si(1, 1).set(countdown=8)
sig.stamp(mark="m1")
r = sig.apply_async()
wait(lambda: [e for e in inspect(NODE).scheduled()[NODE] if e["request"]["id"] == r.id])
app.control.revoke_by_stamped_headers({"mark": ["m1"]}, destination=[NODE])
return caught(lambda: r.get(timeout=60))[:1]`, want: `["TaskRevokedError"]`},
	{name: "rate limit", code: `
reply = app.control.rate_limit("lab.limited", "4/s", destination=[NODE], reply=True, timeout=30)
times = sorted(group(limited.s(i) for i in range(9)).apply_async().get(timeout=60))
off = app.control.rate_limit("lab.limited", 0, destination=[NODE], reply=True, timeout=30)
span = times[-1] - times[0] # 2 s, but a loaded machine does not begin tasks when it ought to
return [reply[0][NODE], 1.2 < span < 15 or span, off[0][NODE]]`,
		want: `[{"ok": "new rate limit set successfully"}, true, {"ok": "rate limit disabled successfully"}]`},
	{name: "time limit", odd: "Celery answers so and goes on with the limits that its worker started with", code: `
reply = app.control.time_limit("lab.lasting", hard=1, destination=[NODE], reply=True, timeout=30)
r = app.send_task("lab.lasting", (20,))
return [reply[0][NODE]] + caught(lambda: r.get(timeout=60))[:1]`, want: `[{"ok": "time limits set successfully"}, "TimeLimitExceeded"]`},
	{name: "add and cancel a consumer", code: `
extra = QUEUE + "-extra"
added = app.control.add_consumer(extra, destination=[NODE], reply=True, timeout=30)[0][NODE]
got = add.apply_async((1, 1), queue=extra).get(timeout=60)
app.control.cancel_consumer(extra, destination=[NODE], reply=True, timeout=30)
wait(lambda: extra not in [q["name"] for q in inspect(NODE).active_queues()[NODE]])
r = add.apply_async((1, 1), queue=extra)
time.sleep(1)
return [list(added), got, r.state]`, want: `[["ok"], 2, "PENDING"]`},
	{name: "add a consumer of an exchange", code: `
from kombu import Exchange
extra, exchange = QUEUE + "-topic", Exchange(QUEUE + "-news", type="topic")
app.control.add_consumer(extra, exchange=exchange.name, exchange_type="topic", routing_key="sport.#", destination=[NODE], reply=True, timeout=30)
wait(lambda: extra in [q["name"] for q in inspect(NODE).active_queues()[NODE]])
def tell(key):
    return add.apply_async((1, 1), exchange=exchange.name, routing_key=key, declare=[exchange])
missed = tell("politics")
return [tell("sport.ball").get(timeout=60), tell("sport.ball.foot").get(timeout=60), missed.state]`, want: `[2, 2, "PENDING"]`},
	{name: "pool grow and shrink", alone: true, code: `
def size():
    pool = inspect(NODE).stats()[NODE]["pool"]
    return max(len(pool.get("processes") or []), pool["max-concurrency"])
was = size()
grown = app.control.pool_grow(2, destination=[NODE], reply=True, timeout=30)[0][NODE]
wait(lambda: size() >= was + 2)
most = size()
shrunk = app.control.pool_shrink(2, destination=[NODE], reply=True, timeout=30)[0][NODE]
wait(lambda: size() < most)
return [grown, shrunk]`, want: `[{"ok": "pool will grow"}, {"ok": "pool will shrink"}]`},
}

var eventAsks = []ask{
	{name: "task events", code: `
app.control.enable_events(destination=[NODE], reply=True)
id = celery.utils.uuid()
got = [e for e in events(60, lambda got: any(e["type"] == "task-succeeded" and e["uuid"] == id for e in got),
             lambda: add.apply_async((2, 3), task_id=id, queue=QUEUE))
       if e.get("uuid") == id and e["type"] != "task-sent"]
by = {e["type"]: e for e in got}
received, done = by["task-received"], by["task-succeeded"]
return [[e["type"] for e in sorted(got, key=lambda e: e["clock"])], {e["hostname"] for e in got} == {NODE}, received["name"], received["args"],
        received["retries"], done["result"], 0 <= done["runtime"] < 5, abs(done["timestamp"] - time.time()) < 10]`,
		want: `[["task-received", "task-started", "task-succeeded"], true, "lab.add", "(2, 3)", 0, "5", true, true]`},
	{name: "event of a failure", code: `
app.control.enable_events(destination=[NODE], reply=True)
id = celery.utils.uuid()
got = events(60, lambda got: any(e["type"] == "task-failed" and e["uuid"] == id for e in got),
             lambda: fail.apply_async(("boom",), task_id=id, queue=QUEUE))
e = [e for e in got if e["type"] == "task-failed" and e["uuid"] == id][0]
return [e["exception"], "boom" in e["traceback"]]`, want: `["ValueError('boom')", true]`},
	{name: "event of a retry", code: `
app.control.enable_events(destination=[NODE], reply=True)
id = celery.utils.uuid()
got = events(60, lambda got: {"task-retried", "task-succeeded"} <= {e["type"] for e in got if e.get("uuid") == id},
             lambda: again.apply_async((1,), task_id=id, queue=QUEUE))
return sorted(e["type"] for e in got if e.get("uuid") == id and e["type"] in ("task-retried", "task-succeeded"))`,
		want: `["task-retried", "task-succeeded"]`},
	{name: "event of a revocation", code: `
app.control.enable_events(destination=[NODE], reply=True)
id = celery.utils.uuid()
app.control.revoke(id, destination=[NODE], reply=True, timeout=30)
got = events(60, lambda got: any(e["type"] == "task-revoked" and e["uuid"] == id for e in got),
             lambda: add.apply_async((1, 1), task_id=id, queue=QUEUE))
e = [e for e in got if e["type"] == "task-revoked" and e["uuid"] == id][0]
return [e["terminated"], e["expired"]]`, want: `[false, false]`},
	{name: "heartbeats", code: `
got = [e for e in events(60, lambda got: any(e["type"] == "worker-heartbeat" and e["hostname"] == NODE and "active" in e for e in got))
       if e["type"] == "worker-heartbeat" and e["hostname"] == NODE and "active" in e]
e = got[0]
return [e["freq"] > 0, e["active"] >= 0, e["processed"] >= 0, len(e["loadavg"]), bool(e["sw_ident"]), bool(e["sw_ver"])]`,
		want: `[true, true, true, 3, true, true]`},
	{name: "state of the cluster", code: `
state = app.events.State()
events(60, lambda got: state.event(got[-1]) and NODE in state.workers)
return state.workers[NODE].alive`, want: `true`},
}
