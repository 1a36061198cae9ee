package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers/redis"
	"taskbench/brokers/servertest"
	"taskbench/harness/ledger"
)

// The password of a server of one's own is in no file that a run leaves, and in nothing that it says, while it goes well and
// when it does not.
func TestSecretsAreInNoResult(t *testing.T) {
	servertest.Needed(t)
	const password = "hunter2%25"
	server := servertest.Launch(t, redis.Driver)
	o, err := goredis.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	rdb := goredis.NewClient(o)
	t.Cleanup(func() { _ = rdb.Close() })
	if err := rdb.Do(t.Context(), "acl", "setuser", "me", "on", ">hunter2%", "~*", "&*", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	for what, secret := range map[string]string{"right": password, "wrong": password + "hunter2"} {
		t.Run(what, func(t *testing.T) {
			s := newSite(t)
			url := "redis=" + strings.Replace(server.URL, "redis://", "redis://me:"+secret+"@", 1)
			p := s.start(t, "run", scene(t, "40/s", "1s", "5ms", ""), "--brokers", "redis:memory", "--url", url, "--out", s.out)
			if code := p.code(t, patience); (code == 0) != (what == "right") {
				t.Errorf("exit code %d", code)
			}
			if said := p.talk() + p.stdout.String(); strings.Contains(said, "hunter2") {
				t.Errorf("the password is shown:\n%s", said)
			}
			read := 0
			err := filepath.WalkDir(s.out, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				read++
				text, err := os.ReadFile(path)
				if err == nil && filepath.Ext(path) == ".tbz" {
					h, unreadable := ledger.ReadFile(path)
					if unreadable != nil {
						return unreadable
					}
					text = fmt.Appendf(nil, "%+v", h.Meta())
				}
				if bytes.Contains(text, []byte("hunter2")) {
					t.Errorf("the password is in %s", path)
				}
				return err
			})
			if err != nil && !os.IsNotExist(err) || what == "right" && read < 10 {
				t.Errorf("%d files are in the result, %v", read, err)
			}
		})
	}
}
