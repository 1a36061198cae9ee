package link

import (
	"reflect"
	"strings"
	"testing"

	"taskbench/brokers"
)

func TestSentinels(t *testing.T) {
	for rawURL, want := range map[string]struct {
		watch
		user, password string
		db             int
	}{
		"sentinel://a:1;sentinel://b:2/3?master_name=m":                       {watch{sentinels: []string{"a:1", "b:2"}, master: "m"}, "", "", 3},
		"sentinel://:p%3Bw@a:1/3;sentinel://:p%3Bw@b:2/3?master_name=m":       {watch{sentinels: []string{"a:1", "b:2"}, master: "m"}, "", "p;w", 3},
		"sentinel://u:p@a?master_name=m&sentinel_password=s;sentinel://[::1]": {watch{sentinels: []string{"a:26379", "[::1]:26379"}, master: "m", password: "s"}, "u", "p", 0},
		"sentinel://a:1/0?master_name=m&sentinel_username=w&lease=9s":         {watch{sentinels: []string{"a:1"}, master: "m", username: "w"}, "", "", 0},
	} {
		got, _, err := configure(rawURL, brokers.Variant{})
		if err != nil {
			t.Errorf("%s: %v", rawURL, err)
			continue
		}
		if got.watch == nil || !reflect.DeepEqual(*got.watch, want.watch) || got.Username != want.user || got.Password != want.password || got.DB != want.db {
			t.Errorf("%s: %+v with %s:%s and database %d", rawURL, got.watch, got.Username, got.Password, got.DB)
		}
		if text := got.String(); !strings.Contains(text, "m of the sentinels") || strings.Contains(text, "p;w") {
			t.Errorf("%s is shown as %s", rawURL, text)
		}
	}
}

func TestSentinelsAreRefused(t *testing.T) {
	for rawURL, says := range map[string]string{
		"sentinel://:s3cret@a:1;sentinel://:s3cret@b:2/0":               "master_name",
		"sentinel://:s3cret@a:1;redis://b:2/0?master_name=m":            "sentinel://host:port",
		"sentinel://:s3cret@a:1;b:2/0?master_name=m":                    "sentinel://host:port",
		"sentinel://:s3cret@a:1;sentinel:///0?master_name=m":            "sentinel://host:port",
		"sentinel://:s3cret@a:1/x?master_name=m":                        "database",
		"sentinel://:s3cret@a:1/0?master_name=m&nonsense=1":             "nonsense",
		"sentinel://:s3cret@a:port/0?master_name=m":                     "sentinel://host:port",
		"sentinel://:s3cret/@a:1/0?master_name=m":                       "percent-encoded",
		"sentinel://a:1/0?master_name=m&sentinel_password=s3cret&odd=1": "odd",
	} {
		_, _, err := configure(rawURL, brokers.Variant{})
		if !brokers.Definite(err) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want a Definite error that says %q and not the password", rawURL, err, says)
		}
	}
}
