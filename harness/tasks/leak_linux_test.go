package tasks

import (
	"fmt"
	"os"
	"runtime/debug"
	"testing"
)

func TestLeakKeepsResidentMemory(t *testing.T) {
	resident := func() int64 {
		t.Helper()
		debug.FreeOSMemory() // what is free but resident would take in part of the leak
		text, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			t.Fatal(err)
		}
		var size, pages int64
		if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
			t.Fatal(err)
		}
		return pages * int64(os.Getpagesize())
	}
	before := resident()
	for range 128 {
		if _, err := runLeak(t.Context(), request(t, `{"keep": 1048576}`)); err != nil {
			t.Fatal(err)
		}
	}
	if grown := resident() - before; grown < 120<<20 {
		t.Errorf("leaking 128 MiB made the process grow by %d KiB", grown>>10)
	}
	if _, err := runLeak(t.Context(), request(t, `{"keep": -1}`)); err == nil {
		t.Error("a negative leak was accepted")
	}
}
