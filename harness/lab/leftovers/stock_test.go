package leftovers

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/moby/client"
)

// An engine goes on making what somebody asked for who was killed meanwhile.
func TestWhatIsStillBeingMadeIsWaitedFor(t *testing.T) {
	for what, c := range map[string]struct {
		claimed, comes, waits time.Duration // the first ago
		want                  []string
	}{
		"there":         {comes: 0, want: []string{"it"}},
		"on its way":    {comes: 2 * time.Second, waits: 2 * time.Second, want: []string{"it"}},
		"never made":    {comes: time.Hour, waits: making},
		"half its time": {claimed: 2 * time.Second, comes: time.Hour, waits: making - 2*time.Second},
		"in the future": {claimed: -time.Hour, comes: time.Hour, waits: making},
		"long ago":      {claimed: time.Minute, comes: time.Hour},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				k := stock{kind: Container, list: func(context.Context, *client.Client) ([]kept, error) {
					if time.Since(began) < c.comes {
						return nil, nil
					}
					return []kept{{name: "it"}}, nil
				}}
				listed, err := k.settled(t.Context(), nil, []record{{Thing: Thing{Kind: Container, Name: "it"}, at: began.Add(-c.claimed)}})
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, l := range listed {
					got = append(got, l.name)
				}
				if waited := time.Since(began); !slices.Equal(got, c.want) || waited != c.waits {
					t.Errorf("listed %q after %v, want %q after %v", got, waited, c.want, c.waits)
				}
			})
		})
	}
}
