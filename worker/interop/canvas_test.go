package interop_test

var canvasAsks = []ask{
	{name: "link", code: `
id = celery.utils.uuid()
add.apply_async((2, 3), link=mul.s(10).set(task_id=id))
return value(id)`, want: `50`},
	{name: "links", code: `
ids = [celery.utils.uuid() for _ in range(3)]
r = add.apply_async((2, 3), link=[mul.s(n).set(task_id=id) for n, id in enumerate(ids)])
r.get(timeout=60)
got = [value(id) for id in ids]
sent = [m.id for child in r.children for m in getattr(child, "results", [child])] # several go as a group
return [got, sorted(sent) == sorted(ids)]`, want: `[[0, 5, 10], true]`},
	{name: "immutable link", code: `
id = celery.utils.uuid()
add.apply_async((2, 3), link=mul.si(10, 10).set(task_id=id))
return value(id)`, want: `100`},
	{name: "link error", code: `
id = celery.utils.uuid()
r = fail.apply_async(("x",), link_error=failed.s().set(task_id=id))
return value(id) == r.id`, want: `true`},
	{name: "chain", code: `
r = chain(add.s(1, 2), add.s(4), mul.s(2)).apply_async()
return [r.get(timeout=60), r.parent.get(timeout=60), r.parent.parent.get(timeout=60)]`, want: `[14, 7, 3]`},
	{name: "chain ids", code: `
r = chain(request.si(), request.si(), request.si()).apply_async()
last, middle, first = r.get(timeout=60), r.parent.get(timeout=60), r.parent.parent.get(timeout=60)
return [first["parent_id"], middle["parent_id"] == first["id"], last["parent_id"] == middle["id"],
        {x["root_id"] for x in (first, middle, last)} == {first["id"]}]`, want: `[null, true, true, true]`},
	{name: "chain whose middle step retries", code: `
r = chain(request.si(), request.si(2), request.si()).apply_async()
last, middle, first = r.get(timeout=60), r.parent.get(timeout=60), r.parent.parent.get(timeout=60)
return [middle["retries"], middle["parent_id"] == first["id"], last["parent_id"] == middle["id"],
        {x["root_id"] for x in (first, middle, last)} == {first["id"]}]`, want: `[2, true, true, true]`},
	{name: "chain that fails", code: `
r = chain(add.s(1, 1), fail.si("mid"), add.s(1)).apply_async()
error = caught(lambda: r.get(timeout=60))
return [error, r.parent.state, r.parent.parent.get(timeout=60)]`,
		want: `[["ValueError", "mid"], "FAILURE", 2]`},
	{name: "chain link error", code: `
id = celery.utils.uuid()
r = chain(add.s(1, 1), fail.si("mid"), add.s(1)).apply_async(link_error=failed.s().set(task_id=id))
return value(id) == r.parent.id`, want: `true`},
	{name: "chain with countdown", code: `
began = time.time()
r = chain(add.s(1, 1), add.s(1).set(countdown=1)).apply_async()
return [r.get(timeout=60), time.time() - began > 0.9]`, want: `[3, true]`},
	{name: "long chain", code: `return chain(add.s(0, 1), *[add.s(1) for _ in range(20)]).apply_async().get(timeout=60)`, want: `21`},
	{name: "group", code: `return group(add.s(i, i) for i in range(10)).apply_async().get(timeout=60)`, want: `[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]`},
	{name: "group kept", code: `
r = group(add.s(i, i) for i in range(3)).apply_async()
r.save()
return [value(m.id) for m in GroupResult.restore(r.id).results]`, want: `[0, 2, 4]`},
	{name: "group of chains", code: `
return group(chain(add.s(i, 1), mul.s(10)) for i in range(4)).apply_async().get(timeout=60)`, want: `[10, 20, 30, 40]`},
	{name: "chord", code: `return chord(add.s(i, i) for i in range(10))(xsum.s()).get(timeout=60)`, want: `90`},
	{name: "chord of one", code: `return chord([add.s(1, 1)])(xsum.s()).get(timeout=60)`, want: `2`},
	{name: "wide chord", code: `return chord(add.s(i, i) for i in range(200))(xsum.s()).get(timeout=60)`, want: `39800`},
	{name: "chord of chains", code: `
return chord([chain(add.s(i, 1), mul.s(10)) for i in range(4)])(xsum.s()).get(timeout=60)`, want: `100`},
	{name: "chord that fails", code: `
r = chord([add.s(1, 1), fail.s("part")])(xsum.s())
wait(r.ready, 20) # get would raise the error of the header
return [type(r.result).__name__, r.state]`, want: `["ChordError", "FAILURE"]`},
	{name: "chord link error", code: `
id = celery.utils.uuid()
r = chord([add.s(1, 1), fail.s("part")])(xsum.s().on_error(failed.s().set(task_id=id)))
return value(id) is not None`, want: `true`},
	{name: "chord whose body goes on", code: `
id = celery.utils.uuid()
chord([add.s(i, i) for i in range(3)])(chain(xsum.s(), mul.s(2).set(task_id=id)))
return value(id)`, want: `12`},
	{name: "chain into group", code: `
return chain(add.s(1, 1), group(add.s(10), mul.s(10))).apply_async().get(timeout=60)`, want: `[12, 20]`},
	{name: "chain through group", code: `
return chain(add.s(1, 1), group(add.s(10), mul.s(10)), xsum.s()).apply_async().get(timeout=60)`, want: `32`},
	{name: "chain through groups", code: `
return chain(group(add.s(1, 1), add.s(2, 2)), xsum.s(), group(add.s(1), mul.s(3)), xsum.s()).apply_async().get(timeout=60)`, want: `25`},
	{name: "chord in chord", code: `
inner = [chord([add.s(i, 1), add.s(i, 2)], xsum.s()) for i in range(3)]
return chord(inner)(xsum.s()).get(timeout=60)`, want: `15`},
	{name: "group in group", code: `
return group(group(add.s(1, 1), add.s(2, 2)), add.s(3, 3)).apply_async().get(timeout=60)`, want: `[2, 4, 6]`},
	{name: "map", code: `return length.map(["a", "bb"]).apply_async().get(timeout=60)`, want: `[1, 2]`},
	{name: "starmap", code: `return add.starmap([(1, 2), (3, 4)]).apply_async().get(timeout=60)`, want: `[3, 7]`},
	{name: "chunks", code: `return add.chunks([(i, i) for i in range(5)], 2).apply_async().get(timeout=60)`, want: `[[0, 2], [4, 6], [8]]`},
	{name: "replace", code: `return swap.delay(3, 4).get(timeout=60)`, want: `12`},
	{name: "replace in chain", code: `return chain(swap.s(3, 4), add.s(1)).apply_async().get(timeout=60)`, want: `13`},
	{name: "stamps", not: []string{"debian"}, code: `
from celery.canvas import StampingVisitor

class Stamp(StampingVisitor):
    def on_signature(self, sig, **headers):
        return {"stamp": "s1", "stamped_headers": ["stamp"]}

sig = chain(request.si(), request.si())
sig.stamp(Stamp())
r = sig.apply_async()
return [r.get(timeout=60)["stamps"], r.parent.get(timeout=60)["stamps"]]`, want: `[{"stamp": "s1"}, {"stamp": "s1"}]`},
}
