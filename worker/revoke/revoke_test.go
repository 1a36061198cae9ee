package revoke

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestRevokedForThreeHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New()
		if s.Has("a") {
			t.Error("an empty set has something")
		}
		if err := s.Add("a", "b", ""); err != nil {
			t.Fatal(err)
		}
		if !s.Has("a") || !s.Has("b") || s.Has("c") || s.Has("") {
			t.Errorf("it holds %v", s.IDs())
		}
		<-time.After(Keep - time.Second)
		if err := s.Add("b"); err != nil { // once more
			t.Fatal(err)
		}
		<-time.After(time.Second)
		if s.Has("a") || !s.Has("b") {
			t.Errorf("after %v it holds %v", Keep, s.IDs())
		}
		if got := s.IDs(); !slices.Equal(got, []string{"b"}) {
			t.Errorf("IDs = %v", got)
		}
	})
}

func TestTheFirstAreForgottenWhereItIsFull(t *testing.T) {
	s := New()
	ids := make([]string, Most+10)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	if err := s.Add(ids...); err != nil {
		t.Fatal(err)
	}
	if n := len(s.IDs()); n != Most {
		t.Errorf("it holds %d, want %d", n, Most)
	}
	if s.Has("9") || !s.Has("10") || !s.Has(ids[len(ids)-1]) {
		t.Error("others than the first ten were forgotten")
	}
}

func TestStamps(t *testing.T) {
	s := New()
	if err := s.AddStamps(map[string][]string{"tenant": {"7", "x"}}); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		headers map[string]any
		want    bool
	}{
		{map[string]any{"stamped_headers": []any{"tenant"}, "stamps": map[string]any{"tenant": int64(7)}}, true},
		{map[string]any{"stamped_headers": []any{"tenant"}, "stamps": map[string]any{"tenant": []any{"a", "x"}}}, true},
		{map[string]any{"stamped_headers": []any{"tenant"}, "tenant": "x"}, true},
		{map[string]any{"stamped_headers": []any{"tenant"}, "tenant": "y"}, false},
		{map[string]any{"tenant": "x"}, false}, // no stamp, a header of the user's
		{map[string]any{"stamped_headers": []any{"other"}, "other": "x"}, false},
		{map[string]any{"stamped_headers": "tenant", "tenant": "x"}, false},
		{nil, false},
	}
	for _, c := range cases {
		if got := s.HasStamp(c.headers); got != c.want {
			t.Errorf("HasStamp(%v) = %v", c.headers, got)
		}
	}
}

func TestAFileOutlivesItsSet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revoked")
	s, aside, err := Open(path)
	if err != nil || aside != "" {
		t.Fatal(aside, err)
	}
	if err := s.Add("a"); err != nil {
		t.Fatal(err)
	}
	if err := s.AddStamps(map[string][]string{"k": {"v"}}); err != nil {
		t.Fatal(err)
	}
	again, aside, err := Open(path)
	if err != nil || aside != "" {
		t.Fatal(aside, err)
	}
	if !again.Has("a") || !again.HasStamp(map[string]any{"stamped_headers": []any{"k"}, "k": "v"}) {
		t.Errorf("the next set holds %v", again.IDs())
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestACorruptFileIsSetAside(t *testing.T) {
	for _, text := range []string{"", "{", `{"version": 2}`, "[]"} {
		path := filepath.Join(t.TempDir(), "revoked")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, aside, err := Open(path)
		if err != nil || aside != path+".corrupt" {
			t.Fatalf("%q: aside %q, %v", text, aside, err)
		}
		if kept, _ := os.ReadFile(aside); string(kept) != text {
			t.Errorf("%q became %q", text, kept)
		}
		if err := s.Add("a"); err != nil {
			t.Fatal(err)
		}
		if s, _, err := Open(path); err != nil || !s.Has("a") {
			t.Errorf("after %q the file does not serve: %v", text, err)
		}
	}
}

// What cannot be written down is revoked all the same, and said not to be kept.
func TestAFileThatCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	s, _, err := Open(filepath.Join(dir, "revoked"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add("a"); err == nil {
		t.Error("no error")
	}
	if !s.Has("a") {
		t.Error("it is not revoked")
	}
}

// A slow disk holds up who revokes, and not who asks.
func TestNobodyWaitsForTheFile(t *testing.T) {
	s, _, err := Open(filepath.Join(t.TempDir(), "revoked"))
	if err != nil {
		t.Fatal(err)
	}
	s.saving.Lock() // as one does who writes
	added := make(chan error)
	go func() { added <- s.Add("a") }()
	for deadline := time.After(20 * time.Second); !s.Has("a"); {
		select {
		case <-deadline:
			t.Fatal("it is not revoked in 20 s")
		case err := <-added:
			t.Fatalf("it did not wait to be written: %v", err)
		default:
		}
	}
	s.saving.Unlock()
	if err := <-added; err != nil {
		t.Error(err)
	}
	if again, _, err := Open(s.path); err != nil || !again.Has("a") {
		t.Errorf("the file does not hold it: %v", err)
	}
}
