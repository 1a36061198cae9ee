// Package mysql is a broker on MySQL 8 or MariaDB 10.11, and newer ones of both: messages are rows, which consumers claim
// for as long as their leases run.
//
// # Messages
//
// A message is a row of taskbench_message. Publish returns after the commit that holds it, Ack after the commit that
// deleted it; what many goroutines ask for at the same time shares one statement. The most urgent message goes first:
// priority 9 before 0, as AMQP has it, values above 9 counting as 9; within one priority in the order of storing. A
// message that is given back keeps its place. Messages rejected without requeue are moved to brokers.DeadLetterQueue of
// their queue, where they do not expire. A message whose Expiration has passed is not handed out any more, and deleted
// before long. A consumer with prefetch 0 holds at most 1000 messages unsettled. The name of a queue has at most 500 bytes.
//
// A delayed message is a row of taskbench_delayed. Any process that consumes makes it ready when it is due; where nobody
// consumes, it stays where it is.
//
// # Consumers and leases
//
// Every open broker that consumes has a row in taskbench_consumer with a lease of five seconds, which it renews every
// second and a half over a connection of its own. All times are the server's. What it holds carries the id of that row.
// Close gives everything back at once. When a process dies, or its link, the lease runs out, and whichever other process
// consumes gives the messages back, flagged, within two seconds. A process that was stopped for so long finds its row gone:
// its consumers end with an error, and its late acks are refused.
//
// Claims take what nobody has locked (SKIP LOCKED), so consumers do not wait for each other; they share-lock the row of
// their consumer, so that nothing is claimed for one that has been given up.
//
// # Waking
//
// These servers cannot tell anybody of a new row. A consumer that has nothing to do asks, in one statement for all of its
// queues: every five milliseconds at most while messages trickle in, less and less often then, and four times a second after a few
// seconds. What the same broker publishes or gives back wakes it at once.
//
// # MySQL or MariaDB
//
// Both keep the same contract and are tried in the same way, MariaDB as of Debian's stable suite and MySQL as of its
// unstable one; no statement is for one of them alone but for the sequences below. A lab takes the first image that it can
// have, MySQL's official one; where no image can be pulled, that is MariaDB, which is there in a third of the time, and
// --image mysql=taskbench/mysql:1 has MySQL instead.
//
// # Durability
//
// That is the server's setting innodb_flush_log_at_trx_commit, which labs give to servers of their own and which no client
// can set for itself: 1 in the variant "lease" has every commit on the disk before its reply; 2 in "lease-async" has it
// with the operating system, which writes once a second: SIGKILL loses nothing, a power cut up to a second. Where you bring
// a server, its setting is what counts.
//
// # The variant "kombu"
//
// It uses the tables of kombu's SQLAlchemy transport, so that Celery with sqla+mysql:// may publish and consume beside it;
// package table says how a message lives and dies there: at most once, as with kombu. Where they are absent they are
// made, in the way in which SQLAlchemy makes them on the same server: with sequences on MariaDB. Celery's own column for a message takes 64 KiB,
// and what is longer is refused; ours takes more, for Celery too. Without a right to add an index to Celery's tables,
// claims take longer where it has left many messages that are done.
//
// # Errors
//
// What the server refused has been undone whole, and is Definite; so is what was never sent. A link that broke, or said
// nothing for four seconds, leaves the outcome unknown. Deadlocks, which the server resolves by undoing one side, are
// tried again. A consumer whose claims and renewals are refused goes on trying for as long as its lease runs, and ends then.
//
// # Dependencies
//
// github.com/go-sql-driver/mysql is the driver that is kept for both servers, in Go alone; it gives up a link where a
// context ends, and never repeats a statement that may have been sent.
package mysql
