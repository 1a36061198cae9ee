package ledger

// Terms are all that the sender asked of a task beyond running it once; what is zero was not asked. Times are
// nanoseconds after the task was due. Tasks share them: Task.Terms is one more than an index into Meta.Terms.
type Terms struct {
	Task    string `json:"task,omitempty"`    // its short name
	Queue   string `json:"queue,omitempty"`   // that it was sent to
	ETA     int64  `json:"eta,omitempty"`     // not to be started earlier
	Expires int64  `json:"expires,omitempty"` // not to be started later: a worker that gets it then acknowledges it unrun
	Soft    int64  `json:"soft,omitempty"`    // nanoseconds from an attempt's start: it is to be told then, and not before
	Limit   int64  `json:"limit,omitempty"`   // nanoseconds from an attempt's start: it is to be cut off then, and not before
	Retries int    `json:"retries,omitempty"` // how often the task will ask for another attempt before it ends
	Keys    int    `json:"keys,omitempty"`    // into how many keys the tasks are divided: a task's key is its number modulo this
}

// MaxTerms is how many different terms the tasks of one run may have.
const MaxTerms = 63

// A record keeps the outcome of the publish in the low bits of a byte and the terms in the others: both are the
// publishing side's.
const (
	publishBits = 3
	termsShift  = 2
)

func (r *record) published() PublishOutcome { return PublishOutcome(r.publish & publishBits) }

func (r *record) setPublished(o PublishOutcome) {
	r.publish = r.publish&^publishBits | uint8(o)&publishBits
}

func (r *record) terms() uint8 { return r.publish >> termsShift }

func (r *record) setTerms(t uint8) { r.publish = r.publish&publishBits | t<<termsShift }

// setTask sets what is known of a task, but for its attempts.
func (r *record) setTask(t *Task) {
	r.due.set(t.Due)
	r.pubStart.set(t.PublishStart)
	r.pubEnd.set(t.PublishEnd)
	r.setPublished(t.Publish)
	r.setTerms(t.Terms)
}

// Terms says what was asked of a task: one more than an index into Meta.Terms, 0 for nothing. The publisher calls it
// before PublishStart. It panics for more than MaxTerms.
func (r *Recorder) Terms(seq uint64, terms uint8) {
	if terms > MaxTerms {
		panic("ledger: terms of a task: at most 63 are kept")
	}
	r.record(seq).setTerms(terms)
}

// DueAt is when a task is due that was told to be, in nanoseconds since the run's start.
func (r *Recorder) DueAt(seq uint64) int64 { return r.record(seq).due.get() }

// Asked are the terms of a task: the zero Terms, and false, for a task of which nothing is known.
func (m *Meta) Asked(t *Task) (Terms, bool) {
	if i := int(t.Terms); i > 0 && i <= len(m.Terms) {
		return m.Terms[i-1], true
	}
	return Terms{}, false
}

// A Tick is one moment at which a schedule was to send a task, and when it did. All times are nanoseconds since the
// run's start.
type Tick struct {
	Entry string  `json:"entry"`
	Due   int64   `json:"due"`
	Sent  []int64 `json:"sent,omitempty"` // in order; each is one message of this tick
}

// A Chord is a task, the body, that is to run once when all tasks of the header have ended well, and not at all
// otherwise. Workers publish it: the publish of the body is not in the history.
type Chord struct {
	Header []uint64 `json:"header"`
	Body   uint64   `json:"body"`
}

// A Series is one quantity of one node over the run.
type Series struct {
	Node string    `json:"node"`
	What string    `json:"what"` // rss (bytes), fds, connections or unacked
	At   []int64   `json:"at"`   // nanoseconds since the run's start
	Of   []float64 `json:"of"`
}
