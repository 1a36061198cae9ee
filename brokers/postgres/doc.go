// Package postgres makes a queue server of PostgreSQL: messages are rows, and whoever takes one locks it.
//
// # Messages
//
// Publish returns after the commit that holds the row; what many goroutines publish at the same time shares one commit.
// The most urgent message goes first: priority 9 before 0, as AMQP has it, values above 9 counting as 9; within one
// priority in the order of publishing. A message that is given back keeps its place. Messages rejected without requeue
// are moved to brokers.DeadLetterQueue of their queue, and do not expire there. A message whose Expiration has passed is
// not handed out any more, and deleted by the next consumer that looks. A consumer with prefetch 0 holds at most 1000
// messages unsettled. The name of a queue has 1000 bytes at most. Transient is carried and changes nothing.
//
// A delayed message is a row of another table until a consumer, of whatever queue, finds that it is due. Consumers look
// once a second, and then know when the next one is; where nobody consumes, it stays where it is.
//
// # Consumers and leases
//
// Every open broker that consumes has a row of its own with a lease of five seconds, which it renews every second. All
// times are the server's: the clocks of its clients do not matter. What a consumer holds carries the number of its row.
// Close gives everything back at once. When a process dies or its link does, its lease runs out, whichever other
// consumer renews its own next sees that, and the messages come back, flagged, within seven seconds. A process that was
// stopped for so long finds its row gone: its consumers end with an error, and its late acks are refused.
//
// A consumer claims as many messages as it has room for, up to 256 or some 4 MiB, by one UPDATE of rows that SKIP LOCKED
// found; at first one, until it knows how large they are. The answer may take as long as some of it comes every eight
// seconds: a large message over a narrow link is delivered all the same. Claims and settlements that are wanted at the
// same time are one transaction and share its fsync. When the answer to one does not come, nobody knows what the server
// has handed out: the consumer ends, and its lease with it.
//
// The connection that renews the lease also listens. Publishers NOTIFY after their commit, in a transaction of its own
// that writes nothing, as notifying ones exclude each other; at most every two milliseconds. A notification that is lost
// (its publisher was killed in between) costs up to a second, after which every consumer looks by itself. An idle
// consumer costs one UPDATE and one claim that finds nothing each second. A link that answers nothing for four seconds
// has died.
//
// # The variants
//
// "lease" commits with synchronous_commit=on: a SIGKILL of the server or a power cut loses nothing that was confirmed.
// "lease-async" switches that off for its own sessions. A SIGKILL of the server then undoes what was committed in the last
// three rounds of its WAL writer, 0.6 s: confirmed messages are lost, and acknowledged ones come back. Its durability is
// therefore brokers.Memory, though what is older survives.
//
// "kombu" uses the tables of kombu's SQLAlchemy transport, so that Celery with sqla+postgresql:// may publish and consume
// beside it, and makes them where they are absent. It promises what kombu does: a message is out of sight from the moment
// it is fetched, durably, and what a consumer held when it died, or lost its link, stays there. That is at most once. By
// hand it is brought back with UPDATE kombu_message SET visible = true WHERE NOT visible, unless Celery consumes too: its
// workers leave all that they have done there in the same state. What we fetch is deleted by its ack; Close and Nack give
// back. The order is that of publishing, priorities are carried and change nothing, nothing expires, and since a held
// message looks like one that is done, they cannot be counted. Who publishes as kombu does wakes nobody, so a consumer looks
// four times a second. Names of queues have 195 bytes at most. Delayed messages are in a table of ours, which Celery does not
// look at. Exchanges with bindings are a process's own in kombu, and are not there.
//
// No variant has exchanges: NOTIFY carries 8000 bytes at most and nothing at all to who reconnects, so that Celery's remote
// control and events would need tables and a clean-up of their own.
//
// # Tables
//
// Opening makes taskbench_consumer, taskbench_message and taskbench_delayed, or for kombu taskbench_kombu_delayed beside
// kombu's, in the first schema of search_path, when they are absent and the user may; else it needs SELECT, INSERT,
// UPDATE and DELETE on them and, for kombu, USAGE on its sequences. A table of another shape is an error of opening.
// Sessions are needed: not PgBouncer in its transaction mode. A broker takes up to seven of the server's connections.
//
// The planner is told to use the indexes whatever its statistics say: a queue that was empty when a plan was made is full a
// second later.
//
// # Errors
//
// What the server refuses it undoes, so that those errors are Definite; those of a link that broke in between are not. What
// it undoes to end a deadlock is done again. Errors name the server's address and never anything else of the URL but its
// user and database.
//
// # Dependencies
//
// github.com/jackc/pgx/v5 is the driver that the Go world has settled on: several statements in one exchange, arrays as
// parameters, notifications, and contexts that are heeded while an answer is awaited.
package postgres
