// Package trial has no code but tests: they drive whole workers as a user would, against real servers, and have
// everything go wrong that may. Workers are processes of the test binary where they are to die, and part of the test
// where they are to be looked into. In the embedded lab the servers are embedded ones.
//
// Beyond the standard library the tests take go-redis and amqp091-go, which the brokers' drivers are made of, to leave
// in a queue what no driver would.
package trial
