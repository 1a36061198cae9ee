// Package rabbitmq drives RabbitMQ over AMQP 0-9-1, with the queues that Celery declares, so that Celery may publish
// and consume beside it.
//
// # How a message lives
//
// A queue is durable, has a direct exchange of its name and is bound to it by its name, all without arguments but
// x-queue-type for quorum queues, and x-max-priority where that is asked for; anything else and the server refuses
// either Celery or us. It is declared at its first use over a connection. Publish goes to the default exchange,
// mandatory, on one channel in confirm mode, where any number of publishes can be under way at once. It returns with
// the server's confirm. An error is Definite where the message was returned as unroutable, was refused before it was
// sent, or waited until its deadline while the server had blocked publishers; after a lost link or a deadline without a
// confirm nobody knows. No call waits longer than its context, nor than half a minute for a confirm. Expiration is the
// server's to act on: it drops what is too old, and tells nobody.
//
// Of priority, only the number is carried, unless the URL says max_priority, a number from 1 to 255, as in
// amqp://host/vhost?max_priority=10. Then queues are declared with it as their x-max-priority, as Celery's are by its
// setting task_queue_max_priority, or by Queue(queue_arguments={"x-max-priority": 10}); and what is ready with a higher
// number overtakes, where 0 is the least urgent. It is for all queues that are used over the URL but those of dead letters,
// since a queue's arguments cannot be changed. What a consumer has prefetched is not overtaken any more. Delayed messages
// keep their number, and have an effect by it once they are due. Quorum queues know no x-max-priority, so with them the
// parameter is refused.
//
// Each subscription is a channel with a prefetch for each consumer, the only kind that quorum queues know. A consumer
// keeps the prefetch that it began with, so SetPrefetch replaces it. The server hands out so many messages of each
// queue; over several queues the bound is kept here, and what is beyond it waits unread. Acknowledgements that come while one is
// being written go together, in one frame as far as there is no gap between them; where they come every quarter of a
// millisecond or faster, one waits half a millisecond for others, and behind a gap ten at most, where much is prefetched
// and no more than half of it waits so. A crash meanwhile repeats what waits. Nack without requeue publishes
// a copy to the dead letter queue and acknowledges the message once that is confirmed: a crash in between leaves both,
// and never none. What a consumer held goes back when its link ends. A link that dies silently is noticed after seven
// seconds, by heartbeats of three.
//
// Publishing, routing and consuming have a connection each, because the server stops reading from connections that publish
// while it is short of memory or disk, and acks must get through. They are made anew when needed. Depth tells what is
// ready; what is held only the management plugin knows. A quorum queue's number may trail.
//
// # What is delayed
//
// Delayed messages go from one quorum queue to the next. A server that is killed while one is on its way sends it again
// once it has waited for a confirm: three minutes by its own setting, five seconds on the servers that a lab starts. On a
// server of your own, set dead_letter_worker_publisher_confirm_timeout of the application rabbit to be as quick.
//
// # Exchanges
//
// Exchanges, queues and bindings for remote control and events are declared byte for byte as Celery declares them, on a
// channel of their own each, since a refusal ends the channel. The queue of a subscription is neither durable nor
// exclusive, goes with its last consumer, and acknowledges nothing; so the server sends as fast as it can, and what is
// beyond a thousand messages that a reader has left waiting is dropped. Route has a connection of its own, made at its
// first use: an exchange that was removed by somebody closes the channel that publishes to it, and the tasks that are
// being published are not to be left in doubt by that. It waits for the confirm, and is not mandatory.
//
// # What the variants keep
//
// A classic queue confirms when the message is in its files. Whether fsync comes first we have from no document: the
// change that stopped calling it in the store of large messages, released with 3.13, says so in passing
// (https://github.com/rabbitmq/rabbitmq-server/pull/8507), and for the store of small ones we know of no statement. So the
// class that we claim is the weaker, page-cache. That confirmed messages survive SIGKILL is tested, by the clause
// survives-kill; what a power cut leaves is not tested, for either kind of queue.
//
// A quorum queue confirms when the Raft log is on the disk. Its name is written a moment after it was made, which is
// why the first publish to a new one waits a second.
//
// What a quorum queue was given back more than twenty times, by whoever rejected it or by links that ended, goes to its dead
// letter queue, also where Celery consumes: so says a policy with a delivery-limit and a dead-letter-exchange of the servers that a
// lab starts. On a server of your own, set one like it (rabbitmqctl set_policy taskbench '^(?!taskbench_delayed_)(?!.*\.dead$)'
// '{"delivery-limit": 20, "dead-letter-exchange": "taskbench_spent"}' --apply-to queues): without it, servers before 4.0 hand
// it out for ever, and later ones drop it. The exchange and its bindings, for which it takes 3.10, are made with each queue. The
// server moves such a message without waiting for a confirm: one that is killed at that moment may lose it. What
// expires is still dropped. Classic queues have no such limit.
//
// Streams, the server's third kind of queue, are no variant: a stream is a log, which is read and not emptied. Each reader keeps
// an offset of its own, and its acknowledgements only ask for more; all readers get all messages, so that workers cannot share the
// work of one; no message goes back, comes again because its worker died, or is put aside as a dead letter; and the length of
// the log says nothing of what is still to do. None of what a task queue promises here could be kept without a second
// system that does it.
//
// The variant transient sets delivery mode 1 on a durable queue, and not a queue that is itself transient: Celery
// declares durable ones, under the same name, and newer servers give up transient queues. Its messages are all
// delivered as Transient.
//
// # A cluster
//
// The variant cluster is three nodes, each with a copy of every queue: a publish is confirmed once two of them have it on the
// disk, and a queue goes on while two of them see each other. A URL is a list then, amqp://a/;amqp://b/ as Celery writes it;
// who connects begins with the server that answered last, and passes one that does not greet within three seconds. A node that
// sees no majority stops (pause_minority), so that its clients go to one that does; that somebody is silent is noticed after
// five seconds (net_ticktime), where the server's own setting would take a minute. Queues of events and remote control are on
// one node alone and go with it. The nodes talk to each other on a network that nobody else is on, with a cookie of their own;
// who is up, who leads a queue and who holds it, rabbitmqctl tells beside one of them, since AMQP does not.
//
// # Integers
//
// Py-amqp writes an integer outside 32 bits with the tag L, which the Go library does not know: one such header ends
// the connection, and as the message stays, the next one too. And what the library writes for 64 bits, py-amqp reads as
// unsigned. The connection rewrites the tag both ways, in content headers only. Numbers are otherwise written as int32
// and float64, the kinds that all clients read alike.
//
// # The server
//
// It runs as whoever starts it, with an epmd of its own in its process group, ports on 127.0.0.1 that were free, and
// without plugins or anything of the host's configuration. Its cookie, its data and its files are in its directory.
// It takes seconds to start.
//
// # Why amqp091-go
//
// github.com/rabbitmq/amqp091-go is the RabbitMQ team's own client for AMQP 0-9-1, Celery's protocol: deferred confirms
// that can be awaited with a context, notices of returns, blocking and cancelled consumers, and a connection that can
// be handed in, which is what makes the rewriting possible. Its recovery is not used: who consumes must know of a loss.
package rabbitmq
