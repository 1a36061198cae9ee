// Package memory is a queue engine in this process, and a small TCP server that lends it to others.
//
// It is the fastest broker that the harness knows, and therefore its ceiling: what a worker reaches here is what the
// worker, and not the broker, can do. Everything lives in the memory of one process; when that ends, or the Server
// is closed, it is gone.
//
// # Queues
//
// A queue comes into being when it is first named. It hands out the most urgent message first: priority 9 before 0,
// as AMQP has it, values above 9 counting as 9; within one priority in the order of publishing. A message that is
// given back takes its old place. A consumer with prefetch 0 holds at most 1000 messages unsettled. Messages of
// several queues are taken from each in turn. A message whose Expiration has passed when its turn comes is dropped.
//
// When a connection ends, what it held unsettled goes back at once, marked as redelivered. Messages rejected without
// requeue are moved to brokers.DeadLetterQueue of their queue.
//
// # Rules
//
// Whoever wants to know what becomes of a system under the rules that other servers have asks for them by parameters of
// the URL, or by settings of the same names of a variant. All are off unless asked for.
//
//   - lease=30s: a consumer of which nothing is heard for so long is ended, and what it held comes back; a lost connection
//     alone gives nothing back. Clients renew three times as often.
//   - visibility_timeout=1h: a delivery that is not settled for so long comes back, though its consumer lives. Nothing
//     renews it; the late acknowledgement is refused. So it is with SQS, and with Celery on Redis.
//   - consumer_timeout=30m: a consumer that has not settled a delivery for so long is ended, and all that it held comes
//     back. So it is with RabbitMQ.
//   - delivery_limit=20: a message that comes back once more than that, for whatever reason, is moved to the dead letter
//     queue. So it is with RabbitMQ's quorum queues, and as there it counts deliveries that nobody had begun to run.
//
// Engine.Restart is the crash of a server, durable or not, within the process.
//
// # Exchanges
//
// An exchange, too, comes into being when it is first named, with the kind that it then has. A temporary queue ends
// with the connections that listen to it, and keeps a thousand messages for those that are slow.
//
// # Protocol
//
// A client opens a TCP connection and sends frames; the server answers. All integers are big-endian.
//
//	frame    = length uint32 (of what follows) | kind byte | id uint64 | payload
//	string   = length uint16 | bytes
//
//	client sends     id           payload
//	hello            request      "taskbench memory 2"
//	publish          request      queue string | envelope (see package envelope)
//	consume          request      subscription uint32 | prefetch uint32 | rules | count uint16 | count queue strings
//	prefetch         request      subscription uint32 | prefetch uint32
//	cancel           request      subscription uint32
//	settle           request      subscription uint32 | tag uint64 | outcome byte
//	depth, purge     request      queue string
//	route            request      exchange string | kind string | key string | envelope
//	bind             request      temporary byte | exchange string | kind string | key string | queue string | ttl uint64
//	leave            request      queue string
//	delay            request      queue string | until uint64 (ns since 1970) | envelope
//	ping             request
//
//	server sends     id           payload
//	ok               request      nothing; for depth ready and unacked, for purge the count, each uint64
//	refused          request      the reason, as text: the request had no effect
//	deliver          tag          subscription uint32 | redelivered byte | queue string | envelope
//	ended            0            subscription uint32 | why, as text: it held a delivery for longer than its rules allow
//
//	rules = lease uint64 | visibility timeout uint64 | consumer timeout uint64 (all in ns) | delivery limit uint32
//
// Requests are answered in order, and any number may be under way on one connection. Both sides gather the frames
// that become ready while a write is under way, and send them in one. A client pings every two seconds; a side that
// has heard nothing for eight takes the link for dead. A client whose link was lost dials again for its next
// publish, count or Consume; its consumers and their deliveries are lost with the old link.
package memory
