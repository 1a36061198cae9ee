package native

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"taskbench/harness/ledger"
	"taskbench/harness/systems"
)

// A dial is by how much the wall clock of a worker's processes is off, and how long each is held up when it starts: a file
// that the harness writes and that each of them has in its memory, so that it is turned for all of them at once, and stays
// as it is when they are started again.
type dial struct {
	since atomic.Int64  // when it was turned, by the ledger's clock
	ahead atomic.Int64  // nanoseconds, then
	rate  atomic.Uint64 // the bits of a float64: what it has gained with each second since
	slow  atomic.Int64  // nanoseconds
}

// Where in the file the parts of a dial begin that are written apart.
const (
	clockAt  = 0
	slowAt   = 24
	dialSize = 32
)

// writeDial turns a part of the dial in the file.
func writeDial(path string, at int64, words ...uint64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	var text []byte
	for _, w := range words {
		text = binary.NativeEndian.AppendUint64(text, w)
	}
	_, err = f.WriteAt(text, at)
	return err
}

// openDial is the dial of this process.
func openDial(o orders) *dial {
	d, err := mapDial(o.Dial)
	if err != nil { // a time of its own would make the run another one than was asked for
		fmt.Fprintf(os.Stderr, "worker %s: open its dial %s: %v\n", o.Config.Name, o.Dial, err)
		os.Exit(1)
	}
	return d
}

func mapDial(path string) (*dial, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < dialSize { // to read beyond its end would be SIGBUS
		return nil, fmt.Errorf("it has %d bytes and not %d", info.Size(), dialSize)
	}
	page, err := unix.Mmap(int(f.Fd()), 0, dialSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return (*dial)(unsafe.Pointer(unsafe.SliceData(page))), nil
}

// now is the time of day by the dial. It is read until it says the same twice: then nobody was turning it.
func (d *dial) now() time.Time {
	since, ahead, rate := d.since.Load(), d.ahead.Load(), d.rate.Load()
	for {
		again, off, gain := d.since.Load(), d.ahead.Load(), d.rate.Load()
		if again == since && off == ahead && gain == rate {
			break
		}
		since, ahead, rate = again, off, gain
	}
	gained := float64(ledger.Now()-since) * math.Float64frombits(rate)
	return time.Now().Round(0).Add(time.Duration(ahead) + time.Duration(gained))
}

// SetClock implements systems.Timekeeper.
func (p *process) SetClock(d systems.Drift) error {
	if err := writeDial(p.orders.Dial, clockAt, uint64(ledger.Now()), uint64(d.Ahead), math.Float64bits(d.Rate)); err != nil {
		return fmt.Errorf("set the clock of %s: %w", p.spec.Name, err)
	}
	return nil
}

// SetSlowStart implements systems.SlowStarter.
func (p *process) SetSlowStart(d time.Duration) error {
	if err := writeDial(p.orders.Dial, slowAt, uint64(d)); err != nil {
		return fmt.Errorf("hold up the starts of %s: %w", p.spec.Name, err)
	}
	return nil
}

// timeAsked is what a worker process is told on its standard input to say the time.
const timeAsked = "time"

// Time implements systems.Timekeeper.
func (p *process) Time(ctx context.Context) (time.Time, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.up() {
		return time.Time{}, fmt.Errorf("ask %s for the time: it is down", p.spec.Name)
	}
	_, err := fmt.Fprintln(p.stdin, timeAsked)
	var said string
	if err == nil {
		said, err = p.hear(ctx, 10*time.Second)
	}
	var ns int64
	if err == nil {
		said = strings.TrimSpace(said)
		said = said[strings.LastIndex(said, "\n")+1:] // before it may be the answer to a question that was given up
		ns, err = strconv.ParseInt(said, 10, 64)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("ask %s for the time: %w", p.spec.Name, err)
	}
	return time.Unix(0, ns), nil
}
