package postgres

import (
	"slices"

	"github.com/jackc/pgx/v5"

	"taskbench/brokers/feed"
)

// A row is one claimed message.
type row struct {
	id       int64
	queue    string
	priority int16
	handed   int // how often, this time included; 0 where the claimer had lapsed
	payload  []byte
}

// A claim is what to ask of the server, and its answer.
type claim struct {
	queues []string
	shares []int32 // the most of each queue
	most   int     // and in all
	rows   []row
}

// read takes the answer: of each queue the most urgent and oldest first. RETURNING promises no order.
func (c *claim) read(rows pgx.Rows) (err error) {
	c.rows, err = pgx.CollectRows(rows, func(found pgx.CollectableRow) (r row, err error) {
		err = found.Scan(&r.id, &r.queue, &r.priority, &r.handed, &r.payload)
		return r, err
	})
	slices.SortFunc(c.rows, func(a, b row) int {
		if a.priority != b.priority {
			return int(b.priority) - int(a.priority)
		}
		return int(a.id - b.id)
	})
	return err
}

// A planner shares the room for messages among queues. It belongs to one source, whose claims follow each other.
type planner struct {
	queues []string
	hot    map[string]bool // those that had something the last time
	turn   int             // the queue that comes first the next time
	gulp   feed.Gulp
}

// newPlanner asks for one message at first, as nobody knows how large they are.
func newPlanner(queues []string) planner {
	return planner{queues: slices.Clone(queues), hot: map[string]bool{}, gulp: feed.Gulp{First: 1}}
}

// plan asks for one message of each queue that had none, and for equal shares of those that had some.
func (p *planner) plan(room int) *claim {
	c := &claim{most: min(room, p.gulp.Most())}
	if len(p.queues) == 0 || c.most <= 0 {
		c.most = 0
		return c
	}
	c.queues = slices.Concat(p.queues[p.turn:], p.queues[:p.turn])
	p.turn = (p.turn + 1) % len(p.queues)
	sharers := len(p.hot)
	if sharers == 0 {
		sharers = len(p.queues)
	}
	share := int32((c.most + sharers - 1) / sharers)
	for _, q := range c.queues {
		if len(p.hot) == 0 || p.hot[q] {
			c.shares = append(c.shares, share)
		} else {
			c.shares = append(c.shares, 1)
		}
	}
	return c
}

// learn takes from an answer what to ask the next time.
func (p *planner) learn(c *claim) {
	clear(p.hot)
	size := 0
	for _, r := range c.rows {
		p.hot[r.queue] = true
		size += len(r.payload)
	}
	p.gulp.Learn(len(c.rows), size)
}
