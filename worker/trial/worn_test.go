package trial_test

import (
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/rabbitmq"
	"taskbench/brokers/redis"
	"taskbench/brokers/servertest"
	"taskbench/worker"
	"taskbench/worker/result"
)

// A task that takes the whole of its worker along, as one does in a pool without children, ends so many workers and no
// more where the broker counts. What was in line behind it is done.
func TestATaskThatEndsItsWorkers(t *testing.T) {
	servertest.Needed(t)
	s := shared.get(t, rabbitmq.Driver)
	quorum, err := s.driver.Variant("quorum")
	if err != nil {
		t.Fatal(err)
	}
	s.variant = quorum
	const lives = 3
	queue := queueOf(t)
	b, r := s.open(t), results(t)
	publish(t, b, task(queue, "crash", queue+".poison", nil, nil), task(queue, "echo", queue+".good", []any{1}, nil))
	x := setting{Config: worker.Config{Pool: "solo", Prefetch: 1, Queues: []string{queue}, MaxDeliveries: lives}, Results: shared.get(t, redis.Driver).url}
	for range lives {
		launch(t, s, x, nil).ends(t, patience)
	}
	last := launch(t, s, x, nil)
	state := func(id string) result.State {
		got, err := r.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return got.State
	}
	within(t, patience, "the task behind it is done", func() bool {
		select {
		case <-last.gone:
			t.Fatalf("worker %d has ended as well", lives+1)
		default:
		}
		return state(queue+".good") == result.Success
	})
	if got := state(queue + ".poison"); got != result.Failure {
		t.Errorf("the result of the one that ended them is %s", got)
	}
	within(t, 10*time.Second, "its message is kept aside", func() bool { return leftIn(t, b, brokers.DeadLetterQueue(queue)) == 1 })
}
