// Package mongo keeps results in MongoDB as Celery's mongodb backend does, where Celery's clients read what our workers
// store and ours read what Celery's store.
//
// Tasks are documents of celery_taskmeta and groups of celery_groupmeta, by their ids. The result is text, the JSON of
// the serializer; all else is native. Times are dates; that Celery 5.2 wrote text is read too. A success stays because
// what replaces a document looks for one of another state.
//
// Claims on tasks are documents of a collection of ours, taskbench_claims, with the holder and the time, by the server's
// clock, at which the claim lapses.
//
// MongoDB could bring news only where it is a replica set. So while anybody waits, one question for all of them is
// asked every 50 milliseconds. Nothing expires by itself: Cleanup, for Celery's task celery.backend_cleanup, removes
// what is older than the expiry, by the index that Celery makes too.
//
// # URL
//
// mongodb://user:password@host:port/database, or mongodb+srv://; the database is "celery" when none is named.
//
// # Driver
//
// go.mongodb.org/mongo-driver/v2 is MongoDB's own: pooled connections that come back, and contexts that are heeded.
package mongo
