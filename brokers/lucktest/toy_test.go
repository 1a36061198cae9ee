package lucktest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/lucktest"
)

// A toy is a driver of a server that greets with "TOY". Each field that is set makes it wrong in one way.
type toy struct {
	unsure     bool // its errors are not Definite
	certain    bool // they all are
	nameless   bool // they do not say whose they are
	vague      bool // or what was being done
	chatty     bool // they show the URL
	lines      bool // they have two lines
	helpless   bool // they do not say what to do
	credulous  bool // it takes everybody for its server
	patient    bool // it does not look at its context
	blind      bool // it accepts every certificate
	suspicious bool // it accepts none
	greedy     bool // it reads all that there is
}

func (y toy) driver() brokers.Driver {
	return brokers.Driver{
		Name: "toy", Open: y.open,
		Server: brokers.ServerSpec{Ready: func(ctx context.Context, at string) (string, error) {
			_, err := y.open(ctx, at, brokers.Variant{})
			return "1", err
		}},
	}
}

func (y toy) subject() lucktest.Subject {
	at := func(scheme string) func(string) string {
		return func(addr string) string {
			u := url.URL{Scheme: scheme, User: url.UserPassword("me", lucktest.Secret), Host: addr}
			return u.String()
		}
	}
	return lucktest.Subject{
		Driver: y.driver(), URL: at("toy"), Foreign: "is it a toy", Server: "toy://works", Encryption: &lucktest.Encryption{URL: at("toys"), Advice: "trust it"},
		Refusals: map[string]lucktest.Refusal{
			"password": {Advice: "check it", Meet: func(context.Context) error {
				return y.say("toy://me:"+lucktest.Secret+"@h", "publish", errors.New("refused"), "check it")
			}},
			"disk": {Advice: "make room", Unsure: true, Meet: func(context.Context) error {
				doubt := y
				doubt.unsure = !y.certain
				return doubt.say("toy://me:"+lucktest.Secret+"@h", "publish", errors.New("some of it may be stored"), "make room")
			}},
		},
	}
}

// say makes an error as it should be, but for what is wrong.
func (y toy) say(at, doing string, err error, hint string) error {
	name := "toy"
	if y.nameless {
		name = "somebody"
	}
	if y.vague {
		doing = "work"
	}
	if y.helpless {
		hint = ""
	}
	text := fmt.Sprintf("%s %s: %v; %s", doing, name, err, hint)
	if y.chatty {
		text += at
	}
	if y.lines {
		text += "\n"
	}
	if y.unsure {
		return errors.New(text)
	}
	return brokers.Refuse(errors.New(text))
}

func (y toy) open(ctx context.Context, at string, _ brokers.Variant) (brokers.Broker, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	if u.Host == "works" {
		return &box{greedy: y.greedy}, nil
	}
	doing := "open " + u.Host + " of"
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, y.say(u.User.String(), doing, err, "is the server up?")
	}
	defer func() { _ = raw.Close() }()
	if y.patient {
		ctx = context.WithoutCancel(ctx)
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	c := raw
	if u.Scheme == "toys" {
		config := &tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: y.blind} //nolint:gosec // one of the bugs
		if y.suspicious {
			config.VerifyConnection = func(tls.ConnectionState) error { return errors.New("x509: nobody is to be trusted") }
		}
		encrypted := tls.Client(raw, config)
		if err := encrypted.Handshake(); err != nil {
			return nil, y.say(lucktest.Secret, doing, err, "trust it")
		}
		c = encrypted
	}
	greeting := make([]byte, 3)
	_, err = io.ReadFull(c, greeting)
	if err == nil && string(greeting) != "TOY" && !y.credulous {
		err = fmt.Errorf("it says %q", greeting)
	}
	if err != nil {
		return nil, y.say(lucktest.Secret, doing, err, "is it a toy? "+strings.TrimSpace(u.Host))
	}
	return &box{}, nil
}

// A box makes the messages that were put into it when they are taken out, or, where it is greedy, before.
type box struct {
	greedy bool
	n      int
}

func (b *box) Publish(context.Context, brokers.Message) error { b.n++; return nil }
func (b *box) Close() error                                   { return nil }

func (b *box) Consume(ctx context.Context, _ []string, _ int) (brokers.Consumer, error) {
	c := &taker{out: make(chan brokers.Delivery)}
	made := make([][]byte, b.n)
	for i := range made {
		if b.greedy {
			made[i] = make([]byte, 1<<20)
		}
	}
	go func() {
		for i := range made {
			if !b.greedy {
				made[i] = make([]byte, 1<<20)
			}
			select {
			case c.out <- given(made[i]):
				if !b.greedy {
					made[i] = nil
				}
			case <-ctx.Done():
				return
			}
		}
		<-ctx.Done()
		_ = made[0] // all of it is kept until then
	}()
	return c, nil
}

type taker struct{ out chan brokers.Delivery }

func (t *taker) Deliveries() <-chan brokers.Delivery { return t.out }
func (*taker) SetPrefetch(int) error                 { return nil }
func (*taker) Err() error                            { return nil }

type given []byte

func (g given) Message() brokers.Message       { return brokers.Message{Body: g} }
func (given) Redelivered() bool                { return false }
func (given) Ack(context.Context) error        { return nil }
func (given) Nack(context.Context, bool) error { return nil }
