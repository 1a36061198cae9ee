package resulttest_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers/servertest"
	"taskbench/worker/result"
	"taskbench/worker/result/memory"
	"taskbench/worker/result/resulttest"
)

// bent is a backend that keeps the contract but where a bug is planted.
type bent struct {
	*memory.Results
	store  func(ctx context.Context, r result.Record) error
	get    func(ctx context.Context, id string) (result.Record, error)
	wait   func(ctx context.Context, id string) (result.Record, error)
	forget func(ctx context.Context, ids ...string) error
	shut   func() error
	group  func(ctx context.Context, id string) (json.RawMessage, error)
	report func(ctx context.Context, p result.Part) ([]result.Part, error)
	claim  func(ctx context.Context, id, holder string, life time.Duration) (time.Duration, error)
	yield  func(ctx context.Context, id, holder string) error
}

func (b *bent) Store(ctx context.Context, r result.Record) error { return b.store(ctx, r) }

func (b *bent) Get(ctx context.Context, id string) (result.Record, error) { return b.get(ctx, id) }

func (b *bent) Wait(ctx context.Context, id string) (result.Record, error) { return b.wait(ctx, id) }

func (b *bent) Forget(ctx context.Context, ids ...string) error { return b.forget(ctx, ids...) }

func (b *bent) Close() error { return b.shut() }

func (b *bent) Group(ctx context.Context, id string) (json.RawMessage, error) {
	return b.group(ctx, id)
}

func (b *bent) Report(ctx context.Context, p result.Part) ([]result.Part, error) {
	return b.report(ctx, p)
}

func (b *bent) Claim(ctx context.Context, id, holder string, life time.Duration) (time.Duration, error) {
	return b.claim(ctx, id, holder, life)
}

func (b *bent) Release(ctx context.Context, id, holder string) error { return b.yield(ctx, id, holder) }

// bugs name the clause that must catch them.
var bugs = map[string]func(b *bent, o result.Options){
	"pending": func(b *bent, _ result.Options) {
		b.get = func(ctx context.Context, id string) (result.Record, error) {
			r, err := b.Results.Get(ctx, id)
			if r.State == result.Pending {
				err = errors.New("no such task")
			}
			return r, err
		}
	},
	"carries": func(b *bent, _ result.Options) {
		b.store = func(ctx context.Context, r result.Record) error {
			r.ParentID = ""
			return b.Results.Store(ctx, r)
		}
	},
	"states": func(b *bent, _ result.Options) {
		b.store = func(ctx context.Context, r result.Record) error {
			if r.State == result.Retry {
				return nil
			}
			return b.Results.Store(ctx, r)
		}
	},
	"failure": func(b *bent, _ result.Options) {
		b.get = func(ctx context.Context, id string) (result.Record, error) {
			r, err := b.Results.Get(ctx, id)
			if r.Exception != nil {
				r.Exception = result.NewException(r.Exception.Module, r.Exception.Type, "lost")
			}
			return r, err
		}
	},
	"success-is-final": func(b *bent, _ result.Options) {
		b.store = func(ctx context.Context, r result.Record) error {
			return errors.Join(b.Results.Forget(ctx, r.TaskID), b.Results.Store(ctx, r))
		}
	},
	"failure-is-not": func(b *bent, _ result.Options) {
		b.store = func(ctx context.Context, r result.Record) error {
			if old, err := b.Results.Get(ctx, r.TaskID); err != nil || old.State.Ready() {
				return err
			}
			return b.Results.Store(ctx, r)
		}
	},
	"values": func(b *bent, _ result.Options) {
		b.store = func(ctx context.Context, r result.Record) error {
			if len(r.Value) > 1<<20 {
				r.Value = json.RawMessage("null")
			}
			return b.Results.Store(ctx, r)
		}
	},
	"refuses": func(b *bent, _ result.Options) {
		b.store = func(ctx context.Context, r result.Record) error {
			if !json.Valid(r.Value) {
				r.Value = nil
			}
			return b.Results.Store(ctx, r)
		}
	},
	"thousand": func(b *bent, _ result.Options) {
		var n atomic.Int64
		b.store = func(ctx context.Context, r result.Record) error {
			if n.Add(1) == 500 {
				return nil
			}
			return b.Results.Store(ctx, r)
		}
	},
	"wait-wakes": func(b *bent, _ result.Options) {
		b.wait = func(ctx context.Context, id string) (result.Record, error) {
			r, err := b.Results.Wait(ctx, id)
			<-time.After(150 * time.Millisecond)
			return r, err
		}
	},
	"wait-finds": func(b *bent, _ result.Options) {
		b.wait = func(ctx context.Context, id string) (result.Record, error) {
			r, err := b.Results.Wait(ctx, id)
			r.Exception = nil
			return r, err
		}
	},
	"wait-for-the-end": func(b *bent, _ result.Options) {
		b.wait = func(ctx context.Context, id string) (r result.Record, err error) {
			err = servertest.Until(ctx, time.Minute, func() error {
				if r, err = b.Results.Get(ctx, id); r.State == result.Pending {
					return errors.New("pending")
				}
				return err
			})
			return r, err
		}
	},
	"wait-many": func(b *bent, _ result.Options) {
		var mu sync.Mutex
		waiting := map[string]bool{}
		b.wait = func(ctx context.Context, id string) (result.Record, error) {
			mu.Lock()
			second := waiting[id]
			waiting[id] = true
			mu.Unlock()
			if second {
				return result.Record{}, errors.New("somebody waits already")
			}
			return b.Results.Wait(ctx, id)
		}
	},
	"cancelled": func(b *bent, _ result.Options) {
		b.get = func(ctx context.Context, id string) (result.Record, error) {
			return b.Results.Get(context.WithoutCancel(ctx), id)
		}
	},
	"expires": func(b *bent, o result.Options) {
		if o.Expires == time.Second {
			b.store = func(ctx context.Context, r result.Record) error {
				return errors.Join(b.Results.Store(ctx, r), b.Results.Forget(ctx, r.TaskID))
			}
		}
	},
	"forgets": func(b *bent, _ result.Options) {
		b.forget = func(ctx context.Context, ids ...string) error {
			return b.Results.Forget(ctx, ids[:min(1, len(ids))]...)
		}
	},
	"closed": func(b *bent, _ result.Options) {
		b.shut = func() error { return nil }
	},
	"outage": func(*bent, result.Options) {}, // a server that is killed and goes on
	"groups": func(b *bent, _ result.Options) {
		b.group = func(ctx context.Context, id string) (json.RawMessage, error) {
			tuple, err := b.Results.Group(ctx, id)
			if errors.Is(err, result.ErrNoGroup) {
				return json.RawMessage("null"), nil
			}
			return tuple, err
		}
	},
	"chord-once": func(b *bent, _ result.Options) {
		b.report = func(ctx context.Context, p result.Part) ([]result.Part, error) {
			parts, err := b.Results.Report(ctx, p)
			slices.Reverse(parts)
			return parts, err
		}
	},
	"refuses-for-good": func(b *bent, _ result.Options) {
		b.store = func(ctx context.Context, r result.Record) error {
			if err := b.Results.Store(ctx, r); err != nil {
				return errors.New("try again")
			}
			return nil
		}
	},
	"chord-again": func(b *bent, _ result.Options) {
		var whole []result.Part
		b.report = func(ctx context.Context, p result.Part) ([]result.Part, error) {
			parts, err := b.Results.Report(ctx, p)
			if parts != nil {
				whole = parts
			}
			return whole, err
		}
	},
	"chord-changed": func(b *bent, _ result.Options) {
		b.report = func(ctx context.Context, p result.Part) ([]result.Part, error) {
			p.TaskID += string(p.Value)
			return b.Results.Report(ctx, p)
		}
	},
	"chord-unplaced": func(b *bent, _ result.Options) {
		b.report = func(ctx context.Context, p result.Part) ([]result.Part, error) {
			p.Index = max(p.Index, 0)
			return b.Results.Report(ctx, p)
		}
	},
	"claim-one": func(b *bent, _ result.Options) { // it looks, and then takes
		b.claim = func(ctx context.Context, id, holder string, life time.Duration) (time.Duration, error) {
			wait, err := b.Results.Claim(ctx, id, holder, life)
			if err == nil && wait > 0 {
				err = b.Results.Release(ctx, id, "holder-0")
			}
			return 0, err
		}
	},
	"claim-lapses": func(b *bent, _ result.Options) {
		b.claim = func(ctx context.Context, id, holder string, _ time.Duration) (time.Duration, error) {
			return b.Results.Claim(ctx, id, holder, time.Hour)
		}
	},
	"claim-renewed": func(b *bent, _ result.Options) {
		b.claim = func(ctx context.Context, id, holder string, _ time.Duration) (time.Duration, error) {
			return b.Results.Claim(ctx, id, holder, time.Second)
		}
	},
	"claim-released": func(b *bent, _ result.Options) {
		b.yield = func(ctx context.Context, id, _ string) error { return b.Results.Release(ctx, id, "first") }
	},
}

