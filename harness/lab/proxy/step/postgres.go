package step

import (
	"encoding/binary"
	"errors"
	"fmt"

	"taskbench/brokers"
)

// What a client may say instead of a start, as the protocol numbers it.
const (
	postgresCancel = 80877102
	postgresTLS    = 80877103
	postgresGSS    = 80877104
	postgresMajor  = 3
)

var errNotPostgres = errors.New("it does not speak PostgreSQL's protocol 3")

type postgres struct {
	acts       map[string]brokers.Act
	started    bool
	offers     int                    // of encryption, to which the server has not answered
	statements map[string]brokers.Act // that were prepared, by name
	portals    map[string]done        // that were bound, by name
	open       *exchange              // what the client is asking
	exchanges  []*exchange            // what the server has to answer, the open one last
}

// An exchange is what the client asks up to a Sync. The server commits it there, and answers with ReadyForQuery.
type exchange struct {
	runs    []done // each execution
	acts    int    // of them, and of those that are bound
	flushed bool   // the client wants an answer before the end
	over    int    // how many executions have been answered
}

func newPostgres(acts map[string]brokers.Act) Parser {
	return &postgres{acts: acts, statements: map[string]brokers.Act{}, portals: map[string]done{}}
}

func (p *postgres) Next(from Side, data []byte) (int, []Event, error) {
	switch {
	case from == Client && !p.started:
		n, err := p.start(data)
		return n, nil, err
	case from == Client:
		n, err := frame(data, 1)
		if n == 0 {
			return 0, nil, err
		}
		return n, p.ask(data[0], &words{rest: data[5:n]}), nil
	case p.offers > 0 && len(data) > 0:
		p.offers--
		if data[0] != 'N' {
			return 0, nil, errors.New("it is encrypted")
		}
		return 1, nil, nil
	}
	return p.answer(data)
}

// frame finds the end of a message whose length, which counts itself, is so far in; 0 while it is not whole.
func frame(data []byte, in int) (n int, err error) {
	if len(data) < in+4 {
		return 0, nil
	}
	length := binary.BigEndian.Uint32(data[in:])
	if length < 4 || length > largest {
		return 0, fmt.Errorf("%w: a message of %d bytes", errNotPostgres, length)
	}
	if n = in + int(length); len(data) < n {
		return 0, nil
	}
	return n, nil
}

// start is a message without a type.
func (p *postgres) start(data []byte) (int, error) {
	n, err := frame(data, 0)
	if n == 0 {
		return 0, err
	}
	w := words{rest: data[4:n]}
	switch code := w.int32(); {
	case code == postgresTLS || code == postgresGSS:
		p.offers++
	case code == postgresCancel:
	case code>>16 == postgresMajor:
		p.started = true
		p.exchanges = append(p.exchanges, &exchange{}) // the server says when it is ready for the first one, too
	default:
		return 0, fmt.Errorf("%w: it starts with %d", errNotPostgres, code)
	}
	return n, nil
}

// begin is the exchange that a message belongs to.
func (p *postgres) begin() *exchange {
	if p.open == nil {
		p.open = &exchange{}
		p.exchanges = append(p.exchanges, p.open)
	}
	return p.open
}

// ask is a message of the client.
func (p *postgres) ask(kind byte, w *words) []Event {
	switch kind {
	case 'P': // Parse
		p.begin()
		name := string(w.text())
		if act, ours := p.acts[string(w.text())]; ours {
			p.statements[name] = act
		} else {
			delete(p.statements, name)
		}
	case 'B': // Bind
		return p.bind(w)
	case 'E': // Execute
		x := p.begin()
		x.runs = append(x.runs, p.portals[string(w.text())])
	case 'D': // Describe
		p.begin()
	case 'C': // Close
		p.begin()
		if w.number(1) == 'S' {
			delete(p.statements, string(w.text()))
		}
	case 'H': // Flush
		p.begin().flushed = true
	case 'S': // Sync
		p.begin()
		p.open = nil
	case 'Q', 'F': // a query or a call of its own
		p.exchanges = append(p.exchanges, &exchange{})
		p.open = nil
	}
	return nil
}

func (p *postgres) bind(w *words) []Event {
	x := p.begin()
	portal := string(w.text())
	act, ours := p.statements[string(w.text())]
	if !ours {
		delete(p.portals, portal)
		return nil
	}
	b := done{act: act, count: max(1, elements(w, act.Many))}
	if act.Many == 0 {
		b.count = 1
	}
	p.portals[portal] = b
	x.acts++
	switch act.Does {
	case brokers.Publishes:
		return event(Publish, b.count, false)
	case brokers.Acknowledges:
		return event(Ack, b.count, false)
	case brokers.Stores:
		return event(Result, b.count, false)
	case brokers.Claims:
	}
	return nil
}

// elements is how many a parameter has that is a binary array, counted from 1; 0 where that cannot be told. The words
// are those of a Bind from its formats on.
func elements(w *words, parameter int) int {
	w.take(2 * int(w.number(2)))
	for i, n := 1, int(w.number(2)); i <= n && len(w.rest) > 0; i++ {
		value := words{rest: w.take(max(0, w.int32()))}
		if i == parameter && len(value.rest) >= 20 && value.int32() == 1 { // of one dimension
			value.take(8) // whether there are nulls, and the type
			return value.int32()
		}
	}
	return 0
}

// answer is a message of the server or, where the exchange has acts, all messages up to its end: only that tells
// whether they were done.
func (p *postgres) answer(data []byte) (int, []Event, error) {
	if len(p.exchanges) == 0 || p.exchanges[0].acts == 0 || p.exchanges[0].flushed {
		n, err := frame(data, 1)
		if n > 0 && len(p.exchanges) > 0 {
			p.pass(data[0])
		}
		return n, nil, err
	}
	x, n := p.exchanges[0], 0
	var got, failed = map[Step]int{}, false
	for run, rows := x.over, 0; ; {
		length, err := frame(data[n:], 1)
		if err == nil && n+length > largest {
			err = fmt.Errorf("an answer of more than %d bytes", largest)
		}
		if length == 0 || err != nil {
			return 0, nil, err
		}
		kind := data[n]
		n += length
		switch {
		case kind == 'D':
			rows++
		case kind == 'E':
			failed = true
		case ends(kind) && run < len(x.runs):
			x.runs[run].answered(rows, got)
			run, rows = run+1, 0
		}
		if kind == 'Z' {
			break
		}
	}
	p.exchanges = p.exchanges[1:]
	if p.open == x { // the server has ended it before the client did
		p.open = nil
	}
	if failed {
		return n, nil, nil
	}
	var events []Event
	for _, s := range []Step{Confirm, Acked, Claim} {
		events = append(events, event(s, got[s], false)...)
	}
	return n, append(events, event(Deliver, got[Claim], true)...), nil
}

// pass notes a message that is passed on by itself.
func (p *postgres) pass(kind byte) {
	switch x := p.exchanges[0]; {
	case kind == 'Z':
		p.exchanges = p.exchanges[1:]
		if p.open == x {
			p.open = nil
		}
	case ends(kind):
		x.over++
	}
}

// ends tells whether a message ends the answer to an execution.
func ends(kind byte) bool { return kind == 'C' || kind == 's' || kind == 'I' }

// answered counts what an execution has done that gave so many rows.
func (d done) answered(rows int, got map[Step]int) {
	switch d.act.Does {
	case brokers.Publishes:
		got[Confirm] += d.count
	case brokers.Acknowledges:
		got[Acked] += d.count
	case brokers.Claims:
		got[Claim] += rows
	}
}
