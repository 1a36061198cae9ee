// Command testlog reads the output of `go test -json` on standard input, passes on what a person needs of it, and ends
// with the slowest tests and packages. It exits 1 when a test failed, when a test was skipped that the list of skips
// does not allow, or when nothing was tested.
//
//	go test -json ./... | testlog ci/skips.txt
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go test -json ./... | testlog SKIPS")
		os.Exit(2)
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "testlog: read the list of allowed skips:", err)
		os.Exit(2)
	}
	allowed, err := parseSkips(string(text))
	if err != nil {
		fmt.Fprintf(os.Stderr, "testlog: %s: %v\n", os.Args[1], err)
		os.Exit(2)
	}
	l := newLog(os.Stdout, allowed)
	if err := l.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testlog: read the output of go test:", err)
		os.Exit(1)
	}
	if !l.summarise() {
		os.Exit(1)
	}
}
