package lease

import (
	"context"
	"sync/atomic"
	"time"

	"taskbench/brokers/redis/link"
)

// keep renews the lease while something is or may come to be held, and lets go of what is left after that.
func (h *Holder[H]) keep() {
	if err := h.tend(); err != nil {
		h.Lose(link.Judgef(err, "renew lease at redis"))
	}
	if isShut(h.spent) {
		h.retire()
		return
	}
	// Until the lease has ended the broker's end gives back what a lost consumer holds; then anybody does.
	over := time.NewTimer(h.among.link.Lease)
	defer over.Stop()
	select {
	case <-over.C:
	case <-h.spent:
	}
	h.among.remove(h)
}

// tend renews the lease, and looks after what dead consumers left. It is also what notices a dead link while the claimer
// has no slot free. It returns when the consumer is spent or lost.
func (h *Holder[H]) tend() error {
	renew := time.NewTicker(h.among.link.Lease / 3)
	defer renew.Stop()
	sweep := time.NewTicker(min(h.among.terms.Sweep, h.among.link.Visibility/4))
	defer sweep.Stop()
	var busy atomic.Bool
	for old := true; ; {
		dead, err := h.renew()
		if err != nil {
			return err
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
			return nil
		case <-h.spent:
			return nil
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
