package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestLog(t *testing.T) {
	const (
		ok      = `{"Action":"output","Package":"m/a","Test":"TestA","Output":"chatter\n"}` + "\n" + `{"Action":"pass","Package":"m/a","Test":"TestA","Elapsed":1.5}` + "\n" + `{"Action":"output","Package":"m/a","Output":"PASS\n"}` + "\n" + `{"Action":"output","Package":"m/a","Output":"ok  \tm/a\t2.0s\n"}` + "\n" + `{"Action":"pass","Package":"m/a","Elapsed":2}` + "\n"
		skipped = `{"Action":"output","Package":"m/a","Test":"TestS/sub","Output":"    no engine\n"}` + "\n" + `{"Action":"skip","Package":"m/a","Test":"TestS/sub","Elapsed":0}` + "\n"
		failed  = `{"Action":"output","Package":"m/b","Test":"TestB","Output":"    b_test.go:7: lost 3\n"}` + "\n" + `{"Action":"fail","Package":"m/b","Test":"TestB","Elapsed":0.1}` + "\n" + `{"Action":"fail","Package":"m/b","Elapsed":0.2}` + "\n"
		unbuilt = `{"ImportPath":"m/c","Action":"build-output","Output":"c.go:1: undefined: x\n"}` + "\n" + `{"ImportPath":"m/c","Action":"build-fail"}` + "\n"
		crashed = `{"Action":"output","Package":"m/d","Output":"panic: gone\n"}` + "\n" + `{"Action":"fail","Package":"m/d","Elapsed":0.2}` + "\n"
	)
	tests := map[string]struct {
		in, skips string
		good      bool
		want      []string
		wantNot   []string
	}{
		"all well":           {ok, "", true, []string{"ok  \tm/a", "    2.00 s  m/a\n", "    1.50 s  m/a TestA", "\n1 passed, 0 failed, 0 skipped\n"}, []string{"chatter"}},
		"a failure":          {ok + failed, "", false, []string{"b_test.go:7: lost 3", "  m/b TestB\n", "1 passed, 1 failed, 0 skipped"}, []string{"no test of its own"}},
		"a silent skip":      {ok + skipped, "", false, []string{"no engine", "skipped without standing", "1 passed, 1 failed, 0 skipped"}, nil},
		"an allowed skip":    {ok + skipped, "m/a TestS/* needs a second machine\n", true, []string{"1 passed, 0 failed, 1 skipped"}, []string{"no engine"}},
		"a skip too many":    {ok, "m/a TestS/* needs a second machine\n", true, []string{"m/a TestS/*, which was not skipped"}, nil},
		"a skip at times":    {ok, "m/a TestS/* sometimes: it rains\n", true, []string{"1 passed, 0 failed, 0 skipped"}, []string{"was not skipped"}},
		"does not build":     {ok + unbuilt, "", false, []string{"undefined: x", "m/c (does not build)"}, nil},
		"a crash":            {ok + crashed, "", false, []string{"panic: gone", "m/d (no test of its own failed: see above)"}, nil},
		"nothing at all":     {"", "", false, []string{"No test was run."}, nil},
		"words of something": {"make: *** no rule\n" + ok, "", true, []string{"make: *** no rule\n"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			allowed, err := parseSkips(test.skips)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			l := newLog(&b, allowed)
			if err := l.read(strings.NewReader(test.in)); err != nil {
				t.Fatal(err)
			}
			if good := l.summarise(); good != test.good {
				t.Errorf("all well: %v, want %v", good, test.good)
			}
			for _, want := range test.want {
				if !strings.Contains(b.String(), want) {
					t.Errorf("does not say %q", want)
				}
			}
			for _, not := range test.wantNot {
				if strings.Contains(b.String(), not) {
					t.Errorf("says %q", not)
				}
			}
			if t.Failed() {
				t.Log(b.String())
			}
		})
	}
}

func TestSkipsNeedAReason(t *testing.T) {
	for _, text := range []string{"m/a TestA\n", "m/a\n", "# fine\n\nm/a [ reason\n"} {
		if _, err := parseSkips(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

// TestMain lets the test binary stand in for go test: it says the lines of TESTLOG_SAY, and fails if one is a failure.
func TestMain(m *testing.M) {
	text := os.Getenv("TESTLOG_SAY")
	if text == "" {
		os.Exit(m.Run())
	}
	fmt.Print(text)
	if strings.Contains(text, `"fail"`) {
		os.Exit(1)
	}
}

func TestAgain(t *testing.T) {
	result := func(action string, tests ...string) (lines string) {
		for _, test := range tests {
			lines += fmt.Sprintf(`{"Action":%q,"Package":"m/a","Test":%q}`+"\n", action, test)
		}
		return lines + fmt.Sprintf(`{"Action":%q,"Package":"m/a"}`+"\n", action)
	}
	tests := map[string]struct {
		first, second string
		good          bool
		want, wantNot string
	}{
		"passes then":       {result("fail", "TestA/b", "TestA"), result("pass", "TestA/b", "TestA"), true, "once more: m/a TestA/b\n", "once more: m/a TestA\n"},
		"is named":          {result("fail", "TestA"), result("pass", "TestA"), true, "each is to be looked at:\n  m/a TestA\n", "failed:\n"},
		"fails twice":       {result("fail", "TestA"), result("fail", "TestA"), false, "failed:\n  m/a TestA\n", "looked at"},
		"fails otherwise":   {result("fail", "TestA/b", "TestA"), result("fail", "TestA/c", "TestA"), false, "failed:\n  m/a TestA/c\n  m/a TestA\n", ""},
		"too many":          {result("fail", "TestA", "TestB", "TestC", "TestD", "TestE"), result("pass", "TestA"), false, "m/a TestE", "once more"},
		"a crash":           {result("fail"), result("pass", "TestA"), false, "no test of its own failed", "once more"},
		"nothing to repeat": {result("pass", "TestA"), result("fail", "TestA"), true, "1 passed", "once more"},
		"is not run":        {result("fail", "TestA/b", "TestA"), result("pass", "TestA"), false, "failed:\n  m/a TestA/b\n", ""},
		"runs none":         {result("fail", "TestA"), result("pass"), false, "failed:\n  m/a TestA\n", "looked at"},
		"is skipped":        {result("fail", "TestA"), `{"Action":"skip","Package":"m/a","Test":"TestA"}` + "\n" + result("pass"), false, "failed:\n  m/a TestA\n", "looked at"},
		"is not there":      {result("fail", "TestA"), `{"Action":"fail","Package":"m/a"}` + "\n", false, "no test of its own failed", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			l := newLog(&b, nil)
			t.Setenv("TESTLOG_SAY", test.first)
			l.run([]string{os.Args[0]})
			t.Setenv("TESTLOG_SAY", test.second)
			l.again([]string{os.Args[0]})
			if good := l.summarise(); good != test.good {
				t.Errorf("all well: %v, want %v", good, test.good)
			}
			if !strings.Contains(b.String(), test.want) || test.wantNot != "" && strings.Contains(b.String(), test.wantNot) {
				t.Errorf("want %q and not %q, in:\n%s", test.want, test.wantNot, &b)
			}
		})
	}
}

func TestCommandThatFails(t *testing.T) {
	for _, command := range [][]string{{"false"}, {"no-such-command-anywhere"}} {
		var b strings.Builder
		l := newLog(&b, nil)
		l.passed = 1
		l.run(command)
		if l.summarise() || !strings.Contains(b.String(), command[0]) {
			t.Errorf("%s is taken for a success:\n%s", command[0], &b)
		}
	}
}
