package step

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"taskbench/brokers"
)

func text(s string) []byte { return []byte(s) }
func be16(n int) []byte    { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
func be32(n int) []byte    { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
func be64(n int) []byte    { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func amqpSample() sample {
	frame := func(kind byte, parts ...[]byte) []byte {
		payload := slices.Concat(parts...)
		return slices.Concat([]byte{kind}, be16(1), be32(len(payload)), payload, []byte{0xCE})
	}
	method := func(class, method int, rest ...[]byte) []byte {
		return frame(1, append([][]byte{be16(class), be16(method)}, rest...)...)
	}
	content := func(bodies ...string) []byte {
		all := frame(2, be16(60), be16(0), be64(len(strings.Join(bodies, ""))), be16(0))
		for _, b := range bodies {
			all = append(all, frame(3, text(b))...)
		}
		return all
	}
	publish := slices.Concat(method(60, 40, be16(0), text("\x00\x01q\x00")), content("body"))
	deliver := func(consumer string, tag int, bodies ...string) []byte {
		return slices.Concat(method(60, 60, text(consumer), be64(tag), text("\x00\x00\x01q")), content(bodies...))
	}
	settle := func(what, tag int, bits byte) []byte { return method(60, what, be64(tag), []byte{bits}) }
	var t talk
	t.client(text("AMQP\x00\x00\x09\x01"), frame(8), method(20, 10, text("\x00")), publish) // without confirms
	t.server(method(20, 11, be32(0)))
	t.client(method(85, 10, text("\x00")), publish, publish, publish, publish)
	t.server(method(85, 11), settle(80, 2, 1), settle(120, 3, 0), settle(80, 4, 0)) // two confirmed at once, one refused
	t.client(method(60, 20, be16(0), text("\x01q\x01c\x00"), be32(0)), method(60, 20, be16(0), text("\x01e\x01n\x02"), be32(0)))
	t.server(deliver("\x01c", 1, "one"), deliver("\x01n", 2, "nobody settles it"), deliver("\x01c", 3, "in ", "pieces"), deliver("\x01c", 4), frame(8))
	t.server(deliver("\x01c", 5, "five"))
	t.client(settle(80, 3, 1), settle(90, 4, 1), settle(80, 5, 0)) // two at once, one rejected
	t.client(settle(80, 5, 0))                                     // again, which is an error that acknowledges nothing
	return sample{brokers.Wire{Protocol: brokers.AMQP}, t, `
publish 1 before
publish 1 before
publish 1 before
publish 1 before
publish 1 before
confirm 2 before
confirm 1 before
claim 1 before
deliver 1 after
claim 1 before
deliver 1 after
claim 1 before
deliver 1 after
claim 1 before
deliver 1 after
ack 2 before
acked 2 after
ack 1 before
acked 1 after`}
}

func beanstalkSample() sample {
	var t talk
	t.client(text("use q\r\nput 0 0 60 9\r\none\r\ntwo!\r\nput 0 0 60 1\r\nx\r\n"), text("reserve-with-timeout 2\r\nreserve-with-timeout 0\r\n"))
	t.server(text("USING q\r\nINSERTED 1\r\nOUT_OF_MEMORY\r\nRESERVED 1 9\r\none\r\ntwo!\r\nTIMED_OUT\r\n"))
	t.client(text("stats-job 1\r\ndelete 1\r\ndelete 2\r\nquit\r\n"))
	t.server(text("OK 3\r\n---\r\nDELETED\r\nNOT_FOUND\r\n"))
	return sample{brokers.Wire{Protocol: brokers.Beanstalk}, t, `
publish 1 before
publish 1 before
confirm 1 before
claim 1 before
deliver 1 after
ack 1 before
ack 1 before
acked 1 before`}
}

func memorySample() sample {
	frame := func(kind byte, id int, payload string) []byte {
		return slices.Concat(be32(9+len(payload)), []byte{kind}, be64(id), text(payload))
	}
	var t talk
	t.client(frame(1, 1, "taskbench memory 1"), frame(memoryPublish, 2, "\x00\x01qone"), frame(memoryPublish, 3, "\x00\x01qtwo"))
	t.server(frame(memoryOK, 1, ""), frame(memoryOK, 2, ""), frame(memoryRefused, 3, "full"), frame(memoryDeliver, 1, "message"))
	t.client(frame(memorySettle, 4, "subscription\x02"), frame(memorySettle, 5, "subscription\x01"))
	t.server(frame(memoryOK, 4, ""), frame(memoryOK, 5, ""))
	return sample{brokers.Wire{Protocol: brokers.TCPMemory}, t, `
publish 1 before
publish 1 before
confirm 1 before
claim 1 before
deliver 1 after
ack 1 before
acked 1 before`}
}

func respSample() sample {
	command := func(words ...string) []byte {
		all := fmt.Appendf(nil, "*%d\r\n", len(words))
		for _, w := range words {
			all = fmt.Appendf(all, "$%d\r\n%s\r\n", len(w), w)
		}
		return all
	}
	var t talk
	t.client(command("HELLO", "3"), command("LPUSH", "celery", "one", "two\r\n"), command("publish", "wake", ""), command("xadd", "s", "*", "m", "three"))
	t.server(text("%1\r\n+server\r\n$5\r\nredis\r\n:2\r\n:0\r\n-OOM no memory\r\n"))
	claim := command("EVALSHA", "C1", "1", "k", "10")
	t.client(claim, claim, claim, claim)
	t.server(text("*4\r\n:1\r\n$3\r\none\r\n:1\r\n$5\r\ntwo\r\n\r\n*0\r\n"), text(">2\r\n+message\r\n+pushed\r\n"))
	t.server(text("*2\r\n*2\r\n:1\r\n$3\r\nnew\r\n*1\r\n$3\r\n0-1\r\n"), text("*-1\r\n"))
	t.client(command("evalsha", "a1", "3", "u", "i", "h", "t1", "t2", "t3"), command("evalsha", "a1", "3", "u", "i", "h", "t4"), command("PING"))
	t.server(text("*0\r\n-NOSCRIPT unknown\r\n+PONG\r\n"))
	t.client(command("subscribe", "wake"))
	t.server(text("*3\r\n$9\r\nsubscribe\r\n$4\r\nwake\r\n:1\r\n*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n"))
	acts := map[string]brokers.Act{
		"lpush": {Does: brokers.Publishes, Many: 2}, "xadd": {Does: brokers.Publishes},
		"evalsha c1": {Does: brokers.Claims, Many: 2}, "evalsha a1": {Does: brokers.Acknowledges, Many: 6},
	}
	return sample{brokers.Wire{Protocol: brokers.RESP, Acts: acts}, t, `
publish 2 before
publish 1 before
confirm 2 before
claim 2 before
deliver 2 after
claim 1 before
deliver 1 after
ack 3 before
ack 1 before
acked 3 before`}
}

func postgresSample() sample {
	message := func(kind string, parts ...[]byte) []byte {
		payload := slices.Concat(parts...)
		return slices.Concat(text(kind), be32(4+len(payload)), payload)
	}
	parse := func(name, statement string) []byte { return message("P", text(name+"\x00"+statement+"\x00"), be16(0)) }
	array := func(n int) []byte {
		all := slices.Concat(be32(1), be32(0), be32(25), be32(n), be32(1))
		for range n {
			all = append(all, slices.Concat(be32(1), text("x"))...)
		}
		return slices.Concat(be32(len(all)), all)
	}
	bind := func(statement string, values ...[]byte) []byte {
		return message("B", text("\x00"+statement+"\x00"), be16(1), be16(1), be16(len(values)), slices.Concat(values...), be16(0))
	}
	null := be32(-1)
	run, sync, ready := message("E", text("\x00"), be32(0)), message("S"), message("Z", text("I"))
	done, bound, row := message("C", text("DONE\x00")), message("2"), message("D", be16(1), be32(3), text("row"))
	var t talk
	t.client(be32(8), be32(postgresTLS))
	t.server(text("N"))
	t.client(be32(8+6), be32(3<<16), text("user\x00\x00"))
	t.server(message("R", be32(0)), message("S", text("server_version\x0015\x00")), ready)
	t.client(parse("i", "INSERT"), parse("c", "CLAIM"), parse("d", "DELETE"), parse("x", "SELECT"), sync)
	t.server(message("1"), message("1"), message("1"), message("1"), ready)
	t.client(bind("i", array(3), null), run, sync)
	t.server(bound, done, ready)
	t.client(bind("d", null, array(2)), run, bind("x"), run, bind("c", null), run, sync)
	t.server(message("A", be32(1), text("channel\x00queue\x00")), bound, row, done, bound, row, row, row, done, bound, row, row, done, ready)
	t.client(bind("i", array(4)), run, bind("d", null, array(1)), run, sync, bind("c"), run, sync)
	t.server(bound, done, bound, message("E", text("SERROR\x00\x00")), ready, bound, done, ready)                  // all is undone; nothing is found
	t.client(message("C", text("Si\x00")), sync, message("Q", text("INSERT\x00")), bind("i", array(5)), run, sync) // it has been closed
	t.server(message("3"), ready, done, ready, bound, done, ready, message("A", be32(1), text("channel\x00queue\x00")))
	acts := map[string]brokers.Act{
		"INSERT": {Does: brokers.Publishes, Many: 1}, "CLAIM": {Does: brokers.Claims}, "DELETE": {Does: brokers.Acknowledges, Many: 2},
	}
	return sample{brokers.Wire{Protocol: brokers.Postgres, Acts: acts}, t, `
publish 3 before
confirm 3 before
ack 2 before
acked 2 before
claim 2 before
deliver 2 after
publish 4 before
ack 1 before`}
}

func mongoSample() sample {
	le32 := func(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }
	doc := func(elements ...[]byte) []byte {
		all := slices.Concat(elements...)
		return slices.Concat(le32(4+len(all)+1), all, []byte{0})
	}
	str := func(name, value string) []byte {
		return slices.Concat([]byte{bsonString}, text(name+"\x00"), le32(len(value)+1), text(value+"\x00"))
	}
	num := func(name string, value int) []byte {
		return slices.Concat([]byte{bsonInt32}, text(name+"\x00"), le32(value))
	}
	sub := func(kind byte, name string, value []byte) []byte {
		return slices.Concat([]byte{kind}, text(name+"\x00"), value)
	}
	message := func(id, to int, sections ...[]byte) []byte {
		all := slices.Concat(sections...)
		return slices.Concat(le32(16+4+len(all)), le32(id), le32(to), le32(mongoMsg), le32(0), all)
	}
	body := func(elements ...[]byte) []byte { return slices.Concat([]byte{0}, doc(elements...)) }
	list := func(name string, docs ...[]byte) []byte {
		all := slices.Concat(text(name+"\x00"), slices.Concat(docs...))
		return slices.Concat([]byte{1}, le32(4+len(all)), all)
	}
	names := doc(sub(bsonDocument, "q", doc(sub(bsonDocument, "_id", doc(sub(bsonArray, "$in", doc(num("0", 1), num("1", 2), num("2", 3))))))), num("limit", 0))
	one := doc(sub(bsonDocument, "q", doc(num("_id", 1))), num("limit", 1))
	var t talk
	t.client(message(1, 0, body(num("hello", 1))), message(2, 0, list("documents", doc(num("_id", 1)), doc(num("_id", 2))), body(str("insert", "ready"), str("$db", "db"))))
	t.client(message(3, 0, body(str("insert", "elsewhere")), list("documents", doc())))
	t.server(message(9, 2, body(num("n", 1), num("ok", 1))), message(10, 1, body(num("ok", 1))), message(11, 3, body(num("n", 1))))
	t.client(message(4, 0, body(str("delete", "ready")), list("deletes", names)), message(5, 0, body(str("delete", "ready")), list("deletes", names)))
	t.server(message(12, 4, body(num("n", 3))), message(13, 5, body(num("n", 0))))
	t.client(message(6, 0, body(str("delete", "held")), list("deletes", names)), message(7, 0, body(str("delete", "held")), list("deletes", one)))
	t.server(message(14, 7, body(sub(bsonInt64, "n", slices.Concat(le32(1), le32(0))))), message(15, 6, body(num("n", 2))))
	acts := map[string]brokers.Act{
		"insert ready": {Does: brokers.Publishes}, "delete ready": {Does: brokers.Claims}, "delete held": {Does: brokers.Acknowledges},
	}
	return sample{brokers.Wire{Protocol: brokers.MongoDB, Acts: acts}, t, `
publish 2 before
confirm 1 before
claim 3 before
deliver 3 after
ack 3 before
ack 1 before
acked 1 before
acked 2 before`}
}
