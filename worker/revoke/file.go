package revoke

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// form is the file's.
type form struct {
	Version int         `json:"version"`
	Revoked []entry     `json:"revoked"` // the oldest first
	Stamps  []stampForm `json:"stamps,omitempty"`
}

type entry struct {
	ID    string    `json:"id"`
	Until time.Time `json:"until"`
}

type stampForm struct {
	Header string    `json:"header"`
	Value  string    `json:"value"`
	Until  time.Time `json:"until"`
}

// largest bounds the file that is read: Most ids of 200 bytes each would not fill it.
const largest = 32 << 20

// Open makes a set that is kept in a file, with what the file holds; one that is not there yet is made with the first
// Add. A file that cannot be understood is set aside, under its name with ".corrupt" behind it: the set is then
// empty, and aside is that name. An error means that the file can be neither read nor set aside.
func Open(path string) (s *Set, aside string, err error) {
	s = New()
	s.path = path
	f, err := read(path)
	if err == nil {
		now := time.Now()
		for _, e := range f.Revoked {
			if now.Before(e.Until) {
				s.put(e.ID, e.Until)
			}
		}
		for _, st := range f.Stamps {
			s.stamps[stamp{st.Header, st.Value}] = st.Until
			s.some.Store(true)
		}
		s.prune()
		return s, "", nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return s, "", nil
	}
	var unreadable *fs.PathError
	if errors.As(err, &unreadable) {
		return nil, "", fmt.Errorf("open the file of revoked tasks: %w", err)
	}
	aside = path + ".corrupt"
	if err := os.Rename(path, aside); err != nil {
		return nil, "", fmt.Errorf("set a corrupt file of revoked tasks aside: %w", err)
	}
	return s, aside, nil
}

// read takes the file apart. Errors that are no *fs.PathError say that it is corrupt.
func read(path string) (f form, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return f, err
	}
	if info.Size() > largest {
		return f, fmt.Errorf("%s has %d bytes", path, info.Size())
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return f, err
	}
	if f.Version != 1 {
		return f, fmt.Errorf("%s has version %d", path, f.Version)
	}
	return f, nil
}

// form is what the file is to hold now.
func (s *Set) form() form {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := form{Version: 1, Revoked: make([]entry, 0, len(s.until))}
	for _, id := range s.queue {
		if end, known := s.until[id]; known {
			f.Revoked = append(f.Revoked, entry{id, end})
		}
	}
	for k, end := range s.stamps {
		f.Stamps = append(f.Stamps, stampForm{k.header, k.value, end})
	}
	return f
}

// save replaces the file by one that is whole at every moment, and holds all that was revoked before the call.
func (s *Set) save() (err error) {
	if s.path == "" {
		return nil
	}
	s.saving.Lock()
	defer s.saving.Unlock()
	raw, _ := json.Marshal(s.form()) // strings and times always encode
	temp, err := os.CreateTemp(filepath.Dir(s.path), filepath.Base(s.path)+".*")
	if err != nil {
		return fmt.Errorf("keep the revoked tasks: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp.Name())
			err = fmt.Errorf("keep the revoked tasks: %w", err)
		}
	}()
	_, err = temp.Write(raw)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), s.path)
}
