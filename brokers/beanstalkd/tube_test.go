package beanstalkd

import (
	"strings"
	"testing"

	"taskbench/brokers"
)

func TestTubesAreNamedAsTheServerAllows(t *testing.T) {
	for queue, want := range map[string]string{
		"celery": "celery", "a.b-c_d/e;f+g$": "a.b-c_d/e;f+g$", "-x": "(2D)x", "x-": "x-", "a b": "a(20)b", "w@host": "w(40)host",
		"a(20)b": "a(28)20(29)b", "größe": "gr(C3)(B6)(C3)(9F)e", "a\r\nb": "a(0D)(0A)b",
	} {
		if got, err := tubeOf(queue); got != want || err != nil {
			t.Errorf("queue %q has tube %q, %v; want %q", queue, got, err, want)
		}
	}
	if _, err := tubeOf(strings.Repeat("q", longestTube)); err != nil {
		t.Error(err)
	}
	for _, queue := range []string{"", strings.Repeat("q", longestTube+1), strings.Repeat("ü", 40)} {
		if tube, err := tubeOf(queue); !brokers.Definite(err) {
			t.Errorf("queue %q has tube %q, %v; want a Definite error", queue, tube, err)
		}
	}
}