// straight is a backend in which no bug is planted yet.
func straight(m *memory.Results) *bent {
	return &bent{Results: m, store: m.Store, get: m.Get, wait: m.Wait, forget: m.Forget, shut: m.Close, group: m.Group, report: m.Report, claim: m.Claim, yield: m.Release}
}

// A backend that takes its time breaks no clause about claims: they are about what it says, and not about how soon.
func TestClaimsOfASlowBackend(t *testing.T) {
	for _, c := range resulttest.Clauses() {
		if !slices.Contains(c.Needs, resulttest.Claimer) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				results := memory.New(result.Options{})
				s := resulttest.Subject{Open: func(_ context.Context, o result.Options) (result.Backend, error) {
					m := results.Connect(o)
					b := straight(m)
					b.claim = func(ctx context.Context, id, holder string, life time.Duration) (time.Duration, error) {
						<-time.After(1100 * time.Millisecond)
						return m.Claim(ctx, id, holder, life)
					}
					return b, nil
				}}
				if fits, err := resulttest.Check(t.Context(), s, c); err != nil || !fits {
					t.Errorf("%v (the clause applies: %v)", err, fits)
				}
			})
		})
	}
}

// Every clause catches the bug that is planted for it.
func TestClausesCatch(t *testing.T) {
	for _, c := range resulttest.Clauses() {
		t.Run(c.Name, func(t *testing.T) {
			plant := bugs[c.Name]
			if plant == nil {
				t.Fatal("no bug is planted for this clause")
			}
			results := memory.New(result.Options{})
			s := resulttest.Subject{Open: func(_ context.Context, o result.Options) (result.Backend, error) {
				b := straight(results.Connect(o))
				plant(b, o)
				return b, nil
			}}
			if slices.Contains(c.Needs, resulttest.Restarts) {
				s.Kill, s.Up = func() {}, func(context.Context) error { return nil }
			}
			if fits, err := resulttest.Check(t.Context(), s, c); err == nil || !fits {
				t.Errorf("not caught (the clause applies: %v)", fits)
			} else {
				t.Log(err)
			}
		})
	}
}
