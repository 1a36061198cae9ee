// Package control is Celery's remote control, pidbox, on both sides: a Node answers commands in a worker, and Send
// gives them from anywhere. Either talks to Celery's own.
//
// # On the wire
//
// A command is a JSON object published to the fanout <namespace>.pidbox, which every node hears; it names the nodes it
// is meant for, or a pattern of their names, or none for all. A reply goes to the direct exchange and the key that
// the command asks for, with the command's ticket in its headers: {"<node>": value}. A command that fails is answered
// with {"error": text}, the text being what Python's repr makes of the exception that Celery would have raised.
//
// # What a node promises
//
// Commands are carried out one at a time, in the order in which they come. Taking them in never waits for carrying
// them out: a thousand may wait, more are dropped and counted. A handler has Patience to answer; after that the answer
// is an error, the next command is carried out, and the same one is refused until the handler has returned, so
// that no number of commands makes more goroutines than there are kinds of them. What cannot be read is logged and
// counted, and answered by nothing, since nobody knows whom to answer.
//
// Commands must be JSON, the serializer that Celery uses unless task_serializer says otherwise. Patterns of the
// matcher "pcre" are Go's regular expressions: one with a look-around or a back-reference counts as unreadable.
package control
