// Package beat sends tasks when they are due: a scheduler in the manner of Celery's beat, for Celery's workers or ours.
//
// A Runner takes the entries of a Store, sleeps until the next tick, and publishes a task message that says which tick
// it is. Package file has the Store of a schedule file, package table that of django-celery-beat's tables; packages
// redis and table have a Lock, under which several beats are one that does not fail.
//
// # Ticks
//
// A tick is an entry's name and a scheduled time, computed from the schedule and the tick before it, never from when a
// message was sent: being late once does not make anything later. Its message carries the time in the header
// x-taskbench-scheduled, the name in periodic_task_name as django-celery-beat has it, and a task id made of the two (a
// UUID of version 5), so that the same tick sent twice is recognised by whoever looks.
//
// The first tick of a new entry is after now: an interval's is one period away. An interval with a start time ticks at
// that time and each period later.
//
// # What was missed
//
// A tick counts as dealt with once the broker has accepted its message. So the time in which no broker can be reached is
// like the time in which no beat runs: what was due in it is made up as the entry's CatchUp says, oldest first, and
// nothing queues up in memory. A tick that was tried and refused is kept under the policy skip too, and sent when the
// broker is back, unless it is older than the entry's deadline by then.
//
// # Never twice
//
// Before a tick is sent it is claimed: written down under the lock, or without a lock in the store. Where a beat died
// between that and the broker's answer nobody knows whether the message is there. Whoever takes over leaves such a tick
// alone and says so; with Config.Resend it sends it again, under the same id. A beat that lives and got no clear answer
// sends the tick again, under the same id, as the other choice would lose the first tick of every outage.
//
// A lease that is lost, by a process that was stopped or a machine that was suspended, is noticed before anything is
// sent: by the monotonic clock, by the wall clock, and by the claim, which the lock's server refuses. The message of a
// process that is stopped just between its claim and its sending may come late; it does not come twice.
//
// # Clocks
//
// Ticks are moments of the wall clock. When that is put forward, the ticks in between were missed and the policies
// apply. When it is put back, no tick is fired again: crontabs are silent until the clock is where it was. Intervals go
// on at their pace, on a grid that is moved with the clock.
package beat
