package lease

import (
	"context"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers/feed"
	"taskbench/brokers/redis/link"
)

// A Call settles messages by one command. Its answer is the numbers, from one on, of those that were not held or, of a
// Single, whether it was.
type Call struct {
	Cmd    *goredis.Cmd
	Places []int // of the settlements in the plan
	Single bool
}

// MostAcks bounds the messages of a call, as they are arguments of a script.
const MostAcks = 1000

// settle does it all in one exchange, in which consumers claim as well.
func (hs *Holders[H]) settle(all []Settlement[H]) []error {
	calls := hs.terms.Plan(all)
	cmds := make([]goredis.Cmder, 0, len(calls))
	for _, c := range calls {
		cmds = append(cmds, c.Cmd)
	}
	acks := map[*Holder[H]]int{}
	for _, st := range all {
		if st.Outcome == feed.Ack {
			acks[st.By]++
		}
	}
	claims := map[*Holder[H]]*claim[H]{}
	for h, n := range acks {
		if c := h.along(n); c != nil {
			claims[h] = c
			cmds = append(cmds, c.Cmd)
		}
	}
	hs.link.Exec(context.Background(), cmds...)
	for h, c := range claims {
		if err := h.claimed(c); err != nil {
			h.Lose(err)
		}
		h.claiming.Unlock()
	}

	errs := make([]error, len(all))
	for _, c := range calls {
		c.outcomes(errs, hs.terms.Gone)
	}
	return errs
}

func (c Call) outcomes(errs []error, gone error) {
	if c.Single {
		held, err := c.Cmd.Int()
		if errs[c.Places[0]] = link.Judge(err); err == nil && held == 0 {
			errs[c.Places[0]] = gone
		}
		return
	}
	absent, err := c.Cmd.Int64Slice()
	for _, place := range c.Places {
		errs[place] = link.Judge(err)
	}
	for _, n := range absent {
		errs[c.Places[n-1]] = gone
	}
}
