package canvas

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
)

// A namer makes the ids of tasks. With a seed they follow from it and from the place of the task, so that whoever
// does the same work again sends the same tasks again and not others; without one they are random.
type namer struct{ seed string }

// space of our own for version 5 UUIDs.
var space = [16]byte{0x6d, 0x1c, 0x0a, 0x52, 0x2e, 0x9f, 0x4b, 0x7d, 0x9a, 0x36, 0x51, 0x0c, 0x8e, 0x47, 0xd3, 0x20}

func (n namer) id(place string) string {
	var b [16]byte
	version := byte(4)
	if n.seed == "" {
		_, _ = rand.Read(b[:]) // never fails
	} else {
		h := sha1.New() // what a version 5 UUID asks for; nothing is secret here
		h.Write(space[:])
		h.Write([]byte(n.seed + "/" + place))
		copy(b[:], h.Sum(nil))
		version = 5
	}
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	text := hex.EncodeToString(b[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// A freezer brings signatures to the form in which they are sent: in which every task, group and chord has its id.
type freezer struct {
	namer
	replyTo string
}

// freeze is idempotent: what has an id keeps it.
func (f freezer) freeze(s Signature, place string) Signature {
	switch {
	case s.err != nil:
		return s
	case s.Kind == KindChain || chained(s):
		return f.freezeChain(s, place)
	case s.Kind == "" && s.Task == taskChunks:
		return f.freeze(chunked(s), place)
	case s.Kind == KindGroup:
		return f.freezeGroup(s, place)
	case s.Kind == KindChord:
		return f.freezeChord(s, place)
	}
	s = f.name(s, place)
	if _, ok := s.Options["reply_to"]; !ok && f.replyTo != "" {
		s = s.option("reply_to", quote(f.replyTo))
	}
	return s
}

func (f freezer) name(s Signature, place string) Signature {
	if id, _ := decodeString(s.Options["task_id"]); id == "" {
		s = s.option("task_id", quote(f.id(place)))
	}
	return s
}

func (f freezer) freezeChain(s Signature, place string) Signature {
	var steps []Signature
	if s.Kind == KindChain {
		steps = chainSteps(s)
	} else {
		steps = join(nil, s)
	}
	if len(steps) == 0 {
		return s.fail(errNoSteps)
	}
	for i, t := range steps {
		steps[i] = f.freeze(t, place+"/"+strconv.Itoa(i))
	}
	if len(steps) == 1 {
		return steps[0]
	}
	return Signature{Task: taskChain, Kind: KindChain, Tasks: steps}
}

func (f freezer) freezeGroup(s Signature, place string) Signature {
	s = f.name(s, place)
	s.Tasks = f.freezeAll(s.Tasks, place)
	for _, e := range parsed(s.Options["link_error"]) {
		s = s.LinkError(e)
	}
	return s.option("link_error", nil)
}

func (f freezer) freezeAll(members []Signature, place string) []Signature {
	members = slices.Clone(flat(members))
	for i, t := range members {
		members[i] = f.freeze(t, place+"/"+strconv.Itoa(i))
	}
	return members
}

// freezeChord gives the body its id and the chord that of its group, as Celery does; an id that a chord has before
// its body has one is meant for the body.
func (f freezer) freezeChord(s Signature, place string) Signature {
	if s.Body == nil {
		return s.fail(errNoBody)
	}
	body := *s.Body
	gid := json.RawMessage(nil)
	if s.header != nil {
		gid = s.header.Options["task_id"]
	}
	if id := s.Options["task_id"]; id != nil {
		if tail := body.tail(); tail.Kind == "" && tail.Options["task_id"] == nil {
			body = body.final("task_id", id)
			s = s.option("task_id", nil)
		} else if gid == nil {
			gid = id
		}
	}
	if gid == nil {
		gid = quote(f.id(place))
	}
	s = s.option("task_id", gid)
	s.header = nil
	s.Tasks = f.freezeAll(s.Tasks, place)
	body = f.freeze(body, place+"/body")
	s.Body = &body
	return s
}

// tail is the part of a signature whose result is the whole's: a task, or a group.
func (s Signature) tail() Signature {
	switch {
	case s.Kind == KindChain && len(s.Tasks) > 0:
		return s.Tasks[len(s.Tasks)-1].tail()
	case s.Kind == KindChord && s.Body != nil:
		return s.Body.tail()
	}
	return s
}

// id is the signature's own task_id.
func (s Signature) id() string {
	id, _ := decodeString(s.Options["task_id"])
	return id
}
