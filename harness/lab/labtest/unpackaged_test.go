package labtest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"taskbench/brokers/all"
)

// skipped is a test that can be skipped without that this one is.
type skipped struct {
	testing.TB
	why string
}

func (s *skipped) Helper()                          {}
func (s *skipped) Skipf(format string, args ...any) { s.why = fmt.Sprintf(format, args...) }

// A server that Debian has must be there; one that it has not may be absent, and the reason is told.
func TestUnpackaged(t *testing.T) {
	absent := errors.New("it is not on PATH")
	for _, broker := range []string{"rabbitmq", "redis", "postgres", "mysql", "beanstalkd", "nats"} {
		s := &skipped{}
		if Unpackaged(s, broker, absent); s.why != "" {
			t.Errorf("%s may be absent: %s", broker, s.why)
		}
	}
	for _, broker := range unpackaged {
		if _, _, err := all.Find(broker); err != nil {
			t.Error(err)
		}
		s := &skipped{}
		if Unpackaged(s, broker, absent); !strings.Contains(s.why, broker) || !strings.Contains(s.why, absent.Error()) {
			t.Errorf("%s is skipped because %q", broker, s.why)
		}
	}
}
