// Package couchdb drives CouchDB, and servers that speak its protocol, as a broker.
//
// # How a message lives
//
// A message is a document, its body and headers in one field of base64. All queues of a namespace share the database that
// the URL names, else taskbench: a consumer of many queues then follows one feed of changes, where a database for each queue
// would cost a waiting request for each. The document's name has the queue, the urgency (priority 9 before 0, values above 9
// counting as 9) and the time of publishing, so that names sort as messages are to come and no view is needed, which a server would
// have to keep up to date. Publish is one _bulk_docs for all who publish at the same time, with an outcome for each document.
//
// A claim reads up to a hundred documents, and writes them back with the consumer's name in them, on condition of the
// revision that was read: one writer has each, the others are told of a conflict. Ack deletes on the same condition. Nack with
// requeue, and all that goes back, writes the document without that name, under its own and so in its place; without requeue
// it is stored in brokers.DeadLetterQueue of its queue before it is deleted here. Each writing adds one to the number that
// begins a revision. So the number is odd where a message waits and even where it is held, which saves reading it; what the document says
// counts. A cluster may take two writes for one revision on two of its nodes: this is for a single node.
//
// A delayed message is there from the beginning, under a name with its due time, and passed over until that. Transient and
// Expiration are carried and change nothing: the worker looks at expiry. A message has 6 MB at most, which as base64 is the 8 MB of a
// document that CouchDB takes as it comes.
//
// # How a consumer finds it
//
// It reads the first thousand names of each queue with _all_docs, follows _changes by long poll from a point before that, and
// reads on when few are left. In memory are those names and no messages. What that index says is a hint; a claim that it got wrong
// is a conflict. An idle consumer is woken by the poll, asks anew every ten seconds, and renews its lease: that is fewer than two
// requests a second.
//
// # How it comes back
//
// A broker that consumes is a document of a second database, named as the first with -holders behind it, which it writes every 1.2
// seconds. Who sees messages in another's hands looks at that other's revision, and where it has not changed for six seconds by the watcher's
// own stop watch deletes the document, on condition of the revision. Then the messages go back, flagged, in the same way. No clock is
// read for it: neither that of a client nor that of the server. A process that stood still finds its document gone: its
// consumers end with an error, and its acks are refused. A message whose holder is unknown goes back after three seconds.
//
// Only due times, and the order of messages from several publishers, need a clock: the server's, since documents have none, from the Date
// of its replies. That is a second wide; the bounds that several replies give are intersected, which leaves an error of one
// second after the first reply and about an exchange's length after some. Where ours may agree with it, ours is taken.
//
// A request that is cut off may be carried out or not: that is an error which is not Definite, after a publish, and it ends the
// consumer after anything else.
//
// # What a deleted message costs
//
// A tombstone each, for ever, in CouchDB as in PouchDB: some hundred bytes, passed over by whoever reads that part of the names.
// Consumers pass them once, when they begin, and so does the first of several counts in a row: a consumer that begins on a queue that
// has had a million messages waits for seconds. Compaction takes the contents of old revisions, not the tombstones; CouchDB does it
// by itself, and PouchDB Server is asked to after every two thousand messages. Who has a quiet hour deletes
// both databases; opening makes them again. CouchDB also has _purge, for an administrator. No consumer uses that, since it
// is not part of the order of changes in which the others learn what happened.
//
// # The server
//
// A lab takes couchdb, in a container of the official image or from PATH, and where there is none PouchDB Server 4.2 on
// leveldb, which the version in reports names. PouchDB Server does not wait for the disk; a few lines that a lab loads into it
// make leveldb do so for every write, so that the class of durability is the same. One that was started otherwise has
// what it confirmed in the system's page cache: it survives SIGKILL, and no power cut. It serves one request at a time, and
// dies of two equal writes to one document, so each of ours differs. Without users it lets everybody do everything and refuses every
// password: none is sent to it then, nor to anything that does not say it is CouchDB.
//
// Opening makes the databases where they are absent, which takes an administrator; else being a member of both is enough.
//
// # Why kivik
//
// github.com/go-kivik/kivik/v4 is the one maintained CouchDB client for Go: bulk writes with an outcome for each document, the
// feed of changes as an iterator, and an http.Client of ours beneath. Its package couchdb/chttp is used for the type of
// a refusal.
package couchdb
