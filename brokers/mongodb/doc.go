// Package mongodb drives MongoDB, and servers that speak its protocol, as a broker.
//
// # How a message lives under a lease
//
// A message is a document of taskbench.ready. Publish is an insert; those of many goroutines go in one. Its name is an
// ObjectID whose first eight bytes are the time of publishing, of which the broker never gives one twice, so that the order
// of names is that of messages, as far as the clocks of several publishers agree. The most urgent goes first: priority 9
// before 0, values above 9 counting as 9; within one priority by name.
//
// A claim is an insert too: copies of up to a hundred documents, or of some 4 MiB, go to taskbench.held, and the
// uniqueness of a name decides who has it. It begins with two, until it is known how large they are. Only then is it
// made sure that they still wait in ready, and they are removed there. One find-and-modify for each would do with
// MongoDB; but FerretDB finds and modifies in two transactions, and has two claimers both succeed. Ack deletes from
// held, many by one command. Nack with requeue puts the message back under its name, and so in its place; without
// requeue it goes to brokers.DeadLetterQueue of its queue. In both cases it is stored there before it is removed here.
// Transient and Expiration are carried and change nothing: the worker looks at expiry.
//
// A delayed message is a document of taskbench.delayed. Whoever consumes from the database looks every 1.2 seconds, and
// moves what is due by the server's clock.
//
// # How it comes back
//
// Each consumer is a document of taskbench.consumers, in which it has the server write down the server's own time every
// 1.2 seconds ($currentDate); so no clock but one is read. What a consumer holds that was not seen for six seconds goes
// back by way of any other. A task may run as long as it likes while its worker lives. A consumer whose process stood still for so
// long ends with an error, and its acknowledgements are refused.
//
// Whoever clears up after another, or moves what is due, does it under a name in taskbench.consumers that one alone can have:
// it reads some, has the name for another six seconds, and writes for three of them at most. What a slow server carries
// out later than that may come twice.
//
// What goes back gets another name, with the same time in it: the removal that the dead consumer asked for last may be
// carried out later still, and would take the message away that was given back. What is held in the name of nobody that is known,
// as a claim leaves it whose process was stopped in the middle for longer than its lease, is searched for every ten seconds.
//
// A command that is cut off may be carried out or not: that is an error which is not Definite, after a publish, and it ends the
// consumer after anything else. The library's own retries are switched off. Definite are errors with the server's refusal of one
// document, those before a server was found, and those of rights.
//
// # How an idle consumer waits
//
// It looks: after 2 to 10 ms while tasks trickle in, to 40 ms in the two seconds after one, then four times a second. Change streams
// would wake it, but exist in replica sets alone, and not in FerretDB. Publishers of the same process wake it at once. With
// its lease and the look for what is due, an idle consumer costs less than ten commands a second. How long 200 tasks a second into
// an idle queue wait is what this prints:
//
//	go test -run '^$' -bench Trickle/mongodb -benchtime 1000x ./brokers/brokertest
//
// # The variants
//
// With lease every write has the concern majority and journal. With lease-w1 a server answers when it has the write in
// memory; its journal follows within a tenth of a second, and what was confirmed in that time dies with the process.
//
// The variant kombu has the collections, envelopes, indexes and bindings of Celery's mongodb transport, with which it shares
// queues. There a message is removed when it is fetched, so it is delivered at most once: what a worker holds that is
// killed, or whose link breaks, is lost. What it holds when it closes, and what it gives back, is inserted again, unmarked. Rejected
// messages are dropped. It removes by delete, whose count tells whose the message is. Nothing here has exchanges: kombu's
// fanouts need tailable cursors, which FerretDB ends with the first batch, so that there is neither remote control nor events.
//
// The database is the one that the URL names, else taskbench, and kombu_default for kombu.
//
// # The server
//
// A lab takes mongod, in a container of the official image or from PATH, and where there is none FerretDB 1.24 on SQLite, which the
// version in reports names. There, "majority and journal" is SQLite's synchronous=full, and the other variants wait for no disk;
// FerretDB reads a backlog whole for nearly every question, so a consumer asks it for more than it wants, and takes what it
// claims from that for 0.3 seconds, for which an urgent message may have to wait. The cost of a claim, and of counting, still
// grows with the backlog.
//
// # Replica sets
//
// A URL that names several hosts, or has replicaSet, leads to whichever member is the primary, and to the next one after it. While
// there is none, errors are Definite after three seconds; once there is, consumers have ended and are to be started
// again, and what they held comes back when its lease ends. With lease every write waits for a majority, so that an election
// takes back nothing that was confirmed or acknowledged; with lease-w1 it may. A run at a URL stays with the member that
// this names, for its faults are on the way to that one.
//
// A list of URLs that differ in their hosts alone, mongodb://a:1/;mongodb://b:1/, leads to the members by these addresses, whatever
// they tell of each other: each is asked which of them it is. So clients of a lab reach members that are known
// by their names among themselves alone.
//
// The variant set is three servers. One of them is replaced three seconds after two have not heard it. It needs the official image, since
// FerretDB has no replicas, and nothing in this repository has run it: what clients do is tried against members that are made up before one
// server, which say what real ones say of themselves, and what real ones do among themselves is not. `bench doctor
// mongodb:set` holds it to the contract where the image is.
//
// # Why mongo-driver
//
// go.mongodb.org/mongo-driver/v2 is MongoDB's own client: pooled connections, contexts that are heeded, an error for each
// document of a batch. Its package x/mongo/driver/topology is used for one type, the error which tells that nothing was sent.
package mongodb
