// Package step follows the connections between clients and a broker's server, and tells when one of them comes to a step
// in the life of a message, so that a fault can be made to happen exactly there.
//
// # The steps
//
// The words are the same for every broker. Withheld is what has been seen and does not reach its receiver; what came
// before it on the same connection has.
//
//	publish   a publish is withheld from the server
//	confirm   after publish, before confirm: the server has taken the message, and its answer is withheld
//	claim     after claim, before start: the server has handed a message out, and that is withheld from the worker
//	deliver   after deliver, before ack: the worker has been sent the message, and nothing after it
//	ack       during ack: the worker's acknowledgement is withheld from the server
//	acked     the server has been sent the acknowledgement, and its answer, where there is one, is withheld
//	result    after finish, before the result is stored: the store of the result is withheld
//
// What they are on the wire:
//
//	          amqp                      resp                        postgres              beanstalk     memory
//	publish   basic.publish             the command                 Bind of the insert    put           publish
//	confirm   basic.ack of the server   its answer                  the answer            INSERTED      ok
//	claim     basic.deliver             the claim's answer          the answer            RESERVED      deliver
//	deliver   the end of its content    the end of that             the end of that       its end       its end
//	ack       basic.ack of the client   the call of the script      Bind of the delete    delete        settle
//	acked     the end of that           its answer                  the answer            DELETED       ok
//
// and on MongoDB's, where a claim is several commands, and complete with the last:
//
//	publish   the insert of what waits            confirm   its answer
//	claim     the answer to the removal of that   deliver   its end
//	ack       the removal of what is held         acked     its answer
//
// In PostgreSQL an answer is that to a whole exchange, up to ReadyForQuery, since only that says that it was committed;
// an exchange that failed has done nothing and comes to no step but those that its requests are.
//
// What was passed on is in the receiver's hands once it has read it, for which it is given a moment; a reset takes from it what
// it has not read. AMQP has no answer to an acknowledgement, so that there nobody can know that of acked.
//
// A step that is about several messages at once (a pipelined push of ten, an ack of all up to a number) counts as so many.
//
// The step result is come to where a scenario has results kept in the broker (system: {results: broker}): on Redis each record
// is the call of a script, on PostgreSQL the Bind of a statement, and with RabbitMQ, which keeps none, a basic.publish to the
// queue of replies. Other cells are run without a result backend, as the ledger has its own evidence.
//
// # Tolerance
//
// A connection that is encrypted, speaks something else, or has a frame larger than can be held back is not understood.
// It is said so, and it is left alone from there on. A frame that is not whole is held back until it is.
package step
