package tasks

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"taskbench/brokers"
	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
)

// Env is what the sender must know of where the tasks will run.
type Env struct {
	Iterations float64 // of cpu work in a millisecond, see Calibrate; needed by cpu with a duration
	Slow       string  // URL of the slow server; needed by io via http
	Marks      string  // directory of the run's own, made when needed; needed by crash with until
}

// A Mix decides which task each message of a run asks for, with which arguments. All is a pure function of the
// seed and the message's number. It is safe for concurrent use.
type Mix struct {
	seed  uint64
	kinds []kind
	ends  []uint64 // the running sum of weights
	terms []ledger.Terms
	of    []uint8 // by kind, one more than an index into terms

	chords Chords
}

// A kind is one line of the workload.
type kind struct {
	mix scenario.TaskMix
	// made are the messages of this kind, encoded beforehand: crash has two, one that does and one that does not.
	made []template
}

// NewMix prepares the messages of a workload, which must have passed scenario.Parse. It fails when the
// workload needs something that env lacks.
func NewMix(w scenario.Workload, seed uint64, env Env) (*Mix, error) {
	m := &Mix{seed: seed}
	var sum uint64
	var errs []error
	var err error
	if m.chords, err = newChords(w.Chord); err != nil {
		errs = append(errs, err)
	}
	several := len(w.Queues(brokers.DefaultQueue)) > 1
	for _, t := range w.Tasks {
		made, err := templates(t, env)
		if err != nil {
			errs = append(errs, fmt.Errorf("task %s: %w", t.Task, err))
			continue
		}
		sum += uint64(t.Weight)
		m.kinds, m.ends = append(m.kinds, kind{t, made}), append(m.ends, sum)
		queue := ""
		if several {
			queue = cmp.Or(t.Queue, brokers.DefaultQueue)
		}
		m.note(t, queue)
	}
	if sum == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("no task has a weight"))
	}
	return m, errors.Join(errs...)
}

// The purposes of the random numbers of one message.
const (
	whichKind = iota
	howLong
	whetherCrash
)

// draw is a random number for one purpose of one message.
func (m *Mix) draw(seq, purpose uint64) uint64 {
	return mix64(mix64(mix64(m.seed)^seq) + purpose)
}

// mix64 is the finalizer of SplitMix64: all bits of the result depend on all bits of x.
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (m *Mix) kind(seq uint64) *kind { return &m.kinds[m.line(seq)] }

// line is which line of the workload a message is of.
func (m *Mix) line(seq uint64) int {
	at := m.draw(seq, whichKind) % m.ends[len(m.ends)-1]
	i, exact := slices.BinarySearch(m.ends, at)
	if exact {
		i++ // ends are exclusive
	}
	return i
}

// Chords are those that the tasks are in. Message has no word for a body: nobody sends one.
func (m *Mix) Chords() Chords { return m.chords }

// Task is the short name of the task that the message asks for.
func (m *Mix) Task(seq uint64) string { return m.kind(seq).mix.Task }

// Crashes tells whether the message kills the process that runs it, and whether it does so for ever: such a
// message can only end in the dead letter queue.
func (m *Mix) Crashes(seq uint64) (crashes, forEver bool) {
	k := m.kind(seq)
	crashes = k.mix.Task == "crash" && (k.mix.Every <= 1 || m.draw(seq, whetherCrash)%uint64(k.mix.Every) == 0)
	return crashes, crashes && k.mix.Until == 0
}

// Message is the message with the given number, as the task with the given id, for a queue unless the workload names one. Its body may be
// shared with other messages: nobody may change it.
func (m *Mix) Message(seq uint64, id, queue string) brokers.Message {
	k := m.kind(seq)
	queue = cmp.Or(k.mix.Queue, queue)
	switch {
	case k.mix.Task == "crash":
		if crashes, _ := m.Crashes(seq); crashes {
			return k.made[1].message(id, queue, 0)
		}
	case k.made[0].variable():
		u := float64(m.draw(seq, howLong)>>11) / (1 << 53)
		return k.made[0].message(id, queue, k.mix.Duration.Quantile(u).Microseconds())
	}
	return k.made[0].message(id, queue, 0)
}

// templates encodes the messages of one line of the workload.
func templates(t scenario.TaskMix, env Env) ([]template, error) {
	kwargs := map[string]any{}
	if t.Payload > 0 {
		const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
		kwargs["pad"] = strings.Repeat(letters, t.Payload/len(letters)+1)[:t.Payload]
	}
	switch t.Task {
	case "cpu":
		if t.Work > 0 {
			kwargs["work"] = t.Work
			break
		}
		if env.Iterations <= 0 {
			return nil, errors.New("CPU time was asked for and the host was not calibrated")
		}
		kwargs["cpu_us"], kwargs["per_ms"] = int64(blank), int64(env.Iterations)
	case "io":
		kwargs["us"] = int64(blank)
		if t.Via == "http" {
			if env.Slow == "" {
				return nil, errors.New("HTTP calls were asked for and there is no slow server")
			}
			kwargs["url"] = env.Slow
		}
	case "leak":
		kwargs["keep"] = t.Keep
	case "stubborn", "blocker":
		kwargs["us"] = int64(blank)
	case "bulky":
		kwargs["result"] = t.Result
	case "poison":
		made, err := newTemplate(t, kwargs)
		if err == nil {
			err = spoil(&made.sample, t.Flaw)
		}
		return []template{made}, err
	case "fail":
		kwargs["fails"] = int64(t.Fails)
	case "crash":
		kwargs["crash"] = false
		calm, err := newTemplate(t, kwargs)
		if err != nil {
			return nil, err
		}
		deadly := maps.Clone(kwargs)
		deadly["crash"] = true
		if t.Until > 0 {
			if env.Marks == "" {
				return nil, errors.New("until was asked for and there is no directory to count deliveries in")
			}
			deadly["until"], deadly["marks"] = int64(t.Until), env.Marks
		}
		crashing, err := newTemplate(t, deadly)
		return []template{calm, crashing}, err
	}
	made, err := newTemplate(t, kwargs)
	return []template{made}, err
}
