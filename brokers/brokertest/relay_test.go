package brokertest_test

import (
	"strings"
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
)

func TestThroughDoesNotShowTheURL(t *testing.T) {
	for _, url := range []string{"x://user:s3cret@host", "x://user:s3cret%@host:1"} {
		_, _, err := brokertest.Through(brokertest.Subject{Driver: brokers.Driver{Name: "d"}, URL: url})
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("through %q: %v, want an error without the password", url, err)
		}
	}
}
