package outbox

import (
	"errors"
	"slices"
	"strconv"
	"testing"

	"taskbench/brokers"
)

// What is published at once goes out in exchanges of a bounded size, in its order, and each message gets its own outcome.
func TestBatchesAreSplit(t *testing.T) {
	refused := brokers.Refuse(errors.New("no"))
	for name, c := range map[string]struct {
		size, count int
		want        []int // messages of each exchange
	}{
		"small ones": {1, 2 * exchangeCount, []int{exchangeCount, exchangeCount}},
		"large ones": {exchangeBytes / 2, 5, []int{2, 2, 1}},
		"huge ones":  {exchangeBytes + 1, 2, []int{1, 1}},
		"none":       {1, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			value := make([]byte, c.size)
			var sent []int
			var order []string
			o := New(func(m brokers.Message) (Parcel, error) {
				return Parcel{Queue: m.Queue, Key: m.CorrelationID, Value: value}, nil
			}, func(all []Parcel) []error {
				sent = append(sent, len(all))
				for _, p := range all {
					order = append(order, p.Key)
				}
				errs := make([]error, len(all))
				errs[0] = refused
				return errs
			})
			defer o.Close()
			ms := make([]brokers.Message, c.count)
			for i := range ms {
				ms[i] = brokers.Message{Queue: "q", CorrelationID: strconv.Itoa(i)}
			}
			errs := o.PublishBatch(t.Context(), ms)
			if !slices.Equal(sent, c.want) {
				t.Errorf("exchanges of %v messages, want %v", sent, c.want)
			}
			first := 0
			for _, n := range c.want {
				for i := first; i < first+n; i++ {
					if order[i] != ms[i].CorrelationID || errors.Is(errs[i], refused) != (i == first) {
						t.Fatalf("message %d was sent as number %s, and has the outcome %v", i, order[i], errs[i])
					}
				}
				first += n
			}
		})
	}
}
