// Package ledger keeps the history of a run: for every task when it was due, how its publish went, and what
// became of every attempt at it.
//
// # How evidence travels
//
// Publishers, in this process, tell a [Recorder] when each task was due and how its publish went. Worker
// processes write 32-byte events to an [Evidence] file each, through shared memory: what a process wrote before
// SIGKILL is there after it. Workers in other languages send lines of JSON to a [Sink]. A [Collector] follows the
// evidence files while the run goes on and feeds the Recorder; at the end Recorder.Freeze gives the [History]
// that checks judge, and [WriteFile] keeps it.
//
// # Evidence file
//
// A header of 4096 bytes, then slots of 32 bytes, one an [Event], in the byte order of the host: an evidence file
// never leaves it. The header counts the slots that writers reserved and the events that found no room. A slot is
// committed by its last word, which holds the kind and is stored after the others; a reserved slot with kind 0
// belongs to a writer that is busy or dead. When its process is gone it is torn: counted, not read.
//
// # Sink
//
// A unix stream socket. Each line is one event:
//
//	{"id": "6f…", "kind": "finished", "attempt": "c1:17", "at": 81231231231, "outcome": "ok", "pid": 71, "node": "worker-1", "sync": true}
//
// id is the task's id on the wire; an id of another run makes a foreign event. kind is received, started,
// finished, acked, stored, returned, malformed or told, which is the running task's word that it was told that its soft limit is
// over (Celery's SoftTimeLimitExceeded). attempt names the attempt, unique among all workers of the run:
// a string, or an integer below 2^64. at is nanoseconds of CLOCK_MONOTONIC (time.monotonic_ns() in Python); left
// out, it is the time of arrival. outcome goes with finished: ok, failed, retried, timed-out or killed. With
// "sync": true the line is answered once its event is recorded, by {"ok":true} or {"ok":false,"error":"…"}; a
// worker that wants its evidence to survive its own death waits for that. Sending the same event twice is harmless.
//
// # History file
//
// "tbhist" and a version byte, then a zstd stream of frames: a kind byte, the payload's length as uvarint, the
// payload, its CRC-32C. Frame M is Meta as JSON; T holds up to 32768 tasks by column, times as differences in
// units of 16 ns (the terms of a task share a column with the outcome of its publish; the last column, of the times at which
// tasks were told of their soft limits, is left out where none was, and passed over by builds that do not know it); S likewise the tasks that were never due but left evidence; F foreign events; E the totals, which
// must match what was read. A file without its E frame is an error.
//
// A [Cutter] cuts the history of a long run into pieces: files of version 3 with the tasks from Meta.First on. The file that
// describes the whole names them in Meta.Pieces and has no T frame; its S frames hold, besides, the tasks of the pieces of
// which more was heard when their piece had been written: they count as they are there. [Open] opens either kind.
//
// # Dependencies
//
// github.com/klauspost/compress for zstd, since the standard library has none and gzip takes longer for the same
// size. golang.org/x/sys for mmap with offsets, fallocate and CLOCK_MONOTONIC.
package ledger
