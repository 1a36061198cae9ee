package oracle

import "time"

// A Mutant is a system with one kind of bug.
type Mutant struct {
	Name  string // of the bug
	Doc   string // what it does
	Check string // that must find it; others may find what follows from it
	Bugs  Bugs
}

// Mutants are the bugs that the judge is tried with, one of each kind.
var Mutants = []Mutant{
	{"drop", "the broker forgets messages", "phantom-confirm", Bugs{Drop: 500}},
	{"drop-back", "the broker forgets messages that a worker gives back", "lost", Bugs{DropBack: 5}},
	{"repeat", "the broker stores messages twice", "duplicated", Bugs{Repeat: 500}},
	{"reorder", "the broker hands messages out 20 ms late, after later ones", "order", Bugs{Reorder: 300}},
	{"phantom-confirm", "the broker confirms publishes that it does not store", "phantom-confirm", Bugs{Phantom: 500}},
	{"swallow-confirm", "the broker stores messages and never confirms them", "recovered", Bugs{Swallow: 200}},
	{"redeliver-acked", "the broker hands out acknowledged messages again", "redelivered-after-ack", Bugs{Redeliver: 300}},
	{"redeliver-held", "the broker hands out messages that a live worker holds", "redelivered-early", Bugs{Held: 500}},
	{"deny", "the broker refuses publishes that it stores", "refused", Bugs{Deny: 500}},
	{"invent", "the broker makes messages up", "unexpected", Bugs{Invent: 500}},
	{"stall", "the broker hands nothing out for 40 s", "stall", Bugs{Stall: 40 * time.Second}},
	{"starve", "the broker hands nothing of one queue out for 14 s", "starved", Bugs{Starve: 14 * time.Second, Calm: true}},
	{"never-redeliver", "what a killed worker held does not come back", "lost", Bugs{Kill: true, NeverBack: true}},
	{"redeliver-late", "what a killed worker held comes back after 90 s", "redelivered-late", Bugs{Kill: true, BackAfter: 90 * time.Second}},
	{"lose-on-reconnect", "the broker forgets waiting messages when links are cut", "lost", Bugs{Cut: true, CutLoses: 20}},
	{"stall-after-reconnect", "nothing is handed out for 40 s after links were cut", "stall", Bugs{Cut: true, CutStalls: 40 * time.Second}},
	{"mute-after-reconnect", "nothing is confirmed any more after links were cut", "unrecovered", Bugs{Cut: true, CutMute: true}},
	{"ack-early", "workers acknowledge first; one is killed", "lost", Bugs{Early: true, Kill: true}},
	{"concurrent", "workers run deliveries in two processes at once", "concurrent", Bugs{Twice: 500}},
	{"lease-not-renewed", "long tasks are handed out again while they run", "redelivered-early", Bugs{NoRenew: 300}},
	{"retry-too-often", "workers retry tasks once more than was asked", "retry-count", Bugs{RetryMore: 10}},
	{"retry-too-seldom", "workers take a task for ended that asks for a retry", "retry-count", Bugs{RetryLess: 20}},
	{"run-expired", "workers run tasks that have expired", "expired", Bugs{RunExpired: 5}},
	{"eta-early", "workers run tasks at once that are to wait", "eta-early", Bugs{TooEarly: 20}},
	{"eta-late", "workers run tasks 6 s after their time", "eta-late", Bugs{TooLate: 20}},
	{"no-time-limit", "tasks run on when their limit is over", "time-limit", Bugs{NoLimit: 2}},
	{"limit-too-soon", "tasks are cut off before their limit", "time-limit", Bugs{CutEarly: 20}},
	{"no-soft-limit", "tasks are not told when their soft limit is over", "soft-limit", Bugs{NoTell: 4}},
	{"soft-limit-too-soon", "tasks are told of their soft limit before it", "soft-limit", Bugs{TellEarly: 20}},
	{"bury-finished", "tasks are dead-lettered that ended well", "dead-letter", Bugs{Bury: 500}},
	{"overwrite-result", "a failure is stored over a result", "overwritten", Bugs{Overwrite: 500}},
	{"leak", "a worker keeps 1 MiB a second", "growth", Bugs{Leak: true, Calm: true}},
	{"tick-twice", "the schedule sends ticks twice", "tick-repeated", Bugs{TickTwice: 4}},
	{"tick-missed", "the schedule leaves ticks out", "tick-missed", Bugs{TickMiss: 4}},
	{"tick-late", "the schedule sends ticks 3 s late", "tick-late", Bugs{TickLate: 4}},
	{"chord-twice", "the body of a chord runs twice", "chord-body", Bugs{ChordTwice: 6}},
	{"chord-too-soon", "the body runs before its header is over", "chord-body", Bugs{ChordTooSoon: 6}},
	{"chord-never", "the body of a chord never runs", "chord-missing", Bugs{ChordNever: 6}},
	{"undrained", "the drain is cut off, with messages forgotten", "stuck", Bugs{Abandon: true, Drop: 100}},
}
