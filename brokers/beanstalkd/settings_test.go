package beanstalkd

import (
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
)

func TestConfigure(t *testing.T) {
	for url, want := range map[string]settings{
		"beanstalk://h":                  {"h:11300", 10 * time.Second},
		"beanstalk://h:1/":               {"h:1", 10 * time.Second},
		"beanstalk://[::1]:1?ttr=2s":     {"[::1]:1", 2 * time.Second},
		"beanstalk://127.0.0.1:1?ttr=1m": {"127.0.0.1:1", time.Minute},
	} {
		if got, err := configure(url, Driver.Variants[0]); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", url, got, err, want)
		}
	}
	v := brokers.Variant{Settings: map[string]string{"ttr": "5s"}}
	if got, err := configure("beanstalk://h", v); err != nil || got.ttr != 5*time.Second {
		t.Errorf("with the variant's setting: %+v, %v", got, err)
	}
}

func TestConfigureRefuses(t *testing.T) {
	for url, says := range map[string]string{
		"redis://h": "scheme", "beanstalk://": "host", "beanstalk://u:s3cret@h": "password", "beanstalk://h/0": "path",
		"beanstalk://h?tttr=1s": "only parameter", "beanstalk://h#x": "fragment", "beanstalk://h?ttr=1500ms": "whole seconds",
		"beanstalk://h?ttr=0s": "whole seconds", "beanstalk://h?ttr=x": "whole seconds", "beanstalk://h?ttr=25h": "whole seconds",
	} {
		_, err := configure(url, brokers.Variant{})
		if !brokers.Definite(err) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
