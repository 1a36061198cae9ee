package port

import (
	"net"
	"testing"
)

func TestStaysBelowTheKernelsRange(t *testing.T) {
	low := ephemeral()
	seen := map[int]bool{}
	for range 50 {
		ln, err := Listen()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ln.Close() }()
		p := ln.Addr().(*net.TCPAddr).Port
		if p < lowest || p >= low || seen[p] {
			t.Errorf("port %d: want a new one from %d to %d", p, lowest, low)
		}
		seen[p] = true
		if !Taken(p) {
			t.Errorf("port %d is listened on and not taken", p)
		}
	}
}

func TestFreeIsFree(t *testing.T) {
	p, err := Free()
	if err != nil {
		t.Fatal(err)
	}
	if Taken(p) {
		t.Errorf("port %d is taken", p)
	}
}
