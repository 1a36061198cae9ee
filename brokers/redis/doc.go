// Package redis drives Redis as Celery's own transport lays it out, so that Celery may publish and consume beside it; the
// variant stream is another layout, and package stream says how a message lives there. All else holds for both.
//
// # How a message lives
//
// Publish is one LPUSH of kombu's envelope onto the list of the queue and of the message's priority step, where 0 is
// the most urgent. Publishes of many goroutines go out in one exchange. An error is Definite where the server said no
// (out of memory, read-only, loading) or where nothing was sent; after a link that failed in between nobody knows, and
// nothing is ever sent twice.
//
// A consumer claims by a script: messages leave their lists and are booked, in one step, in kombu's unacked hash and
// unacked_index, and in a set of the consumer's own. So there is no moment at which a message is in no structure, as
// there is between the BRPOP and the HSET of kombu. The booking's field is made by us, and not the envelope's delivery
// tag, so that the script needs to parse nothing and an element that is no envelope can be booked like any other; it
// is delivered with the element as its body and without headers, for the worker to reject.
//
// Ack ends the bookings, of many deliveries by one script; while there is plenty to do, the claim of what takes their
// place goes in the same exchange. Nack with requeue marks the envelope as kombu does and puts
// it at the back; without requeue the element goes, untouched and in the same step, to the dead letter queue.
// Transient and Expiration are carried and change nothing: Redis keeps a queue whole, and the worker looks at expiry.
//
// # How it comes back
//
// Each consumer has a lease of five seconds (URL parameter or setting "lease"), an entry of the sorted set
// taskbench:consumers that is renewed three times in its length. What a consumer holds whose lease has ended is given
// back by any other within a few seconds, and a task may run as long as it likes while its worker lives. Five seconds
// are long enough for a stalled scheduler and short enough that a killed worker costs little.
//
// Celery's workers have no lease and renew nothing. Their bookings are told from ours by being in nobody's set, and go
// back only when they are older than the visibility timeout (URL parameter or setting "visibility_timeout", one hour
// like kombu's, on which all clients of a server must agree), under kombu's lock. Renewing a lease renews the age of
// our own bookings too, so that no Celery worker takes them for abandoned.
//
// # How an idle consumer waits
//
// By BLMOVE of the urgent list's head to its own head: it changes nothing, it returns once there is a head, and then
// the script claims. BRPOP or a move to a list of our own would bring back the gap or a second place to restore from.
// It watches sixteen lists, all of up to four queues, a connection each. For the rest our publishers send a wake-up on
// a channel, and as the last resort the claim is tried: after 0.5 ms to 25 ms in the two seconds after a task, then every
// two seconds where all lists are watched, else twice a second. So an idle consumer of up to four queues costs less than
// ten commands a second, those inside scripts counted. How long 200 tasks a second into an idle queue wait is what this prints:
//
//	go test -run '^$' -bench Trickle/redis -benchtime 1000x ./brokers/brokertest
//
// Tasks that Celery publishes come without a wake-up and may wait that long in a list that is not watched. Where an
// idle Celery worker waits on the same queue, it gets the message first, as it takes without asking.
//
// # Exchanges
//
// What is routed to a fanout goes by PUBLISH to kombu's channel, /<db>.<exchange> with /<key> behind it where there is
// one, and reaches who listens at that moment. So does a topic exchange named celeryev, which Celery declares as a
// fanout here and as a topic everywhere else: Route and Subscribe take it as the topic that it is with other brokers.
// An event exchange of another name is to be given as a fanout. A lasting queue cannot be bound to either.
//
// All else is looked up at every publish in kombu's set of bindings, where the key of a topic stands as a Python
// regular expression, in which * crosses dots; the message is pushed to all lists or to none. A subscription of that
// kind, such as the queue of a remote control client's replies, is bound, taken from by BRPOP, and removed with its
// binding at the end, which ends a BRPOP under way by CLIENT UNBLOCK. The TTL and Expires of a binding mean nothing here.
//
// A link without a word is asked every two seconds, and given up after six. Of messages on a channel, those beyond a
// thousand that a reader has left waiting are dropped, since the server ends connections that lag.
//
// # What the variants keep
//
// With appendfsync always a reply follows the fsync. With everysec it follows the write, except while the second's
// fsync is itself under way: Redis then holds the write back, for two seconds at most, and answers all the same. A
// SIGKILL in that window loses what it held. No test makes an fsync slow enough to provoke that; where other work keeps the disk
// busy, the contract may still meet it.
//
// # Sentinels
//
// A URL sentinel://host:port;sentinel://host:port/0?master_name=name, as kombu writes it but for the parameter, which is
// an option of the transport there, leads to whichever server the sentinels name. User and password in it are for that
// server; those for the sentinels stand in the parameters sentinel_username and sentinel_password. After a failover consumers end, as at
// every loss of a link, and the next Consume and Publish find the new master; while there is none, errors are Definite.
//
// A confirm does not wait for replicas. What was confirmed and had not been copied when the master died is lost with it,
// whatever the variant promises of one server; an ack that was lost so has its message come again. min-replicas-to-write
// with min-replicas-max-lag, set on the servers, bounds that loss to so many seconds, and publishes are refused while
// no replica keeps up.
//
// # Several servers
//
// A list of URLs that differ in their hosts alone, redis://a:6379/0;redis://b:6379/0, leads to whichever of the servers says
// of itself that it is the primary: no address that sentinels know has to be one that clients can reach. The servers are asked at
// every connect. Each second the primary is asked again, and where it does not answer within two seconds, or is none any more, or has
// no replica that keeps up, while another one is, all connections to it are ended: so a client leaves a primary of
// the past about a second after there is a new one, and one that is frozen after five at most. kombu reads such a list
// otherwise, and takes the first server that answers.
//
// The variant sentinel is three servers, each with a sentinel beside it. A publish
// is confirmed by WAIT 1: the primary and one replica have it in memory, and in their append-only files within two seconds. What no
// replica confirms within two seconds is in doubt, and not refused. A primary that two sentinels have not heard for three seconds is
// replaced; one that is cut off refuses to write two to four seconds after it last heard a replica (min-replicas-max-lag
// looks each second), and what it was told before that is lost when it comes back.
//
// What that gives up: the sentinels elect the replica that had most when they last asked, up to a second ago. Where the one replica that
// had confirmed a message is not it, or dies with the primary, the message is lost. What consumers did in the last moments may
// be lost at any fail-over, so messages that were acknowledged come again. Bindings of queues are not waited for. Nobody writes
// while only one server is left.
//
// # Why go-redis
//
// github.com/redis/go-redis/v9 is Redis's own client: pooled connections with deadlines, pipelines with an error for
// each command, pub/sub and scripts. Its retries are switched off, since a repeated LPUSH is a second message.
// Redis 7 or newer is needed, whose scripts may run while the server is out of memory: consuming is the way out of that.
package redis
