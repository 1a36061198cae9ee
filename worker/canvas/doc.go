// Package canvas composes tasks into workflows as Celery does: chains, groups, chords, callbacks and errbacks. It
// makes the messages that begin a workflow, and those that each of its tasks gives rise to, so that workers of ours
// and of Celery's can take turns in one workflow. Beyond the standard library it takes nothing.
//
// # The body of a chord runs once
//
// The tasks of a header carry the body with them. With results that count (result.Counter) the sender says how many
// parts there are just before it sends the last task, each task reports its part after its result was stored and
// before its message is acknowledged, and the one whose report completes the set sends the body and then closes the
// chord. With late acknowledgement the body runs, because:
//
//   - A part is counted once however often its task runs: parts are told apart by the task's id. Reports are atomic,
//     so of two that end together exactly one is told that it was the last.
//   - A worker that dies before its report leaves an unacknowledged message. The task runs again and reports.
//   - One that dies between its report and sending the body does too, and its report then returns the parts again.
//
// And its function completes once, because every copy of it has the same id:
//
//   - One that dies between sending the body and closing the chord sends it again after the redelivery; so does one
//     that dies half-way through a header that follows its task: all ids in it follow from the task's own, and what
//     it sends again is the same chord. Before a body is sent, and by Follower.Resume before it is run, the
//     stored result is asked whether it has succeeded; the second copy is then settled without running.
//   - Two copies that workers of ours take at the same moment, because one died between sending the body and closing the
//     chord or the broker took one for dead, are run one after the other: before a body is run it is claimed in the
//     results (result.Claimer), and then they are asked. The other copy waits, keeping no other task from its worker,
//     until the first has succeeded, has ended otherwise, or its worker has died and the claim has lapsed: after 15 s.
//     While the results are out of reach a body is neither run nor lost: its message is held, and goes back to the
//     broker when its worker stops.
//   - What a dead worker may have left undone after storing the body's result, the report to an outer chord, Resume
//     does before it says so.
//
// The limits: whoever dies half-way through Start or StartUnder, whose ids are random, leaves a chord that never ends,
// and does not end another's by starting anew. With early acknowledgement a worker that dies takes its part with it, and the chord never ends. A body
// that fails, that is killed before its result is stored, or whose result is ignored, may run again, as any task may.
// So may one whose worker can for 15 s not renew its claim, frozen or cut off from the results, while a second copy
// waits elsewhere: it says so, and its function runs on. Workers of Celery's keep none of this when it is they who end
// the chord or run its body. Results must outlive the chord: a backend that forgets parts forgets the chord, and one that
// forgets claims lets two copies run at the same moment. Results over rpc have no claims, and no chords.
//
// Without such results celery.chord_unlock polls. It is one task with one id, which sends the body under the body's
// id; the same checks hold.
//
// # Where this differs from Celery
//
// A chord inside a workflow travels without copies of its body in each task of its header, which keeps messages from
// growing with every level. A chain in a header that ends in a group gets celery.accumulate after it, in place of a
// saved group. When a chord in a chord's header fails, the outer one is told; Celery leaves it waiting. Errbacks are
// always sent as tasks with the failed task's id, never called in place.
package canvas
