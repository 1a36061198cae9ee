package sql

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"taskbench/brokers/servertest"
	"taskbench/worker/result"
)

// Whoever has got the URL wrong is told what to do about it, and nobody the password.
func TestMariaDBRefuses(t *testing.T) {
	servertest.Needed(t)
	s := servertest.MariaDB(t)
	mute, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	addr := s.URL[strings.Index(s.URL, "@")+1:]
	dead := fmt.Sprintf("127.0.0.1:%d/test", servertest.FreePort(t))
	for url, want := range map[string]string{
		"mysql://tester:hunter2@" + addr:                        "correct them in the URL",
		"mysql://stranger:hunter2@" + addr:                      "correct them in the URL",
		"mysql://reader:secret@" + addr:                         "GRANT SELECT",
		strings.TrimSuffix(s.URL, "test") + "nothing":           "GRANT SELECT", // whether it is there is told to nobody
		"mysql://tester:hunter2@" + dead:                        "start the server",
		"mysql://tester:hunter2@" + mute.Addr().String() + "/x": "what listens there",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		b, err := Open(ctx, url, result.Options{})
		cancel()
		if err == nil {
			t.Errorf("%s: opened", url)
			_ = b.Close()
			continue
		}
		if text := err.Error(); !strings.Contains(text, want) || strings.Contains(text, "hunter2") || strings.Contains(text, "secret") {
			t.Errorf("%s: %v; want it to say %q", url, err, want)
		}
	}
}

// Two transactions that write the same results in another order wait for each other; the server ends one of them.
func TestMariaDBDeadlocksAreTriedAgain(t *testing.T) {
	servertest.Needed(t)
	b, err := Open(t.Context(), servertest.MariaDB(t).URL, result.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ids := make([]string, 40)
	for i := range ids {
		ids[i] = fmt.Sprint("task-", i)
	}
	var work sync.WaitGroup
	for w := range 8 {
		work.Go(func() {
			for i := range 30 {
				for k := range ids {
					if k%8 != (i+w)%8 {
						continue
					}
					if err := b.Store(t.Context(), result.Record{TaskID: ids[(k*7+w)%40], State: result.Started}); err != nil {
						t.Error(err)
						return
					}
				}
				if err := b.Forget(t.Context(), ids[w], ids[39-i%20], ids[(w*11+i)%40]); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
}
