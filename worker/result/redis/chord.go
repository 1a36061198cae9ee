package redis

import (
	"context"
	_ "embed" // of the scripts
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/worker/message"
	"taskbench/worker/result"
)

//go:embed lua/report.lua
var reportText string

var reportScript = goredis.NewScript(reportText)

// Expect implements result.Counter.
func (b *Backend) Expect(ctx context.Context, group string, parts int) error {
	if err := b.publish(ctx, b.keys.Group(group)+".s", strconv.AppendInt(nil, int64(parts), 10)); err != nil {
		return fmt.Errorf("expect %d parts of chord %s in redis: %w", parts, group, err)
	}
	return nil
}

// Report implements result.Counter.
func (b *Backend) Report(ctx context.Context, p result.Part) ([]result.Part, error) {
	member, err := encodePart(p)
	if err != nil {
		return nil, fmt.Errorf("report part %s of chord %s: %w", p.TaskID, p.Group, err)
	}
	key := b.keys.Group(p.Group)
	place := "+inf"
	if p.Index >= 0 {
		place = strconv.Itoa(p.Index)
	}
	var whole []string
	err = b.do(ctx, func() error {
		got, err := reportScript.Run(ctx, b.rdb, []string{key + ".j", key + ".t", key + ".s", key + ".last"},
			place, member, p.TaskID, b.life.Milliseconds()).StringSlice()
		if errors.Is(err, goredis.Nil) {
			return nil
		}
		if err == nil {
			whole = got
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("report part %s of chord %s to redis: %w", p.TaskID, p.Group, err)
	}
	if whole == nil {
		return nil, nil
	}
	parts, err := decodeParts(p.Group, whole)
	if err != nil {
		return nil, fmt.Errorf("read the parts of chord %s: %w", p.Group, err)
	}
	return parts, nil
}

// Done implements result.Counter. A group that was saved under the same id stays.
func (b *Backend) Done(ctx context.Context, group string) error {
	key := b.keys.Group(group)
	return b.remove(ctx, "chord "+group, []string{key + ".j", key + ".t", key + ".s", key + ".last"})
}

// encodePart writes a part as Celery does, byte for byte where its value is Python's: members are told apart by
// their bytes, also by Celery's workers.
func encodePart(p result.Part) ([]byte, error) {
	value := p.Value
	if value == nil {
		value = json.RawMessage("null")
	}
	if err := message.Valid(value); err != nil {
		return nil, err
	}
	id, _ := json.Marshal(p.TaskID) // a string always encodes
	buf := append([]byte("[1, "), id...)
	buf = append(append(buf, `, "`...), p.State...)
	buf = append(append(buf, `", `...), value...)
	return append(buf, ']'), nil
}

// decodeParts reads members and scores in turn. Where a task has several members, which Celery's workers can bring
// about, the first success counts, or else the last.
func decodeParts(group string, members []string) ([]result.Part, error) {
	parts := make([]result.Part, 0, len(members)/2)
	known := map[string]int{}
	for i := 0; i+1 < len(members); i += 2 {
		fields, err := message.Elements([]byte(members[i]))
		if err != nil || len(fields) != 4 {
			return nil, fmt.Errorf("%w: part %q (%w)", result.ErrBroken, cut(members[i]), err)
		}
		p := result.Part{Group: group, Index: -1, Value: fields[3]}
		var state string
		if err := errors.Join(json.Unmarshal(fields[1], &p.TaskID), json.Unmarshal(fields[2], &state)); err != nil {
			return nil, fmt.Errorf("%w: part %q (%w)", result.ErrBroken, cut(members[i]), err)
		}
		p.State = result.State(state)
		if n, err := strconv.ParseFloat(members[i+1], 64); err == nil && n >= 0 && n < 1<<31 {
			p.Index = int(n)
		}
		at, again := known[p.TaskID]
		switch {
		case !again:
			known[p.TaskID] = len(parts)
			parts = append(parts, p)
		case parts[at].State != result.Success:
			parts[at] = p
		}
	}
	return parts, nil
}

func cut(s string) string { return s[:min(len(s), 100)] }
