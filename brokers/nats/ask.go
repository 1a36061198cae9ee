package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"taskbench/brokers"
)

// answerWithin is how long a server that is alive may take for an answer: a disk may be slow.
const answerWithin = 20 * time.Second

// A question is a message that was sent and whose answer has not come yet. Many are under way at a time.
type question struct {
	subject string
	token   string
	answer  chan answer // of capacity one
}

type answer struct {
	data []byte
	err  error
}

// send hands a message to the link. An error is Definite: it was not sent.
func (l *link) send(subject string, header client.Header, data []byte) (*question, error) {
	if most := l.nc.MaxPayload(); int64(len(data)) > most {
		return nil, brokers.Refusef("%d bytes are more than the %d that the server takes: raise max_payload in its configuration", len(data), most)
	}
	q := &question{subject: subject, answer: make(chan answer, 1)}
	l.mu.Lock()
	if l.cause != nil {
		l.mu.Unlock()
		return nil, brokers.Refuse(l.cause)
	}
	l.asked++
	q.token = strconv.FormatUint(l.asked, 36)
	l.questions[q.token] = q
	l.mu.Unlock()
	err := l.nc.PublishMsg(&client.Msg{Subject: subject, Reply: l.inbox + q.token, Header: header, Data: data})
	switch {
	case errors.Is(err, client.ErrMaxPayload):
		l.drop(q)
		return nil, brokers.Refusef("%w: raise max_payload in the server's configuration", err)
	case err != nil: // some of it may have been written
		l.settle(q.token, answer{err: err})
	}
	return q, nil
}

// drop forgets a question that nobody waits for any more.
func (l *link) drop(q *question) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.questions, q.token)
}

func (l *link) settle(token string, a answer) {
	l.mu.Lock()
	q := l.questions[token]
	delete(l.questions, token)
	l.mu.Unlock()
	if q != nil {
		q.answer <- a
	}
}

// await returns the answer. Where none comes, nobody knows whether the server did what it was asked for.
func (l *link) await(ctx context.Context, q *question) ([]byte, error) {
	select {
	case a := <-q.answer:
		return a.data, a.err
	default:
	}
	late := time.NewTimer(answerWithin)
	defer late.Stop()
	select {
	case a := <-q.answer:
		return a.data, a.err
	case <-ctx.Done():
		l.drop(q)
		return nil, fmt.Errorf("sent, and no answer yet: %w", ctx.Err())
	case <-late.C:
		l.drop(q)
		return nil, errNoAnswer
	}
}

// ask sends one message and waits for its answer.
func (l *link) ask(ctx context.Context, subject string, header client.Header, data []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, brokers.Refuse(err)
	}
	q, err := l.send(subject, header, data)
	if err != nil {
		return nil, err
	}
	return l.await(ctx, q)
}

// heard is told of every answer.
func (l *link) heard(m *client.Msg) {
	a := answer{data: m.Data}
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		a.err = errNobody
	}
	l.settle(strings.TrimPrefix(m.Subject, l.inbox), a)
}

// denied fails the questions that the server does not let this user ask.
func (l *link) denied(subject string, err error) {
	l.mu.Lock()
	var about []*question
	for token, q := range l.questions {
		if q.subject == subject {
			about = append(about, q)
			delete(l.questions, token)
		}
	}
	l.mu.Unlock()
	for _, q := range about {
		q.answer <- answer{err: err}
	}
}

// api asks JetStream something, and reads its answer into result, which may be nil.
func (l *link) api(ctx context.Context, subject string, request, result any) error {
	var data []byte
	if request != nil {
		var err error
		if data, err = json.Marshal(request); err != nil {
			return brokers.Refuse(err)
		}
	}
	got, err := l.ask(ctx, "$JS.API."+subject, nil, data)
	if err != nil {
		return err
	}
	return read(got, result)
}

// read takes the error out of an answer of JetStream's, and the rest of it where there is none.
func read(data []byte, result any) error {
	var said struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return fmt.Errorf("understand the server's answer: %w", err)
	}
	if said.Error != nil {
		return explain(said.Error)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(data, result); err != nil {
		return fmt.Errorf("understand the server's answer: %w", err)
	}
	return nil
}
