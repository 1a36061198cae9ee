package file

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"taskbench/worker/beat"
)

// lasting is how long a line may wait for the disk.
const lasting = time.Second

// A state is the log of marks.
type state struct {
	path string
	log  *slog.Logger
	hold *os.File // its flock keeps others out

	mu      sync.Mutex
	marks   map[string]beat.Mark
	file    *os.File // nil: there is none yet, or it has to be written anew
	size    int64    // of the lines that are whole
	lines   int
	pending bool             // a sync is under way
	rewrite *strings.Builder // what was appended while the file is written anew; nil: it is not
	busy    sync.WaitGroup
	closed  bool
}

func openState(path string, log *slog.Logger) (*state, error) {
	s := &state{path: path, log: log, marks: map[string]beat.Mark{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	hold, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(hold.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = hold.Close() // the first error says more
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s is used by another beat: give each its own", path)
		}
		return nil, fmt.Errorf("lock %s: %w", path+".lock", err)
	}
	s.hold = hold
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		_ = hold.Close()
		return nil, err
	}
	if err == nil {
		s.restore(string(data))
	}
	return s, nil
}

// restore reads what is there. The file is written anew at the first write.
func (s *state) restore(data string) {
	damage := decodeLog(data, s.marks)
	if damage == nil {
		return
	}
	aside := s.path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000")
	if err := os.Rename(s.path, aside); err != nil {
		s.log.Error("the state of beat is damaged, and cannot be set aside", "file", s.path, "damage", damage, "error", err)
		return
	}
	s.log.Error("the state of beat is damaged: it is set aside, and what can be read of it is used", "file", aside, "damage", damage,
		"entries", len(s.marks))
}

func (s *state) recall() []beat.Mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	marks := make([]beat.Mark, 0, len(s.marks))
	for _, m := range s.marks {
		marks = append(marks, m)
	}
	return marks
}

// write appends marks to the log. What could not be appended is not kept here either: it comes again.
func (s *state) write(marks []beat.Mark) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	for _, m := range marks {
		if m.Forgotten() {
			delete(s.marks, m.Name)
		} else {
			s.marks[m.Name] = m
		}
	}
	if s.file == nil {
		f, size, err := replace(s.path, encodeLog(s.marks))
		if err != nil {
			return err
		}
		s.file, s.size, s.lines = f, size, len(s.marks)
		return nil
	}
	var b strings.Builder
	for _, m := range marks {
		appendLine(&b, m)
	}
	n, err := s.file.WriteString(b.String())
	if err != nil {
		if n > 0 && !s.cut() {
			s.drop() // its end is torn for good
		}
		return err
	}
	s.size += int64(n)
	s.lines += len(marks)
	if s.rewrite != nil {
		s.rewrite.WriteString(b.String())
	}
	s.keep()
	return nil
}

// cut takes off what was written of lines that are not whole.
func (s *state) cut() bool {
	if s.file.Truncate(s.size) != nil {
		return false
	}
	_, err := s.file.Seek(s.size, io.SeekStart)
	return err == nil
}

// drop makes the next write write the file anew.
func (s *state) drop() {
	_ = s.file.Close()
	s.file = nil
}

// keep sees to it that the lines last, and that the log does not grow for ever.
func (s *state) keep() {
	if !s.pending {
		s.pending = true
		f := s.file
		s.busy.Add(1)
		time.AfterFunc(lasting, func() {
			defer s.busy.Done()
			s.mu.Lock()
			s.pending = false
			s.mu.Unlock()
			_ = f.Sync() // what does not last is what a power cut may take: the last seconds
		})
	}
	if s.rewrite == nil && s.lines > 4*len(s.marks)+1000 {
		s.rewrite = &strings.Builder{}
		text := encodeLog(s.marks)
		lines := len(s.marks)
		s.busy.Go(func() { s.anew(text, lines) })
	}
}

// anew replaces the log by a short one, while lines are still appended to both.
func (s *state) anew(text string, lines int) {
	temporary, err := writeTemporary(s.path, text)
	s.mu.Lock()
	defer s.mu.Unlock()
	more := s.rewrite.String()
	s.rewrite = nil
	if err != nil {
		s.lines = 0 // try again after as many more
		return
	}
	if _, err = temporary.WriteString(more); err == nil {
		err = temporary.Sync()
	}
	if err == nil && s.file == nil {
		err = os.ErrClosed // the file was torn meanwhile: the next write does all of this
	}
	if err == nil {
		err = install(temporary, s.path)
	}
	if err != nil {
		_ = temporary.Close()
		_ = os.Remove(temporary.Name())
		s.lines = 0
		return
	}
	s.drop()
	s.file, s.size, s.lines = temporary, int64(len(text)+len(more)), lines+strings.Count(more, "\n")
}

func (s *state) close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.busy.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hold.Close() // and with it the flock
	if s.file == nil {
		return nil
	}
	s.drop()
	f, _, err := replace(s.path, encodeLog(s.marks))
	if err != nil {
		return fmt.Errorf("write the state of beat to %s: %w", s.path, err)
	}
	return f.Close()
}

// replace writes a file anew so that there is always a whole one, and leaves it open to be appended to.
func replace(path, text string) (*os.File, int64, error) {
	f, err := writeTemporary(path, text)
	if err == nil {
		if err = install(f, path); err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}
	return f, int64(len(text)), err
}

// writeTemporary writes a file beside the one at path, and syncs it.
func writeTemporary(path, text string) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return nil, err
	}
	if _, err = f.WriteString(text); err == nil {
		err = f.Sync()
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}
	return f, err
}

// install gives a temporary file its name, for good.
func install(f *os.File, path string) error {
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// names returns the names of the marks in order, so that a file can be compared.
func names(marks map[string]beat.Mark) []string {
	all := make([]string, 0, len(marks))
	for name := range marks {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
