package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"taskbench/harness/lab/engine/enginetest"
	"taskbench/harness/lab/port"
)

// fakeRedis puts a redis-server that is none first on PATH.
func fakeRedis(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "redis-server"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return "PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH")
}

// muteRedis starts, and never answers.
func muteRedis(t *testing.T) string {
	return fakeRedis(t, "echo loading\necho 'waiting for a disk that never comes' >&2\nexec sleep 1000\n")
}

func redisProcess(*testing.T) []string {
	return []string{"compare", "--lab", "process", "--brokers", "redis", "--pools", "prefork"}
}

// A server that never becomes ready is given up, and the end of its log is shown.
func TestServerNeverReady(t *testing.T) {
	tests := map[string]struct {
		script string
		says   []string
	}{
		"mute":    {"echo loading\necho 'waiting for a disk that never comes' >&2\nexec sleep 1000\n", []string{"not become ready within 500ms", "waiting for a disk that never comes"}},
		"crashes": {"echo 'out of luck' >&2\nexit 3\n", []string{"ended before it was ready", "exit status 3", "out of luck"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := fakeRedis(t, test.script)
			s := newSite(t, env)
			p := s.start(t, append(redisProcess(t), "--patience", "500ms", "--out", s.out)...)
			if code := p.code(t, patience); code != exitEnvironment {
				t.Errorf("exit code %d, want %d", code, exitEnvironment)
			}
			wants(t, p.talk(), test.says...)
			wants(t, fmt.Sprint(resultIn(t, s.out).Cells[0].Warnings), test.says...)
			s.tidy(t)

			s = newSite(t, env)
			p = s.start(t, "up", "redis", "--lab", "process", "--patience", "500ms")
			if code := p.code(t, patience); code != exitEnvironment || p.stdout.Len() > 0 {
				t.Errorf("up: exit code %d, stdout %q", code, p.stdout.String())
			}
			wants(t, p.talk(), test.says...)
			for _, pid := range s.workers(t) {
				t.Errorf("process %d is left", pid)
			}
		})
	}
}

func TestPortTaken(t *testing.T) {
	for _, lab := range []string{"process", "docker"} {
		t.Run(lab, func(t *testing.T) {
			env := muteRedis(t)
			if lab == "docker" {
				enginetest.Needed(t)
			}
			thief, err := port.Listen()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = thief.Close() }()
			s := newSite(t, env)
			p := s.start(t, "up", "redis", "--lab", lab, "--port", fmt.Sprint(thief.Addr().(*net.TCPAddr).Port))
			if code := p.code(t, patience); code != exitEnvironment || p.stdout.Len() > 0 {
				t.Errorf("exit code %d, stdout %q", code, p.stdout.String())
			}
			wants(t, p.talk(), fmt.Sprintf("port %d on 127.0.0.1 is taken", thief.Addr().(*net.TCPAddr).Port), "choose another port")
			s.tidy(t)
		})
	}
}

// What the machine lacks is told before anything is made, with what to do about it.
func TestMachineLacks(t *testing.T) {
	closed, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	noEngine := fmt.Sprintf("DOCKER_HOST=tcp://127.0.0.1:%d", closed)
	tests := map[string]struct {
		env    []string
		args   []string
		engine bool
		says   []string
	}{
		"engine": {
			env: []string{noEngine}, args: []string{"--lab", "docker", "--brokers", "redis"},
			says: []string{"no container engine answers", "make engine"},
		},
		"engine and server": {
			env: []string{noEngine, "PATH=/nonexistent"}, args: []string{"--brokers", "redis"},
			says: []string{"no container engine answers", "redis-server is not on PATH"},
		},
		"image": {
			// The registry of that name is this machine, where none listens.
			args: []string{"--lab", "docker", "--brokers", "redis", "--image", fmt.Sprintf("redis=127.0.0.1:%d/nosuch:1", closed)}, engine: true,
			says: []string{"no image can be had", "nosuch:1", "registry cannot be reached", "bench images build"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.engine {
				enginetest.Needed(t)
			}
			s := newSite(t, test.env...)
			p := s.start(t, append(append([]string{"compare"}, test.args...), "--out", s.out)...)
			if code := p.code(t, patience); code != exitEnvironment || p.stdout.Len() > 0 {
				t.Errorf("exit code %d, stdout %q", code, p.stdout.String())
			}
			wants(t, p.talk(), test.says...)
			s.nothingMade(t)
		})
	}
}
