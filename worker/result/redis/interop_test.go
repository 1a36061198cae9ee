package redis

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	broker "taskbench/brokers/redis"
	"taskbench/brokers/servertest"
	"taskbench/worker/result"
)

func connect(t *testing.T, o result.Options) (*Backend, *goredis.Client) {
	t.Helper()
	s := servertest.Launch(t, broker.Driver)
	b, err := Open(t.Context(), s.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b, b.rdb
}

// report does what a worker of Celery does when a member of a chord is done, command by command.
func report(t *testing.T, rdb *goredis.Client, group string, index int, member string) (whole bool) {
	t.Helper()
	key := "celery-taskset-meta-" + group
	var count *goredis.IntCmd
	var delta, size *goredis.StringCmd
	_, _ = rdb.TxPipelined(t.Context(), func(p goredis.Pipeliner) error {
		p.ZAdd(t.Context(), key+".j", goredis.Z{Score: float64(index), Member: member})
		count = p.ZCount(t.Context(), key+".j", "-inf", "+inf")
		delta, size = p.Get(t.Context(), key+".t"), p.Get(t.Context(), key+".s")
		for _, suffix := range []string{".j", ".t", ".s"} {
			p.Expire(t.Context(), key+suffix, 24*time.Hour)
		}
		return nil
	})
	n, err := size.Int()
	if err != nil {
		t.Fatal(err)
	}
	d, _ := delta.Int() // mostly not there
	return count.Val() == int64(n+d)
}

// A chord may be counted by our workers and Celery's, whoever comes last, and with members that Celery counts twice.
func TestChordsAreSharedWithCelery(t *testing.T) {
	servertest.Needed(t)
	b, rdb := connect(t, result.Options{})
	ctx := t.Context()
	part := func(group string, i int) result.Part {
		return result.Part{Group: group, Index: i, TaskID: fmt.Sprint("t", i), State: result.Success, Value: json.RawMessage(fmt.Sprint(i))}
	}
	member := func(i int, value string) string { return fmt.Sprintf(`[1, "t%d", "SUCCESS", %s]`, i, value) }

	t.Run("we come last", func(t *testing.T) {
		if err := b.Expect(ctx, "g1", 3); err != nil {
			t.Fatal(err)
		}
		if report(t, rdb, "g1", 0, member(0, "0")) || report(t, rdb, "g1", 2, member(2, "2")) {
			t.Fatal("two of three are the whole")
		}
		whole, err := b.Report(ctx, part("g1", 1))
		if err != nil || len(whole) != 3 || string(whole[2].Value) != "2" || whole[2].TaskID != "t2" {
			t.Errorf("%+v, %v", whole, err)
		}
	})
	t.Run("Celery comes last", func(t *testing.T) {
		if err := b.Expect(ctx, "g2", 2); err != nil {
			t.Fatal(err)
		}
		if whole, err := b.Report(ctx, part("g2", 0)); err != nil || whole != nil {
			t.Fatal(whole, err)
		}
		if got := rdb.ZRangeWithScores(ctx, "celery-taskset-meta-g2.j", 0, -1).Val(); len(got) != 1 || got[0].Member != member(0, "0") || got[0].Score != 0 {
			t.Errorf("the member is %v, and Celery's is %s", got, member(0, "0"))
		}
		if !report(t, rdb, "g2", 1, member(1, "1")) {
			t.Error("Celery does not see that the chord is whole")
		}
		if whole, err := b.Report(ctx, part("g2", 0)); err != nil || whole != nil {
			t.Errorf("our member, reported again, is told that the chord is whole: %v, %v", whole, err)
		}
	})
	t.Run("size changes", func(t *testing.T) {
		if err := b.Expect(ctx, "g3", 1); err != nil {
			t.Fatal(err)
		}
		rdb.Incr(ctx, "celery-taskset-meta-g3.t")
		if whole, err := b.Report(ctx, part("g3", 0)); err != nil || whole != nil {
			t.Errorf("one of two: %v, %v", whole, err)
		}
		if whole, err := b.Report(ctx, part("g3", 1)); err != nil || len(whole) != 2 {
			t.Errorf("two of two: %v, %v", whole, err)
		}
	})
	t.Run("Celery counts one twice", func(t *testing.T) {
		if err := b.Expect(ctx, "g4", 3); err != nil {
			t.Fatal(err)
		}
		report(t, rdb, "g4", 0, member(0, `"first"`))
		report(t, rdb, "g4", 0, member(0, `"second"`))
		if whole, err := b.Report(ctx, part("g4", 1)); err != nil || whole != nil {
			t.Errorf("two tasks of three: %v, %v", whole, err)
		}
		whole, err := b.Report(ctx, part("g4", 2))
		if err != nil || len(whole) != 3 || string(whole[0].Value) != `"first"` {
			t.Errorf("%+v, %v", whole, err)
		}
	})
	for _, suffix := range []string{".j", ".s", ".last"} {
		if ttl := rdb.TTL(ctx, "celery-taskset-meta-g1"+suffix).Val(); ttl < 23*time.Hour || ttl > 24*time.Hour {
			t.Errorf("%s lives %v", suffix, ttl)
		}
	}
}

// A Python client subscribes, looks once, and then only listens: what is stored must also be told.
func TestStoreTellsWhoListens(t *testing.T) {
	servertest.Needed(t)
	b, rdb := connect(t, result.Options{Prefix: "app"})
	ctx := t.Context()
	sub := rdb.Subscribe(ctx, "app_celery-task-meta-t", "app_celery-taskset-meta-g.s")
	defer sub.Close()
	for range 2 {
		if _, err := sub.ReceiveTimeout(ctx, 10*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Store(ctx, result.Record{TaskID: "t", State: result.Success, Value: []byte("5")}); err != nil {
		t.Fatal(err)
	}
	said, err := sub.ReceiveTimeout(ctx, 10*time.Second)
	m, ok := said.(*goredis.Message)
	if err != nil || !ok || m.Payload != rdb.Get(ctx, m.Channel).Val() {
		t.Fatalf("%v, %v", said, err)
	}
	if ttl := rdb.TTL(ctx, m.Channel).Val(); ttl < 23*time.Hour || ttl > 24*time.Hour {
		t.Errorf("the record lives %v", ttl)
	}
	if err := b.Expect(ctx, "g", 7); err != nil {
		t.Fatal(err)
	}
	said, err = sub.ReceiveTimeout(ctx, 10*time.Second)
	if m, ok := said.(*goredis.Message); err != nil || !ok || m.Payload != "7" {
		t.Fatalf("%v, %v", said, err)
	}
	// Others may write the members in another order; a success still stays.
	rdb.Set(ctx, "app_celery-task-meta-odd", `{"task_id": "odd", "result": 1, "status": "SUCCESS"}`, 0)
	if err := b.Store(ctx, result.Record{TaskID: "odd", State: result.Success, Value: []byte("2")}); err != nil {
		t.Fatal(err)
	}
	if r, err := b.Get(ctx, "odd"); err != nil || string(r.Value) != "1" {
		t.Errorf("%+v, %v", r, err)
	}
	// What nobody can read is an error, also for who waits.
	rdb.Set(ctx, "app_celery-task-meta-broken", "pickle", 0)
	if _, err := b.Wait(ctx, "broken"); err == nil {
		t.Error("waited for what cannot be read, and got it")
	}
	if err := b.Store(ctx, result.Record{TaskID: "forever", State: result.Success}); err != nil {
		t.Fatal(err)
	}
}

func TestResultsForEver(t *testing.T) {
	servertest.Needed(t)
	b, rdb := connect(t, result.Options{Expires: -1})
	if err := b.Store(t.Context(), result.Record{TaskID: "t", State: result.Success}); err != nil {
		t.Fatal(err)
	}
	if ttl := rdb.TTL(t.Context(), "celery-task-meta-t").Val(); ttl != -1 {
		t.Errorf("lives %v", ttl)
	}
	if err := b.Expect(t.Context(), "g", 1); err != nil {
		t.Fatal(err)
	}
	if whole, err := b.Report(t.Context(), result.Part{Group: "g", TaskID: "t", State: result.Success}); err != nil || len(whole) != 1 {
		t.Errorf("%v, %v", whole, err)
	}
	if ttl := rdb.TTL(t.Context(), "celery-taskset-meta-g.j").Val(); ttl != -1 {
		t.Errorf("the chord lives %v", ttl)
	}
}
