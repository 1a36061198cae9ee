package ledger

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// maxFrame bounds what a damaged length can make the reader allocate.
const maxFrame = 256 << 20

// ReadFile reads a history file, or one piece of a history in pieces. A file that is truncated, damaged or of a newer
// format is an error that says so; a part of a history is never returned.
func ReadFile(path string) (*Frozen, error) {
	h, err := readFile(path)
	if err == nil && len(h.meta.Pieces) > 0 {
		return nil, fmt.Errorf("read history %s: it is in %d pieces, and not in one", path, len(h.meta.Pieces))
	}
	return h, err
}

func readFile(path string) (*Frozen, error) {
	d := decoder{f: &Frozen{n: -1, more: map[uint64][]attempt{}}}
	if err := d.file(path); err != nil {
		return nil, err
	}
	return d.f, nil
}

// stream shows the tasks of a file, one after the other, until each says false. A Task is valid until the next.
func stream(path string, each func(*Task) bool) (Meta, error) {
	d := decoder{f: &Frozen{n: -1}, each: each}
	if err := d.file(path); err != nil && !errors.Is(err, errEnough) {
		return Meta{}, err
	}
	return d.f.meta, nil
}

// errEnough ends a stream that nobody wants more of.
var errEnough = errors.New("enough was read")

func (d *decoder) file(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read history: %w", err)
	}
	defer f.Close()
	if err := d.read(bufio.NewReaderSize(f, 1<<20)); err != nil {
		return fmt.Errorf("read history %s: %w", path, err)
	}
	return nil
}

// Read reads what Write wrote, up to the end of r.
func Read(r io.Reader) (*Frozen, error) {
	d := decoder{f: &Frozen{n: -1, more: map[uint64][]attempt{}}}
	if err := d.read(r); err != nil {
		return nil, err
	}
	return d.f, nil
}

func (d *decoder) read(r io.Reader) error {
	var head [len(historyMagic) + 1]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[:len(historyMagic)]) != historyMagic {
		return errors.New("not a history file")
	}
	if v := head[len(historyMagic)]; v < oldest || v > inPieces {
		return fmt.Errorf("its format is version %d, this build reads versions %d to %d", v, oldest, inPieces)
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<30))
	if err != nil {
		return err
	}
	defer z.Close()
	d.in = bufio.NewReaderSize(z, 1<<20)
	for !d.ended {
		if err := d.frame(); err != nil {
			return err
		}
	}
	if _, err := d.in.ReadByte(); err != io.EOF {
		return d.damaged(errors.New("something follows the end"))
	}
	return nil
}

type decoder struct {
	in    *bufio.Reader
	f     *Frozen
	sum   totals
	ended bool
	each  func(*Task) bool // sees the tasks, which are then not kept
}

func (d *decoder) damaged(err error) error {
	what := "damaged"
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		what, err = "truncated", io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%s after %d tasks: %w", what, d.sum.Tasks, err)
}

func (d *decoder) frame() error {
	kind, payload, err := d.payload()
	if err != nil {
		return d.damaged(err)
	}
	switch {
	case kind != frameMeta && d.f.n < 0:
		err = errors.New("does not begin with the run's description")
	case kind == frameMeta:
		d.f.n = 0
		err = json.Unmarshal(payload, &d.f.meta)
		d.f.first, d.f.origin = d.f.meta.First, d.f.meta.First
	case kind == frameTasks || kind == frameStrays:
		err = d.block(payload, kind == frameStrays)
	case kind == frameForeign:
		err = json.Unmarshal(payload, &d.f.aliens)
	case kind == frameEnd:
		err = d.end(payload)
	default:
		err = fmt.Errorf("unknown frame %q", kind)
	}
	if err != nil {
		return d.damaged(err)
	}
	return nil
}

func (d *decoder) payload() (kind byte, payload []byte, err error) {
	if kind, err = d.in.ReadByte(); err != nil {
		return 0, nil, err
	}
	size, err := binary.ReadUvarint(d.in)
	if err != nil {
		return 0, nil, err
	}
	if size > maxFrame {
		return 0, nil, fmt.Errorf("frame of %d bytes", size)
	}
	payload = make([]byte, size+4)
	if _, err := io.ReadFull(d.in, payload); err != nil {
		return 0, nil, err
	}
	payload, tail := payload[:size], payload[size:]
	sum := crc32.Checksum(binary.AppendUvarint([]byte{kind}, size), castagnoli)
	if crc32.Update(sum, castagnoli, payload) != binary.LittleEndian.Uint32(tail) {
		return 0, nil, errors.New("checksum does not match")
	}
	return kind, payload, nil
}

func (d *decoder) block(payload []byte, stray bool) error {
	b, err := decodeBlock(payload)
	if err != nil {
		return err
	}
	var t Task
	for range b.tasks {
		if b.next(&t); b.err != nil {
			return b.err
		}
		d.sum.Attempts += uint64(len(t.Attempts))
		if stray {
			kept := t
			kept.Attempts = slices.Clone(t.Attempts)
			d.f.strays = append(d.f.strays, kept)
			d.sum.Strays++
			continue
		}
		if next := d.f.first + d.sum.Tasks; t.Seq != next {
			return fmt.Errorf("task %d where %d was to come", t.Seq, next)
		}
		d.sum.Tasks++
		switch {
		case d.each == nil:
			d.f.append(&t)
		case !d.each(&t):
			return errEnough
		}
	}
	return nil
}

func (d *decoder) end(payload []byte) error {
	d.ended = true
	var want totals
	if err := json.Unmarshal(payload, &want); err != nil {
		return err
	}
	d.f.nAliens, d.sum.Foreign = int(want.Foreign), want.Foreign
	if d.sum != want {
		return fmt.Errorf("it held %+v and says it held %+v", d.sum, want)
	}
	return nil
}

// append adds the next task.
func (f *Frozen) append(t *Task) {
	if f.n%chunkTasks == 0 {
		f.chunks = append(f.chunks, new(records))
	}
	rec := &f.chunks[f.n/chunkTasks][f.n%chunkTasks]
	rec.setTask(t)
	for _, a := range t.Attempts {
		f.keep(t.Seq, rec, &attempt{Attempt: a})
	}
	f.n++
}
