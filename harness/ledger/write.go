package ledger

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

const historyMagic = "tbhist" // followed by Meta.Schema, in one byte

// The kinds of frames.
const (
	frameMeta    = 'M'
	frameTasks   = 'T'
	frameStrays  = 'S'
	frameForeign = 'F'
	frameEnd     = 'E'
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// totals close a file and must match what was read.
type totals struct {
	Tasks    uint64 `json:"tasks"`
	Strays   uint64 `json:"strays"`
	Attempts uint64 `json:"attempts"`
	Foreign  uint64 `json:"foreign"` // all of them, also those that are not in the file
}

// WriteFile writes a history to a file, which appears whole or not at all. Times are kept in steps of 16 ns.
func WriteFile(path string, h History) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write history %s: %w", path, errors.Join(err, os.Remove(f.Name())))
		}
	}()
	if err := errors.Join(Write(f, h), f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Write writes a history in the format of the history file.
// Of a history in pieces that is the file that describes the whole.
func Write(w io.Writer, h History) error {
	if p, ok := h.(*Pieces); ok {
		h = index{p}
	}
	meta := h.Meta()
	if _, err := w.Write(append([]byte(historyMagic), byte(meta.version()))); err != nil {
		return err
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	return errors.Join(writeFrames(z, h), z.Close())
}

func writeFrames(w io.Writer, h History) error {
	meta := h.Meta()
	meta.Schema = meta.version()
	if err := writeJSON(w, frameMeta, meta); err != nil {
		return err
	}
	var sum totals
	var b block
	kind := byte(frameTasks)
	flush := func() error {
		if b.tasks == 0 {
			return nil
		}
		err := writeFrame(w, kind, b.encode())
		b.reset()
		return err
	}
	for t := range h.All() {
		if kind == frameTasks && t.Seq >= uint64(h.Len()) {
			if err := flush(); err != nil {
				return err
			}
			kind = frameStrays
		}
		if kind == frameTasks {
			if t.Seq != meta.First+sum.Tasks {
				return fmt.Errorf("the history has task %d where %d was to come", t.Seq, meta.First+sum.Tasks)
			}
			sum.Tasks++
		} else {
			sum.Strays++
		}
		sum.Attempts += uint64(len(t.Attempts))
		b.add(&t)
		if b.tasks == blockTasks {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	foreign, all := h.Foreign()
	sum.Foreign = uint64(all)
	return errors.Join(writeJSON(w, frameForeign, foreign), writeJSON(w, frameEnd, sum))
}

func writeJSON(w io.Writer, kind byte, v any) error {
	p, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFrame(w, kind, p)
}

func writeFrame(w io.Writer, kind byte, payload []byte) error {
	head := binary.AppendUvarint([]byte{kind}, uint64(len(payload)))
	sum := crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, payload)
	for _, p := range [][]byte{head, payload, binary.LittleEndian.AppendUint32(nil, sum)} {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}
