// Package redis keeps results in Redis exactly as Celery's redis backend does, so that Celery's clients read what our
// workers store, ours read what Celery's store, and both may count the parts of one chord.
//
// A record is a string with a time to live, and is published on a channel of the key's name in the same step: a Python
// client that waits looks once and then only listens. The step is a script, which also sees to it that a stored
// success stays; Celery looks for that beforehand, and may overwrite what comes in between. Many stores at the same
// time go out in one exchange.
//
// A Wait subscribes, looks, and then listens; it looks again whenever the subscription is made anew, so that nothing
// published during an outage is missed. All that wait share one connection.
//
// # Chords
//
// Counting is Celery's: the size under ".s", the parts in the sorted set ".j", a delta of the size in ".t". Where Celery
// adds a part and counts in a transaction, a script of ours does the same and three things more. A task that was
// delivered twice is one part even if its two results differ. The task that made the chord whole is noted under
// ".last", so that another which reports again is not told that it did. And a chord is whole when as many different
// tasks have reported as there are parts.
//
// # Claims
//
// A claim on a task is a string of its own, "taskbench-claim-" and the task's id, with the holder for its value and a
// time to live. A script gives it to the first who asks and lets the holder renew it.
//
// # URL
//
// redis://user:password@host:port/db, rediss:// for TLS (ssl_cert_reqs=none trusts any server), redis+socket:///path
// with virtual_host for the database; other parameters are those of the driver. Connections are made when they are
// needed, and again when they are lost; what failed is tried three more times within a second.
//
// The driver is github.com/redis/go-redis/v9, as in the broker: pooled connections, pipelines, scripts, and
// subscriptions that come back by themselves.
package redis
