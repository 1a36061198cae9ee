package interop_test

var callAsks = []ask{
	{name: "plain", code: `return add.delay(2, 3).get(timeout=60)`, want: `5`},
	{name: "kwargs", code: `return echo.delay(1, a="b", c=[1, None, {"d": 1.5}]).get(timeout=60)`,
		want: `{"args": [1], "kwargs": {"a": "b", "c": [1, null, {"d": 1.5}]}}`},
	{name: "unicode", code: `
text = "żółć 😀 \u0000 \u2028 \x7f \u00e9 e\u0301"
return echo.delay(text, ключ=text).get(timeout=60) == {"args": [text], "kwargs": {"ключ": text}}`, want: `true`},
	{name: "numbers", code: `
values = [2**53 + 1, -2**63, 2**64, 10**30, 0.1, 1e-300, True, None]
return echo.delay(*values).get(timeout=60)["args"] == values`, want: `true`},
	{name: "big argument", code: `return length.delay("x" * 5000000).get(timeout=60)`, want: `5000000`},
	{name: "big result", code: `return len(big.delay(5000000).get(timeout=60))`, want: `5000000`},
	{name: "none", code: `return noop.delay().get(timeout=60)`, want: `null`},
	{name: "countdown", code: `
began = time.time()
add.apply_async((1, 1), countdown=1).get(timeout=60)
return 0.95 < time.time() - began < 30`, want: `true`},
	{name: "eta", code: `
import datetime
when = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=5))) + datetime.timedelta(seconds=1)
began = time.time()
add.apply_async((1, 1), eta=when).get(timeout=60)
return 0.95 < time.time() - began < 30`, want: `true`},
	{name: "expires", code: `
r = add.apply_async((1, 1), countdown=4, expires=3.8)
return caught(lambda: r.get(timeout=60)) + [r.state]`, want: `["TaskRevokedError", "expired", "REVOKED"]`},
	{name: "not expired", code: `return add.apply_async((1, 1), expires=60).get(timeout=60)`, want: `2`},
	{name: "retry", code: `return again.delay(3).get(timeout=60)`, want: `3`},
	{name: "retry state", code: `
seen = set()
r = again.delay(3)
wait(lambda: seen.add(r.state) or r.ready())
return [r.state, r.get()]`, want: `["SUCCESS", 3]`},
	{name: "retries used up", code: `
r = never.delay()
return caught(lambda: r.get(timeout=60)) + [r.state]`, want: `["KeyError", "'never'", "FAILURE"]`},
	{name: "error", code: `
r = fail.delay("bööm")
return caught(lambda: r.get(timeout=60)) + [r.state]`, want: `["ValueError", "bööm", "FAILURE"]`},
	{name: "traceback", code: `
r = fail.delay("boom")
caught(lambda: r.get(timeout=60))
return isinstance(r.traceback, str) and "boom" in r.traceback`, want: `true`},
	{name: "started", code: `
r = sleep.delay(2)
wait(lambda: r.state == "STARTED")
info = r.info
r.get(timeout=60)
return [sorted(info), info["hostname"] == NODE, r.state]`, want: `[["hostname", "pid"], true, "SUCCESS"]`},
	{name: "extended result", code: `
r = add.delay(2, y=3)
r.get(timeout=60)
return [r.name, list(r.args), r.kwargs, r.worker == NODE, r.retries, r.queue == QUEUE]`,
		want: `["lab.add", [2], {"y": 3}, true, 0, true]`},
	{name: "soft limit", code: `return patient.apply_async((10,), soft_time_limit=1).get(timeout=60)`, want: `"soft"`},
	{name: "hard limit", code: `
r = sleep.apply_async((20,), time_limit=1)
return caught(lambda: r.get(timeout=60))[:1] + [r.state]`, want: `["TimeLimitExceeded", "FAILURE"]`},
	{name: "unknown task", code: `
r = app.send_task("lab.unknown")
return caught(lambda: r.get(timeout=60))[:1] + [r.state]`, want: `["NotRegistered", "FAILURE"]`},
	{name: "ignored result", code: `
r = add.apply_async((1, 2), ignore_result=True)
for _ in range(3):
    add.delay(1, 1).get(timeout=60)
return AsyncResult(r.id).state != "SUCCESS" # 5.2 stores STARTED all the same`, want: `true`},
	{name: "headers", code: `return request.apply_async(headers={"X-Mine": "h"}).get(timeout=60)["headers"]`, want: `{"X-Mine": "h"}`},
	{name: "ids", code: `
r = request.delay()
got = r.get(timeout=60)
return [got["id"] == r.id, got["root_id"] == r.id, got["parent_id"], got["retries"]]`, want: `[true, true, null, 0]`},
	{name: "parent of a retry", code: `
r = request.delay(1)
got = r.get(timeout=60)
return [got["parent_id"] == r.id, got["retries"]]`, want: `[true, 1]`},
	{name: "protocol 1", code: `
id = celery.utils.uuid()
message = app.amqp.as_task_v1(id, "lab.add", args=[2], kwargs={"y": 3})
with app.producer_or_acquire() as producer:
    app.amqp.send_task_message(producer, "lab.add", message, queue=QUEUE)
return value(id)`, want: `5`},
	{name: "zlib", code: `return length.apply_async(("x" * 100000,), compression="gzip").get(timeout=60)`, want: `100000`},
	{name: "zstd", code: `return length.apply_async(("x" * 100000,), compression="zstd").get(timeout=60)`, want: `100000`},
	{name: "msgpack", code: `return echo.apply_async((1, "ż"), {"a": [None, 1.5]}, serializer="msgpack").get(timeout=60)`,
		want: `{"args": [1, "ż"], "kwargs": {"a": [null, 1.5]}}`},
	{name: "yaml", code: `return echo.apply_async((1, "ż"), {"a": [None, 1.5]}, serializer="yaml").get(timeout=60)`,
		want: `{"args": [1, "ż"], "kwargs": {"a": [null, 1.5]}}`},
	{name: "pickle refused", code: `
r = add.apply_async((1, 1), serializer="pickle")
for _ in range(3):
    add.delay(1, 1).get(timeout=60)
return r.state`, want: `"PENDING"`},
	{name: "forget", code: `
r = add.delay(1, 1)
r.get(timeout=60)
r.forget()
return AsyncResult(r.id).state`, want: `"PENDING"`},
}
