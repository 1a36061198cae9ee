// Package stream keeps queues in Redis as streams, with a consumer group each. It shares the connection, the exchanges and
// what keeps a lease with kombu's lists, and no task: Celery does not read streams.
//
// # How a message lives
//
// A queue is four streams, taskbench:stream:<queue>:0, :3, :6 and :9, one for each of kombu's priority steps, of which 0
// is the most urgent. Publish is one XADD of an entry with one field, m, which holds the message in our own envelope.
// Publishes of many goroutines go out in one exchange. An error is Definite where the server said no or where nothing was
// sent; after a link that failed in between nobody knows, and nothing is ever sent twice. The server gives the entries
// their ids, by its clock, and never goes back: that is the order of the queue.
//
// All consumers of a stream are in one group, taskbench, each under a name of its own. A script claims: in the order of the
// priority steps, and by turns of the queues, it reads with XREADGROUP as many entries as there is room for, which stand
// in the group's list of pending entries until they are settled. COUNT bounds each stream and not all of them together, so a
// blocking XREADGROUP could take more than was asked for; within a script the bound is exact.
//
// Ack is XACK and XDEL, of many entries by one script, which touches only what the consumer still holds; while there is
// plenty to do, the claim of what takes their place goes in the same exchange. Nack without requeue moves the entry with
// all its fields to the streams of the dead letter queue. Nack with requeue, and the end of a consumer, hand the entry
// to a member of the group that is nobody, named returned: its pending entries are claimed before anything new, in the order of
// their ids. So the message stands where it stood, and keeps the count of its deliveries; what nobody has seen is not
// counted. A message counts as redelivered from its second delivery on.
//
// An entry that is none of ours is delivered without headers and with its fields as JSON in its body, for the worker to
// reject. What is delayed waits in a sorted set, and is added to its stream within about a second of its time.
//
// # How it comes back
//
// Each consumer has a lease of five seconds (URL parameter or setting "lease"), an entry of the sorted set
// taskbench:streams:consumers by the server's clock, which is renewed three times in its length: one command however
// much is held, where renewing the idle time of each pending entry would be written to the disk entry by entry. What a
// consumer holds whose lease has ended is handed to returned by any other consumer, and its name is taken out of the
// groups, so that they do not grow. Who joins a group by hand has no lease: its entries go back when they have been
// pending for longer than the visibility timeout (one hour; URL parameter or setting "visibility_timeout").
//
// Where a group is destroyed, the next claim creates it anew at the beginning of the stream. As what was acknowledged is
// not in there any more, nothing is lost; what was in somebody's hands comes again, and its ack is an error.
//
// # How an idle consumer waits
//
// By one XREAD of all its streams, without the group, that blocks until something is added: by whomever, and of whatever
// priority. It takes nothing, so it can be dropped at any moment; and then the script claims. It brings a copy of the
// first new entry to each consumer that waits, which is what being woken costs with large messages. A stream of one
// entry for each queue, its bell, tells of what was handed back. So an idle consumer costs about four commands a
// second, those inside scripts counted.
//
// # What is kept, and what it takes
//
// The variant is set to appendfsync always: a reply follows the fsync. XDEL only marks an entry within its node of the
// stream, up to 100 entries or 4 KiB; the memory is free when all of a node are gone. As consumers take entries in order, that is
// soon so, but for one message in hand for hours, which keeps its node.
//
// XAUTOCLAIM is not used: it cannot tell an entry whose holder is alive from another, and would have each claimed
// by whoever asks first, whether there is room or not. Redis 7 or newer is needed, as for lists.
package stream
