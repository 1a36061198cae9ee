package interop_test

import (
	"fmt"
	"slices"
	"testing"
)

// An ask is what Python does with a worker's tasks through Celery's own client, and what it must see.
type ask struct {
	name  string
	code  string   // the body of a function; NODE is the worker's name and QUEUE where the tasks go
	want  string   // what it returns, as JSON
	not   []string // names of Celery installations that do not know the feature
	alone bool     // it disturbs the worker's other tasks, so that nothing runs beside it
	odd   string   // why Celery's own worker does otherwise; "" where it does so
}

// asks are held to Celery's own worker as well, which proves that they ask for what Celery does.
var asks = slices.Concat(callAsks, canvasAsks, controlAsks, eventAsks)

// pools are those of our workers that are asked.
var pools = []string{"prefork", "goroutine"}

// Celery's client calls our worker.
func TestCeleryClient(t *testing.T) {
	eachCourt(t, func(t *testing.T, c *court) {
		for _, pool := range pools {
			t.Run(pool, func(t *testing.T) {
				t.Parallel()
				c.askAll(t, c.ours(t, pool, "asked"), "client "+pool)
			})
		}
	})
}

// Celery's client calls Celery's worker: what is asked of ours is what Celery does.
func TestCeleryItself(t *testing.T) {
	eachCourt(t, func(t *testing.T, c *court) { c.askAll(t, c.theirs(t, "asked"), "itself") })
}

func (c *court) askAll(t *testing.T, p *party, what string) {
	inOrder := slices.SortedStableFunc(slices.Values(asks), func(a, b ask) int { return rank(a) - rank(b) })
	for _, a := range inOrder {
		if slices.Contains(a.not, c.Name) || a.odd != "" && what == "itself" {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			if !a.alone {
				t.Parallel() // and so after those that are alone
			}
			err := c.ask(soon(t), p.queue, p.node, a.code, a.want)
			judge(t, fmt.Sprintf("%s %s", what, a.name), err)
		})
	}
}

func rank(a ask) int {
	if a.alone {
		return 0
	}
	return 1
}
