package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/brokers/mysql"
	"taskbench/brokers/postgres"
	"taskbench/brokers/rabbitmq"
	"taskbench/brokers/redis"
	"taskbench/brokers/servertest"
	"taskbench/harness/ledger"
)

const (
	shown    = "hunter2" // of a password that must be seen nowhere
	password = shown + "%"
)

// withUser puts a user and a password into a URL.
func withUser(t *testing.T, at, user, secret string) string {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, secret)
	return u.String()
}

// guarded start servers that know the user me by the password. That of PostgreSQL asks nobody for one.
var guarded = map[string]func(t *testing.T) string{
	"redis:memory": func(t *testing.T) string {
		at := servertest.Launch(t, redis.Driver).URL
		o, err := goredis.ParseURL(at)
		if err != nil {
			t.Fatal(err)
		}
		rdb := goredis.NewClient(o)
		t.Cleanup(func() { _ = rdb.Close() })
		if err := rdb.Do(t.Context(), "acl", "setuser", "me", "on", ">"+password, "~*", "&*", "+@all").Err(); err != nil {
			t.Fatal(err)
		}
		return withUser(t, at, "me", password)
	},
	"postgres:lease-async": func(t *testing.T) string {
		return withUser(t, servertest.Launch(t, postgres.Driver).URL, "taskbench", password)
	},
	"mysql:lease-async": func(t *testing.T) string {
		v, err := mysql.Driver.Variant("lease-async")
		if err != nil {
			t.Fatal(err)
		}
		s := servertest.LaunchAs(t, mysql.Driver, v, func(c *brokers.Command, dir string) {
			people := filepath.Join(dir, "people.sql")
			text := "CREATE DATABASE IF NOT EXISTS taskbench;\nCREATE USER IF NOT EXISTS taskbench@'%';\nCREATE USER IF NOT EXISTS me@'%' IDENTIFIED BY '" + password + "';\n" +
				"GRANT ALL ON taskbench.* TO taskbench@'%';\nGRANT ALL ON taskbench.* TO me@'%';\n"
			if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(people, []byte(text), 0o644)); err != nil {
				t.Fatal(err)
			}
			c.Args = append(c.Args, "--init-file="+people)
		})
		return withUser(t, s.URL, "me", password)
	},
	"rabbitmq:classic": func(t *testing.T) string {
		s := servertest.LaunchAs(t, rabbitmq.Driver, rabbitmq.Driver.Variants[0], func(c *brokers.Command, dir string) {
			c.Files["people.json"] = `{"vhosts": [{"name": "/"}], "users": [{"name": "guest", "password": "guest", "tags": "administrator"},
				{"name": "me", "password": "` + password + `", "tags": ""}], "permissions": [
				{"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}, {"user": "me", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}]}`
			c.Files["rabbitmq.conf"] += "load_definitions = " + filepath.Join(dir, "people.json") + "\n"
		})
		return withUser(t, s.URL, "me", password)
	},
}

// The password of a server of one's own is in no file that a run leaves, and in nothing that it says, while it goes well and
// when it does not.
func TestSecretsAreInNoResult(t *testing.T) {
	servertest.Needed(t)
	t.Parallel() // its runs wait, for servers to start and for those that never answer
	for broker, serve := range guarded {
		t.Run(broker, func(t *testing.T) {
			t.Parallel()
			right := serve(t)
			name, _, _ := strings.Cut(broker, ":")
			wrong := strings.Replace(right, shown, shown+shown, 1)
			if name == "postgres" { // it asks for none: another server's port is wrong
				wrong = withUser(t, "postgresql://"+servertest.Nobody(t)+"/postgres?sslmode=disable", "me", password)
			}
			for what, at := range map[string]string{"right": right, "wrong": wrong} {
				t.Run(what, func(t *testing.T) {
					t.Parallel()
					s := newSite(t)
					p := s.start(t, "run", scene(t, "40/s", "1s", "5ms", ""), "--brokers", broker, "--url", name+"="+at, "--out", s.out)
					if code := p.code(t, patience); (code == 0) != (what == "right") {
						t.Errorf("exit code %d: %s", code, p.talk())
					}
					if read := s.secrets(t, p.talk()+p.stdout.String()); what == "right" && read < 10 {
						t.Errorf("%d files are in the result", read)
					}
				})
			}
		})
	}
}

// Whatever a command does with the URL of a server that is not there, of any broker, it does not show the password.
func TestSecretsOfServersThatAreNotThere(t *testing.T) {
	t.Parallel() // they are tried again for a while
	for _, d := range all.Drivers() {
		if d.Server.Library {
			continue
		}
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			at := withUser(t, d.Server.URL(servertest.Nobody(t)), "me", password)
			for what, args := range map[string][]string{
				"run":     {"run", scene(t, "40/s", "1s", "5ms", ""), "--brokers", d.Name, "--url", d.Name + "=" + at},
				"doctor":  {"doctor", d.Name, "--url", at},
				"send":    {"send", "io", "--broker", at},
				"inspect": {"inspect", "ping", "--broker", at},
			} {
				t.Run(what, func(t *testing.T) {
					t.Parallel()
					s := newSite(t)
					if what == "run" {
						args = append(args, "--out", s.out)
					}
					p := s.start(t, args...)
					if code := p.code(t, patience); code == exitOK {
						t.Errorf("exit code %d", code)
					}
					s.secrets(t, p.talk()+p.stdout.String())
				})
			}
		})
	}
}

// secrets looks for the password in what was said and in the files of the result, and returns how many there are.
func (s *site) secrets(t *testing.T, said string) (read int) {
	t.Helper()
	if strings.Contains(said, shown) {
		t.Errorf("the password is shown:\n%s", said)
	}
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
		if bytes.Contains(text, []byte(shown)) {
			t.Errorf("the password is in %s", path)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
	return read
}
