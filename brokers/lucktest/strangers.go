package lucktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
)

// strangers are about URLs behind which there is another server than was meant, or none. They need no server.
var strangers = []Clause{
	{
		Name:  "nobody listens",
		Why:   "a server that is down, or a port that is wrong, is the most frequent mistake of all",
		unfit: library,
		Check: func(ctx context.Context, s Subject) error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			addr := l.Addr().String()
			if err := l.Close(); err != nil {
				return err
			}
			return s.refuses(ctx, addr, "is the server up")
		},
	},
	{
		Name:  "another server",
		Why:   "with a wrong port some other server answers, in words of its own that lead nowhere",
		unfit: library,
		Check: func(ctx context.Context, s Subject) error {
			checks := map[string]func() error{}
			for name, talk := range map[string]talk{
				"a web server":  reply("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
				"a mail server": greet("220 mail.example.org ESMTP\r\n"),
				"one of words":  reply("-WHAT did you say\r\n"),
				"one of bytes":  reply("\x00\x00\x00\x08\x01\x02\x03\x04\xff\xfe\xfd\xfc"),
			} {
				checks[name] = func() error { return s.meets(ctx, talk, s.Foreign) }
			}
			return together(checks)
		},
	},
	{
		Name:  "silent server",
		Why:   "a server that takes connections and says nothing, or hangs up, must not hold a worker's start up for ever",
		unfit: library,
		Check: func(ctx context.Context, s Subject) error {
			return together(map[string]func() error{
				"mute":     func() error { return s.meets(ctx, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }) },
				"hangs up": func() error { return s.meets(ctx, func(net.Conn) {}) },
			})
		},
	},
	certificates,
}

func library(s Subject) bool { return s.Driver.Server.Library }

// A talk is what a server does with a connection, which is closed when it returns.
type talk func(c net.Conn)

// greet speaks first, and hears the other out.
func greet(text string) talk {
	return func(c net.Conn) {
		_, _ = io.WriteString(c, text)
		_, _ = io.Copy(io.Discard, c)
	}
}

// reply answers, whatever it hears first. To who waits to be greeted it says the same.
func reply(text string) talk {
	return func(c net.Conn) {
		buf := make([]byte, 4096)
		_ = c.SetReadDeadline(after(courtesy))
		_, _ = c.Read(buf)
		_, _ = io.WriteString(c, text)
		_ = c.SetReadDeadline(after(soon))
		_, _ = io.Copy(io.Discard, io.LimitReader(c, 64<<10)) // it hears the other out, so that nothing is reset
	}
}

// meets has the driver meet a server that talks so, and judges what it says.
func (s Subject) meets(ctx context.Context, talk talk, advice ...string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := serve(l, talk)
	err = s.refuses(ctx, l.Addr().String(), advice...)
	return errors.Join(err, served())
}

// refuses judges what the driver says of the server at addr.
func (s Subject) refuses(ctx context.Context, addr string, advice ...string) error {
	open, ready, err := s.ask(ctx, s.URL(addr))
	if err != nil {
		return err
	}
	if err := s.judge(open, append(advice, addr)...); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if err := s.judge(ready); err != nil {
		return fmt.Errorf("ready: %w", err)
	}
	return nil
}
