package labtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"taskbench/brokers"
)

// Version is the one that the fake server tells.
const Version = "1.2.3"

// A Fake is a server of one line in, one line out: "version"; "put TEXT", which is kept in a file of its
// directory; "get"; "burn", which uses the CPU for a while.
type Fake struct {
	ln  net.Listener
	dir string

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// Serve starts a fake server at addr with its data in dir.
func Serve(addr, dir string) (*Fake, error) {
	ln, err := net.Listen("tcp4", addr)
	if err != nil {
		return nil, err
	}
	f := &Fake{ln: ln, dir: dir, conns: make(map[net.Conn]struct{})}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns[c] = struct{}{}
			f.mu.Unlock()
			go f.talk(c)
		}
	}()
	return f, nil
}

// Close drops the port and every connection.
func (f *Fake) Close() error {
	err := f.ln.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		_ = c.Close()
	}
	return err
}

func (f *Fake) talk(c net.Conn) {
	defer func() { _ = c.Close() }()
	s := bufio.NewScanner(c)
	for s.Scan() {
		word, rest, _ := strings.Cut(s.Text(), " ")
		answer := "what?"
		switch word {
		case "version":
			answer = Version
		case "put":
			answer = "ok"
			if err := os.WriteFile(filepath.Join(f.dir, "data"), []byte(rest), 0o600); err != nil {
				answer = err.Error()
			}
		case "get":
			b, err := os.ReadFile(filepath.Join(f.dir, "data"))
			if answer = string(b); err != nil {
				answer = err.Error()
			}
		case "burn":
			for end := spent() + 150*time.Millisecond; spent() < end; {
				answer = "warm"
			}
		}
		_, _ = fmt.Fprintln(c, answer)
	}
}

// Ask sends a line to the fake server at addr and returns its answer.
func Ask(ctx context.Context, addr, line string) (string, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if _, err := fmt.Fprintln(c, line); err != nil {
		return "", err
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return strings.TrimSuffix(answer, "\n"), err
}

// How the fake process behaves, as the name of a variant.
const (
	Plain   = "plain"
	Crashes = "crashes" // prints why, and ends before it is ready
	Mute    = "mute"    // runs and never listens
	Clings  = "clings"  // ignores SIGTERM
	Strews  = "strews"  // starts a child in the group, one outside, and a daemon
)

const envFake = "LABTEST_FAKE"

// Driver is a broker whose server is the running test binary itself: call Main first in its TestMain.
func Driver() brokers.Driver {
	var variants []brokers.Variant
	for _, name := range []string{Plain, Crashes, Mute, Clings, Strews} {
		variants = append(variants, brokers.Variant{Name: name, Settings: map[string]string{"mode": name}})
	}
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return brokers.Driver{Name: "fake", Variants: variants, Server: brokers.ServerSpec{
		Product:  "fake",
		Binaries: []string{"no-such-binary|" + self},
		Command: func(l brokers.Launch) brokers.Command {
			return brokers.Command{
				Args:  []string{self, "-test.run=^$"},
				Env:   []string{envFake + "=" + l.Variant.Name + "," + net.JoinHostPort(l.Host, fmt.Sprint(l.Port)) + "," + l.Dir},
				Files: map[string]string{"conf/fake.conf": "mode " + l.Variant.Name},
			}
		},
		Embedded: func(_ context.Context, l brokers.Launch) (brokers.Server, error) {
			return Serve(net.JoinHostPort(l.Host, fmt.Sprint(l.Port)), l.Dir)
		},
		URL:   func(addr string) string { return "fake://" + addr },
		Ready: func(ctx context.Context, url string) (string, error) { return Ask(ctx, Host(url), "version") },
	}}
}

// Made is Driver with a server that Go makes, and which is not on PATH: servertest.FakeGo with the test binary is that Go.
func Made() brokers.Driver {
	d := Driver()
	inherited := d.Server.Command
	d.Server.Embedded = nil
	d.Server.Program = "example.org/fake-server@v1.2.0"
	d.Server.Oldest = "1.1"
	d.Server.Binaries = []string{d.Server.Program.Name()}
	d.Server.Command = func(l brokers.Launch) brokers.Command {
		c := inherited(l)
		c.Args[0] = d.Server.Program.Name()
		return c
	}
	return d
}

// Host is the address in a URL of the fake.
func Host(url string) string { return strings.TrimPrefix(url, "fake://") }

// Main runs the fake server and never returns, where a lab has started this binary as one.
func Main() {
	order := os.Getenv(envFake)
	if order == "" {
		return
	}
	f := strings.SplitN(order, ",", 3)
	mode, addr, dir := f[0], f[1], f[2]
	conf, err := os.ReadFile(filepath.Join(dir, "conf/fake.conf"))
	fmt.Printf("fake: %s (%v) at %s\n", conf, err, addr)
	switch mode {
	case Crashes:
		for i := range 30 {
			fmt.Printf("line %d\n", i)
		}
		fmt.Fprintln(os.Stderr, "fake: no more disk")
		os.Exit(3)
	case Mute:
		forever()
	case Clings:
		ignoreTerm()
	case Strews:
		for _, script := range []string{"exec sleep 300", "exec setsid sleep 300", "setsid sleep 300 & disown 2>/dev/null; exit 0"} {
			c := exec.Command("sh", "-c", script)
			if err := c.Start(); err != nil {
				panic(err)
			}
			go func() { _ = c.Wait() }()
		}
	}
	if _, err := Serve(addr, dir); err != nil {
		fmt.Fprintln(os.Stderr, "fake:", err)
		os.Exit(1)
	}
	waitForTerm(mode)
	fmt.Println("fake: stopped in good order")
	os.Exit(0)
}

// Addr is where the server listens.
func (f *Fake) Addr() string { return f.ln.Addr().String() }
