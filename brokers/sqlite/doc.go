// Package sqlite is a broker that is a file: a SQLite database that any number of processes of one host use at once.
// There is no server to start, and none to hurt.
//
// # Messages
//
// A message is a row. Publish returns after the commit that holds it, Ack after the commit that deleted it; what many
// goroutines ask for at the same time shares one commit. The most urgent message goes first: priority 9 before 0, as
// AMQP has it, values above 9 counting as 9; within one priority in the order of commit. A message that is given
// back keeps its place. Messages rejected without requeue are moved to brokers.DeadLetterQueue of their queue. A
// message whose Expiration has passed is not handed out any more, and deleted before long. A consumer with prefetch 0
// holds at most 1000 messages unsettled.
//
// A delayed message is a row of another table. Any process that consumes looks twice a second for what is due there, and
// makes it a message like one that was published then; where nobody consumes, it stays where it is.
//
// # Consumers and leases
//
// Every open broker that consumes has a row of its own with a lease of five seconds, which it renews every second and
// a half. What it holds carries the id of that row. Close gives everything back at once. When a process dies, its
// lease runs out, and whichever other process consumes notices that within half a second: the messages come back, flagged,
// within six seconds. A process that was stopped for so long finds its row gone: its consumers end with an error, and
// its late acks are refused. Leases compare wall clocks of one host; a clock that jumps ahead by more than the lease
// lets leases run out early, and tasks run twice.
//
// A consumer learns of new messages from its own process at once, and from others by asking for the database's change
// counter, which is cheap, every two milliseconds, and every ten when nothing has changed for a while.
//
// # The variant "kombu"
//
// It uses the tables of kombu's SQLAlchemy transport, so that Celery with sqla+sqlite:// may publish and consume beside it,
// and makes them where they are absent; package table says how a message lives and dies there: at most once, as with
// kombu. The file becomes one with a write-ahead log, which Celery can use as well as any.
//
// # Durability
//
// The variant "wal" (synchronous=NORMAL) hands commits to the operating system: SIGKILL loses nothing, a power cut may
// lose the last commits. "wal-full" and "kombu" (synchronous=FULL) wait for the disk at every commit.
//
// # Errors
//
// A commit that did not happen leaves nothing behind. When the disk is full, or another process keeps the database
// locked for longer than five seconds, operations fail with Definite errors that say so; consumers end. Only an I/O error
// while the commit itself was being written leaves the outcome unknown.
//
// # Dependencies
//
// modernc.org/sqlite is SQLite in Go: no C compiler is needed, so the broker works wherever the program does.
package sqlite
