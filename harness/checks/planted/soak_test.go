package planted

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"taskbench/brokers/memory"
	"taskbench/harness"
	"taskbench/harness/ledger"
)

// A broker hands messages out again a second after they were acknowledged, when the piece that has their task was stored
// long ago. Each second run is found, in its own task, though nobody keeps the history in memory.
func TestDuplicateAcrossPieces(t *testing.T) {
	t.Parallel()
	const piece = 250 * time.Millisecond
	var once sync.Once
	var begin time.Time
	m := Mutant{
		Name: "redeliver-much-later", Doc: "hands out messages again a second after they were acknowledged", Check: "redelivered-after-ack", Also: twins,
		OneIn: 10, Rate: 400, For: 3500 * time.Millisecond,
		settled: func(ctx context.Context, p *plant, d *delivery) {
			once.Do(func() { begin = time.Now() })
			if time.Since(begin) < 2*time.Second && p.strikes(d.message.CorrelationID) {
				d.again(ctx, time.Second)
			}
		},
	}
	engine := memory.New()
	defer engine.Close()
	p := newPlant(m, 1)
	dir := t.TempDir()
	plan := p.plan(engine, dir, 1)
	plan.Cells[0].Piece = piece
	var interim []harness.Result
	plan.Interim = func(r harness.Result) { interim = append(interim, r) }
	var notes int
	r, err := harness.Run(t.Context(), plan, func(p harness.Progress) {
		if p.Note != "" {
			notes++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	c := r.Cells[0]
	if wrong := m.Disagreements(c, p.struck()); len(wrong) > 0 || p.struck() == 0 {
		t.Errorf("struck %d: %q; %+v; warnings %q", p.struck(), wrong, c.Counts, c.Warnings)
	}
	// A machine that is busy with other tests makes the run void: its load came late, and what was found is found.
	if c.Counts.Duplicated != p.struck() || c.Outcome != harness.Pass && c.Outcome != harness.Void {
		t.Errorf("%s with %d of %d duplicates: %q", c.Outcome, c.Counts.Duplicated, p.struck(), c.Warnings)
	}

	h, err := ledger.Open(filepath.Join(dir, c.History))
	if err != nil {
		t.Fatal(err)
	}
	pieces := h.Meta().Pieces
	if len(pieces) < 8 {
		t.Errorf("the history of %v has %d pieces of %v", m.For, len(pieces), piece)
	}
	if counts, guarantee, _ := harness.Judge(h); counts != c.Counts || guarantee != c.Guarantee {
		t.Errorf("judged again: %+v, %s; and was %+v, %s", counts, guarantee, c.Counts, c.Guarantee)
	}
	// In its piece a task ran once, and after all twice.
	late := 0
	for _, x := range pieces {
		stored, err := ledger.ReadFile(filepath.Join(dir, x.File))
		if err != nil {
			t.Fatal(err)
		}
		for task := range stored.All() {
			if task.Executed() == 1 && h.Task(int(task.Seq)).Executed() == 2 {
				late++
			}
			if late > 2 {
				break // each looks its piece through again
			}
		}
	}
	if late == 0 {
		t.Error("no duplicate came when the piece of its task had been stored: the border was not tried")
	}

	if len(interim) < 5 || notes < 5 {
		t.Fatalf("%d interim reports, %d notes", len(interim), notes)
	}
	before := -1
	for _, r := range interim {
		if !r.InProgress || r.Outcome != harness.Undecided || len(r.Cells) != 1 || r.Cells[0].Counts.Acknowledged < before {
			t.Fatalf("an interim report after one of %d acknowledged tasks: %+v", before, r)
		}
		before = r.Cells[0].Counts.Acknowledged
	}
	if last := interim[len(interim)-1].Cells[0]; before <= 0 || last.Counts.Executed == 0 || last.Latency["due_to_finish"].Count == 0 || last.Expectations[0].Held {
		t.Errorf("the last interim report: %+v", last)
	}
	if r.InProgress {
		t.Error("the result is in progress after its run")
	}
}
