// Command testlog runs `go test -json`, or what calls it, passes on what a person needs of its output, and ends with the
// slowest tests and packages. It exits 1 when a test failed, when a test was skipped that the list of skips does not
// allow, when nothing was tested, or when the command failed and no test tells why.
//
//	testlog ci/skips.txt go test -json ./...
//
// With -again, tests that failed are run once more by the command that it holds, each alone, as long as they are no more
// than four: a machine that is too busy fails a test with a clock in it, and a bug fails it twice. Those
// that then pass are named at the end, to be looked at, and the run has passed.
//
//	testlog -again 'go test -race' ci/skips.txt go test -race -json ./...
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

func main() {
	again := flag.String("again", "", "run tests that failed once more with this `command`")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: testlog [-again 'go test ...'] SKIPS COMMAND ...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() < 2 {
		flag.Usage()
		os.Exit(2)
	}
	allowed, err := readSkips(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, "testlog: read the list of allowed skips:", err)
		os.Exit(2)
	}
	l := newLog(os.Stdout, allowed)
	l.run(flag.Args()[1:])
	if *again != "" {
		l.again(strings.Fields(*again))
	}
	if !l.summarise() {
		os.Exit(1)
	}
}

func readSkips(name string) ([]*skip, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	allowed, err := parseSkips(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return allowed, nil
}

// run takes in what a command says.
func (l *log) run(command []string) {
	c := exec.Command(command[0], command[1:]...)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		l.broken(fmt.Errorf("start %s: %w", command[0], err))
		return
	}
	if err := l.read(out); err != nil {
		l.broken(fmt.Errorf("read the output of %s: %w", command[0], err))
		_, _ = io.Copy(io.Discard, out) // or it would never end
	}
	if err := c.Wait(); err != nil && len(l.failed) == 0 {
		l.broken(fmt.Errorf("%s: %w", strings.Join(command, " "), err))
	}
}

func (l *log) broken(err error) { l.failed = append(l.failed, failure{pkg: err.Error()}) }
