// Package simulation runs the whole native system on virtual time under seeded random faults: publishers, the memory broker
// and workers in one process, over a network that delays, cuts, stalls and falls silent as a plan says, judged by the
// ledger and the checks that judge real runs.
//
// # Time
//
// Run must be called in a bubble of testing/synctest. Nothing in it blocks but on channels and timers of the bubble, so
// that minutes pass in milliseconds, and a goroutine that is left over at the end is found by the bubble itself.
//
// # Chance
//
// A Plan is drawn from a seed alone, and so are all delays of the network. What is not is the order of steps that fall on
// the same moment, which is the scheduler's: moments are drawn to the nanosecond, so that few do. A seed that has failed
// is therefore run a number of times to be seen to fail again.
//
// # What is demanded
//
// Beside the verdicts of the checks (see Judge): no message is in two live hands, no consumer holds more than its
// prefetch, no worker runs more than its concurrency, nothing starts before its time, workers that are asked to stop do,
// and in the end the broker is empty.
package simulation
