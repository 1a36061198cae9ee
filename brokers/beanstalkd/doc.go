// Package beanstalkd drives beanstalkd: a queue is a tube, and a message is a job.
//
// # How a message lives
//
// Publish is one put into the tube of the queue. The job is JSON that people and other clients can read: properties,
// headers, and the body in base64. What is no such envelope is delivered with the job as its body and without headers,
// for the worker to reject. Characters that a tube's name cannot hold are written as (2A); a queue whose tube would have
// a name of more than 200 bytes is refused.
//
// Priority 0 is the most urgent, as beanstalkd has it; within one priority the oldest message goes first, and what is
// given back keeps its place. Transient and Expiration are carried and change nothing. A delay is kept by the server,
// by the second; what is due later than the protocol's longest, which is 136 years, is due then.
//
// A server takes jobs of up to 65,535 bytes unless it is started with -z. Ours take 8 MiB, which is a body of 5 MiB. A
// larger message is refused, with an error that is Definite and says how large -z must be. Definite, too, is a server
// that has no memory, or no disk, for a message, or that drains. After a link that failed between the put and its reply
// nobody knows, and nothing is ever sent twice.
//
// Ack is a delete. Nack with requeue is a release. Nack without requeue reads the job again, puts a copy into the tube
// brokers.DeadLetterQueue, and then deletes it, since a job cannot change its tube; so a link that fails at that moment
// leaves the copy, and the message comes back as well. Where the server refuses the copy, because it drains or the name
// of that tube would be too long, the message is buried in its own tube, from where "kick" brings it back.
//
// # How it comes back
//
// What a connection has reserved goes back when that ends: at once when a worker is killed. Where nobody tells the server,
// because the worker or its machine stands still, it goes back when its time to run (TTR) has passed: ten seconds, or
// the URL's parameter ttr, since the reserve or the last touch. What is held is touched at least twice in its time, so a
// task may run as long as it likes, and messages of others are touched by the time that they were put with. A server
// that says nothing for four seconds, when it is asked or touched, counts as lost: the consumer ends before what it held
// is given to others. A worker that finds itself late is told so when it settles; the delete of a message that is ready
// again, and that nobody has reserved yet, is an ack like any other.
//
// Servers up to 1.13 may forget that a time has passed. They look once for each, and where that happens in the very
// microsecond of its end, they take it for still running, and do not look again before that connection speaks or ends.
// Nothing is lost or done twice: a worker that goes on still holds the message, and when it is killed, it comes back.
// But as long as it stands still nobody else gets it. No other connection can make the server look, so no driver can help.
//
// Redelivered is the server's own count of reserves. It is not in the binlog: what was held when the server died comes
// back without the flag. And it counts what was on its way to a consumer that ended, though nobody saw it: such a message
// is flagged. So the flag says "perhaps", and its absence, while the server lives, "never".
//
// # How a consumer waits
//
// What is reserved on a connection must be settled there, and a connection that waits for a message can do nothing else
// before one comes. So a consumer has up to eight connections: one that holds nothing waits, and is woken by the server
// the moment that a message is there; one that holds something settles and touches. When all eight hold something, and
// there is still room, the consumer looks by itself: after one millisecond, and after up to 25. Never more than the
// prefetch is reserved. The reserve of a message and the question for its tube, which a reply to reserve leaves out, are
// two exchanges; both are pipelined for as many messages as there is room for and, of late, were there. A consumer that
// waits renews its wish every two seconds, and asks a word of its other connections every three: less than three
// operations a second in all.
//
// # What the variants keep
//
// With the binlog (-b) and -f 0 a put and a delete are answered after an fsync of their own, however many are pipelined. The
// server makes room in the binlog before it takes a message, so that a full disk refuses messages and loses none, as long
// as -z is less than a file of the binlog, which has 10 MiB (-s). Touch, reserve and release are not written.
//
// Exchanges are not among the things that beanstalkd has: there is no remote control and there are no events.
//
// # Why the protocol is written here
//
// github.com/beanstalkd/go-beanstalk, the project's own client, sends a command for each goroutine and call, drops the
// reply to "use" unseen, calls what a server refused and what a link lost by the same error, knows no deadlines and no
// context, and stops for ever behind a tube name that it refused. The protocol is a dozen lines of text; pipelining it,
// and knowing what was sent and what was not, is most of what a client of it is. The tests use go-beanstalk, so that what
// we say on the wire is held against what somebody else reads there.
package beanstalkd
