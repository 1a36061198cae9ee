package postgres

import (
	"fmt"
	"slices"
	"testing"
)

func TestPlannerSharesRoom(t *testing.T) {
	p := newPlanner([]string{"a", "b", "c", "d"})
	p.gulp.First = 256
	first := p.plan(10)
	if first.most != 10 || !slices.Equal(first.queues, []string{"a", "b", "c", "d"}) || !slices.Equal(first.shares, []int32{3, 3, 3, 3}) {
		t.Errorf("at first %+v, want equal shares", first)
	}
	first.rows = []row{{queue: "b"}, {queue: "b"}}
	p.learn(first)
	second := p.plan(10)
	if !slices.Equal(second.queues, []string{"b", "c", "d", "a"}) || !slices.Equal(second.shares, []int32{10, 1, 1, 1}) {
		t.Errorf("when only b had something, %+v, want all for it and one of each other, in turn", second)
	}
	p.learn(second) // it brought nothing
	if third := p.plan(2); third.most != 2 || !slices.Equal(third.shares, []int32{1, 1, 1, 1}) {
		t.Errorf("after nothing %+v", third)
	}
	if none := p.plan(0); none.most != 0 {
		t.Errorf("without room %+v", none)
	}
	empty := newPlanner(nil)
	if none := empty.plan(5); none.most != 0 {
		t.Errorf("without queues %+v", none)
	}
}

func TestPlannerMindsSize(t *testing.T) {
	p := newPlanner([]string{"q"})
	asked := []int{}
	for _, size := range []int{100, 100, 100, 100, 100, 100, 1 << 20, 1 << 20, 10 << 20, 100, 100} {
		c := p.plan(1000)
		asked = append(asked, c.most)
		for range c.most {
			c.rows = append(c.rows, row{queue: "q", payload: make([]byte, size)})
		}
		p.learn(c)
	}
	if want := []int{1, 2, 4, 8, 16, 32, 64, 4, 8, 1, 2}; !slices.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
}

func TestQueueNames(t *testing.T) {
	for _, c := range []struct {
		layout *layout
		name   string
		fits   bool
	}{
		{&leaseLayout, "größe ✓", true}, {&leaseLayout, "", true}, {&leaseLayout, "a\x00b", false}, {&leaseLayout, "\xff", false},
		{&leaseLayout, fmt.Sprintf("%01000d", 1), true}, {&leaseLayout, fmt.Sprintf("%01001d", 1), false},
		{&kombuLayout, fmt.Sprintf("%0195d", 1), true}, {&kombuLayout, fmt.Sprintf("%0196d", 1), false},
	} {
		if err := c.layout.fits(c.name, nil); (err == nil) != c.fits {
			t.Errorf("queue %.20q of %d bytes: %v", c.name, len(c.name), err)
		}
	}
}
