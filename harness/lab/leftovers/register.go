package leftovers

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"taskbench/harness/lab/proc"
)

// A Kind of thing that may be left over.
type Kind string

// The kinds.
const (
	Process   Kind = "process"   // with its group and its descendants
	Directory Kind = "directory" // with all that is in it
	Container Kind = "container"
	Network   Kind = "network" // of containers
)

// A Thing is something that an owner starts or makes.
type Thing struct {
	Kind  Kind   `json:"kind"`
	Name  string `json:"name"` // for people; of a directory, its absolute path
	PID   int    `json:"pid,omitempty"`
	Start uint64 `json:"start,omitempty"`
	Keep  bool   `json:"keep,omitempty"` // not to be swept when its owner is gone, but by Down
}

// A Register is a state directory, and the owner that writes in it. It is safe for concurrent use, also by
// several processes.
type Register struct {
	dir    string
	owner  Owner
	serial atomic.Int64
}

// Open makes the state directory if need be. It is the user's own: 0700.
func Open(dir, run string) (*Register, error) {
	owner, err := Self(run)
	if err != nil {
		return nil, err
	}
	if owner.State, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("find the state directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	return &Register{dir: dir, owner: owner}, nil
}

// Owner is this process, as things that it starts must name it.
func (r *Register) Owner() Owner { return r.owner }

// record is what one file holds.
type record struct {
	Owner Owner `json:"owner"`
	Thing Thing `json:"thing"`
	path  string
	at    time.Time // when it was written
}

// A Claim says that a thing is, or is about to be, this process's.
type Claim struct{ rec record }

// Claim writes down a thing before it is made.
func (r *Register) Claim(t Thing) (*Claim, error) {
	c := &Claim{record{Owner: r.owner, Thing: t}}
	c.rec.path = filepath.Join(r.dir, fmt.Sprintf("%d-%d-%d.json", r.owner.PID, r.owner.Start, r.serial.Add(1)))
	return c, c.rec.write()
}

// Started adds to a claim which process it became.
func (c *Claim) Started(pid int) error {
	p, err := proc.Read(pid)
	if err != nil {
		return fmt.Errorf("claim process: %w", err)
	}
	c.rec.Thing.PID, c.rec.Thing.Start = p.PID, p.Start
	return c.rec.write()
}

// Release forgets the claim: the thing is gone. A second call does nothing.
func (c *Claim) Release() error {
	if err := os.Remove(c.rec.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget %s %s: %w", c.rec.Thing.Kind, c.rec.Thing.Name, err)
	}
	return nil
}

// MkdirTemp makes a new directory below the system's temporary one, claimed before it is there.
func (r *Register) MkdirTemp(name string, keep bool) (string, *Claim, error) {
	for {
		path := filepath.Join(os.TempDir(), fmt.Sprintf("taskbench-%s-%d-%d", name, r.owner.PID, r.serial.Add(1)))
		if _, err := os.Lstat(path); err == nil {
			continue // of an earlier process with this pid: not to be claimed
		}
		c, err := r.Claim(Thing{Kind: Directory, Name: path, Keep: keep})
		if err != nil {
			return "", nil, err
		}
		err = os.Mkdir(path, 0o700)
		if err == nil {
			return path, c, nil
		}
		_ = c.Release()
		if !errors.Is(err, os.ErrExist) {
			return "", nil, fmt.Errorf("make a directory for %s: %w", name, err)
		}
	}
}

// write replaces the file as a whole, so that nobody reads half of it.
func (r record) write() error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.path+".new", b, 0o600); err != nil {
		return fmt.Errorf("write down %s %s: %w", r.Thing.Kind, r.Thing.Name, err)
	}
	if err := os.Rename(r.path+".new", r.path); err != nil {
		return fmt.Errorf("write down %s %s: %w", r.Thing.Kind, r.Thing.Name, err)
	}
	return nil
}

// records reads every file of the directory; one that cannot be understood is left alone.
func (r *Register) records() ([]record, error) {
	paths, err := filepath.Glob(filepath.Join(r.dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var all []record
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // released meanwhile
		}
		about, err := os.Stat(path)
		if err != nil {
			continue // likewise
		}
		rec := record{path: path, at: about.ModTime()}
		if json.Unmarshal(b, &rec) == nil {
			rec.Owner.State = r.owner.State // by whatever name it knew the directory
			all = append(all, rec)
		}
	}
	return all, nil
}
