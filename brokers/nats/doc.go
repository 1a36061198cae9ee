// Package nats makes a queue server of NATS JetStream: a queue is a work-queue stream, and every consumer pulls from the
// one durable consumer that the stream has.
//
// # How a message lives
//
// The queue "my.queue" is the stream taskbench-q-my=2Equeue, with the one subject taskbench.q.my=2Equeue: bytes other than
// letters, digits, - and _ are written as =XX. It takes at most 200 bytes. Streams are made when they are needed, with
// work-queue retention, one replica, and discard: new, so that a full stream refuses and never drops; one that somebody
// else made may have limits, as long as it is of that kind, and is refused with the reason where it is not.
//
// Publish returns with the server's PubAck. The message is package envelope's; what is none arrives as a body without
// headers. No Nats-Msg-Id is sent: the server would drop the second of two equal messages unseen, whoever sent it twice
// and why, and duplicates are what a harness is there to see. Nothing is ever sent twice by itself, so that a link that
// breaks before the PubAck leaves a publish unknown. What the server refuses, or what is larger than its max_payload (1 MiB
// unless its configuration says more; ours take 8), is Definite.
//
// One queue is in the order of publishing. Priority, Expiration and Transient are carried and change nothing: JetStream's
// priorities are those of consumers, and a queue for each priority would cost ten waiting pulls each.
//
// Ack, Nack and reject wait for the server's answer. Nack with requeue is a NAK: the message comes again before what has
// not been handed out yet. Nack without requeue stores a copy in the stream of brokers.DeadLetterQueue, and then ends the
// message with TERM, so that nothing is lost in between; a copy whose answer did not come is made again when the message
// does, and has a Nats-Msg-Id by which the server drops the second one for two minutes.
//
// # How it comes back
//
// What a consumer holds has a lease: the server's AckWait, ten seconds in consumers that we make. All that is held is
// renewed four times in that time, each round proved by a ping. Close gives back at once. When a process dies or its link
// does, the server hands the messages out again ten seconds after the last renewal, flagged; a worker that stood still for
// longer finds its consumer ended, and its late acks are refused without asking. The server's clock alone counts. After a
// SIGKILL of the server its count of deliveries may be out of date: the flag says "perhaps", and its absence as well then.
// It also says so of what was on its way to a consumer that had ended.
//
// # How a consumer waits
//
// Prefetch is bounded here, as MaxAckPending is one bound for all workers together. A source has at most one pull under way
// for each queue, for as many messages as it has room for, or 8 MiB, so that it is always known how many may still come; 0
// is 256. A pull waits at the server for 15 seconds, and the server pushes into it: nothing is polled. A consumer of several
// queues waits at each for one message, and takes more, without waiting, where there was one; messages that come at more
// queues at once than there is room for are given back at once, and are then flagged though nobody saw them. An idle
// consumer costs a pull for each queue and fifteen seconds, one for delayed messages, and a ping each two seconds.
//
// A link that answers no ping has died within six seconds. Links do not come back: who finds one dead makes another.
//
// # Counts
//
// What the server counts as handed out takes in what was given back and not handed out again, since JetStream keeps no
// other account: Depth tells such messages as unacked, and not as ready. The sum is right at any time, but unacked is not
// promised. Purge takes what is ready and acknowledges it: JetStream's own purge would remove what workers hold.
//
// # Delays
//
// A delayed message is in the stream taskbench-delayed, with its queue and the time that it has to wait; when it was stored
// is the server's word. Every broker that consumes pulls from that, too. What is not due is given back with a delay, for
// at most an hour; what is due is stored in its queue, with a Nats-Msg-Id made of where it was, and then removed. So a
// server that forgets the delay, as it may when it is killed, only has the message looked at earlier, and a mover that
// dies between the two steps stores nothing twice, unless another one needs more than two minutes to come. Where nobody
// consumes, it stays where it is.
//
// # Exchanges
//
// Who subscribes to an exchange has a plain subscription of NATS to taskbench.exchange.NAME.KEY, kept by nobody; patterns of
// topics are compared by who listens. Lasting bindings are subjects of the stream taskbench-bindings that hold an empty
// message; who routes reads them once for a link, hears of new ones as they are made, and stores the message in each
// queue by itself: after an error some may have it.
//
// # The variants
//
// "file" has it written before the PubAck, without an fsync, which follows within two minutes (sync_interval): a SIGKILL
// of the server loses nothing, a power cut may. "file-sync" is the same on a server with sync_interval: always, which
// writes with O_SYNC, and which 2.9 and older do not know. No client can see that setting: on a server of yours it is
// your word. "memory" has streams in memory.
//
// # Servers
//
// JetStream must be enabled. A user with few rights needs to publish to $JS.API.>, $JS.ACK.> and taskbench.>, and to
// subscribe to _INBOX.> and taskbench.>. nats://:TOKEN@host is a token, and creds=FILE is for JWTs. Servers older
// than 2.10 do not tell their time: delays on them go by the clock of who consumes.
//
// # Dependencies
//
// github.com/nats-io/nats.go is the project's own client; of its package jetstream the descriptions of streams and
// consumers are used, and not its consumers, which pull by time and size and not by what has been settled.
// github.com/nats-io/nats-server/v2, the server, is no dependency, but a program that the machine's own Go makes for the labs
// embedded and process, for the image, and for the tests. docs/decisions/0011-go-makes-the-embedded-nats.md says why.
package nats
