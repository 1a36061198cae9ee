package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// A Python is a process of Celery's client side that runs pieces of Python. It is safe for concurrent use: each piece
// has a thread of its own there, unless the App is Serial.
type Python struct {
	process *Process

	mu      sync.Mutex
	next    int
	waiting map[int]chan reply
	over    error // once no reply can come any more
}

type reply struct {
	ID    int             `json:"id"`
	Value json.RawMessage `json:"value"`
	Error string          `json:"error"`
}

// Client starts a Python; its standard error goes to the file log.
func (c Celery) Client(ctx context.Context, a App, log string) (_ *Python, err error) {
	env, err := a.environ()
	if err != nil {
		return nil, err
	}
	talk, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start Python: %w", err)
	}
	defer func() { _ = talk.Close() }() // Python has its own
	from, to, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start Python: %w", err)
	}
	process, err := start([]string{c.Python, "driver.py"}, env, a.Dir, log, to, talk)
	_ = to.Close() // Python has its own
	if err != nil {
		_ = from.Close()
		return nil, err
	}
	p := &Python{process: process, waiting: map[int]chan reply{}}
	hello := p.expect(0)
	go p.read(from)
	if _, err := p.wait(ctx, 0, hello); err != nil {
		p.Close()
		return nil, fmt.Errorf("start Python: %w; it said: %s", err, process.tail())
	}
	return p, nil
}

func (p *Python) expect(id int) chan reply {
	c := make(chan reply, 1)
	p.waiting[id] = c
	return c
}

func (p *Python) read(from *os.File) {
	defer func() { _ = from.Close() }()
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		var r reply
		if err == nil {
			err = json.Unmarshal(line, &r)
		}
		p.mu.Lock()
		if err != nil {
			p.over = fmt.Errorf("Python has gone: %w", err)
			for _, c := range p.waiting {
				close(c)
			}
			p.waiting = nil
			p.mu.Unlock()
			return
		}
		if c := p.waiting[r.ID]; c != nil {
			c <- r
			delete(p.waiting, r.ID)
		}
		p.mu.Unlock()
	}
}

func (p *Python) wait(ctx context.Context, id int, c chan reply) (json.RawMessage, error) {
	select {
	case r, ok := <-c:
		switch {
		case !ok:
			return nil, p.over
		case r.Error != "":
			return nil, errors.New(r.Error)
		}
		return r.Value, nil
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.waiting, id)
		return nil, ctx.Err()
	}
}

// Do runs code, the body of a function that may return a value, with vars as its global variables beside Celery's
// names and the tasks of lab.py. Tasks that it calls go to queue. An exception is an error that shows its line.
func (p *Python) Do(ctx context.Context, queue, code string, vars map[string]any) (json.RawMessage, error) {
	p.mu.Lock()
	if p.over != nil {
		defer p.mu.Unlock()
		return nil, p.over
	}
	p.next++
	id := p.next
	c := p.expect(id)
	line, err := json.Marshal(map[string]any{"id": id, "queue": queue, "code": code, "vars": vars})
	if err == nil {
		_, err = p.process.Stdin.Write(append(line, '\n'))
	}
	p.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("ask Python: %w", err)
	}
	return p.wait(ctx, id, c)
}

// Close ends the process.
func (p *Python) Close() { p.process.Stop(time.Second) }
