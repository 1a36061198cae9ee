package beat

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"time"

	"taskbench/brokers"
	"taskbench/worker/beat/schedule"
	"taskbench/worker/message"
)

// An Entry is one periodic task.
type Entry struct {
	Name     string // unique in its schedule
	Task     string
	Schedule schedule.Schedule
	Args     []any
	Kwargs   map[string]any
	Options  Options
	Disabled bool
	OneOff   bool      // it is over after one tick
	Start    time.Time // no tick before; an interval has one at it; zero: none
	Until    time.Time // no tick after, messages expire then, and the entry is over; zero: none
	CatchUp  CatchUp   // zero: that of the Config
}

// Options are how an entry's messages are sent.
type Options struct {
	Queue      string // "" is brokers.DefaultQueue
	Priority   uint8
	Expires    time.Duration // counted from the sending; 0: never
	Soft, Hard time.Duration // time limits of the task; 0 leaves them to the worker
	Headers    map[string]any
}

// A CatchUp says what becomes of ticks that were not sent in time.
type CatchUp struct {
	Policy   schedule.CatchUp // "" is Once
	Limit    int              // of All: older ones than so many are dropped; 0 is 100
	Deadline time.Duration    // what is later than this is dropped, whatever the policy; 0: nothing is
}

// Headers that say which tick a message is.
const (
	ScheduledHeader = "x-taskbench-scheduled" // in the form of message.FormatTime, UTC
	NameHeader      = "periodic_task_name"
)

// Validate returns all that is wrong with the entry.
func (e *Entry) Validate() error {
	var wrong []error
	if e.Name == "" {
		wrong = append(wrong, errors.New("it has no name"))
	}
	if e.Task == "" {
		wrong = append(wrong, errors.New("it names no task"))
	}
	if e.Schedule == nil {
		wrong = append(wrong, errors.New("it has no schedule"))
	} else if _, err := e.Schedule.Next(time.Unix(0, 0)); err != nil && !errors.Is(err, schedule.ErrEnd) {
		wrong = append(wrong, err)
	}
	if e.Options.Priority > 9 {
		wrong = append(wrong, fmt.Errorf("priority %d is above 9", e.Options.Priority))
	}
	if e.Options.Expires < 0 || e.Options.Soft < 0 || e.Options.Hard < 0 || e.CatchUp.Deadline < 0 || e.CatchUp.Limit < 0 {
		wrong = append(wrong, errors.New("times and limits must not be negative"))
	}
	if e.CatchUp.Policy != "" {
		if _, err := schedule.ParseCatchUp(string(e.CatchUp.Policy)); err != nil {
			wrong = append(wrong, err)
		}
	}
	if _, err := message.New(e.Task, "", e.Args, e.Kwargs, message.Options{}); err != nil {
		wrong = append(wrong, err)
	}
	return errors.Join(wrong...)
}

// TickID is the task id of one tick: the same one from every beat and at any time.
func TickID(name string, tick time.Time) string {
	h := sha1.New()
	h.Write(ticks[:])
	_, _ = fmt.Fprintf(h, "%s\n%s", name, tick.UTC().Format(time.RFC3339Nano))
	var id [16]byte
	copy(id[:], h.Sum(nil))
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80
	s := hex.EncodeToString(id[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// ticks is the name space of the ids, drawn by lot once.
var ticks = [16]byte{0x3a, 0x1d, 0x9c, 0x52, 0x6e, 0x07, 0x4b, 0x85, 0x9f, 0x40, 0xd2, 0x7b, 0x18, 0xe4, 0x63, 0xca}

// message is what is sent for one tick at the time of now.
func (e *Entry) message(tick, now time.Time) (brokers.Message, error) {
	headers := make(map[string]any, len(e.Options.Headers)+2)
	maps.Copy(headers, e.Options.Headers)
	headers[ScheduledHeader] = message.FormatTime(tick.UTC())
	headers[NameHeader] = e.Name
	o := message.Options{
		Queue: e.Options.Queue, Priority: e.Options.Priority, Soft: e.Options.Soft, Hard: e.Options.Hard,
		Expires: e.Until, Headers: headers,
	}
	if e.Options.Expires > 0 {
		if at := now.Add(e.Options.Expires); o.Expires.IsZero() || at.Before(o.Expires) {
			o.Expires = at
		}
	}
	return message.New(e.Task, TickID(e.Name, tick), e.Args, e.Kwargs, o)
}
