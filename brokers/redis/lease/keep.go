package lease

import (
	"context"
	"sync/atomic"
	"time"

	"taskbench/brokers/redis/link"
)

// keep renews the lease, and looks after what dead consumers left. It is also what notices a dead link while the claimer
// has no slot free.
func (h *Holder[H]) keep() {
	renew := time.NewTicker(h.among.link.Lease / 3)
	defer renew.Stop()
	sweep := time.NewTicker(min(h.among.terms.Sweep, h.among.link.Visibility/4))
	defer sweep.Stop()
	var busy atomic.Bool
	for old := true; ; {
		dead, err := h.renew()
		if err != nil {
			h.Lose(link.Judgef(err, "renew lease at redis"))
			return
		}
		if (old || len(dead) > 0) && busy.CompareAndSwap(false, true) {
			go func(old bool) { // a long clean-up must not hold up the renewing
				defer busy.Store(false)
				h.layout.Restore(dead, old)
			}(old)
		}
		old = false
		select {
		case <-renew.C:
		case <-sweep.C:
			old = true
		case <-h.lost:
			return
		case <-h.spent:
			h.retire()
			return
		}
	}
}

func (h *Holder[H]) renew() (dead []string, err error) {
	cmd := h.layout.Renewal(context.Background())
	h.among.link.Exec(context.Background(), cmd)
	return cmd.StringSlice()
}

func (h *Holder[H]) retire() {
	h.among.remove(h)
	h.among.link.Exec(context.Background(), h.layout.Retirement()) // left undone, the end of the lease does it
}
