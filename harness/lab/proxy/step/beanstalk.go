package step

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"taskbench/brokers"
)

type beanstalk struct {
	asked []Step // the step that each answer to come is, where the server agrees; "" for others
}

func newBeanstalk(map[string]brokers.Act) Parser { return &beanstalk{} }

// longestLine is beyond what any line of a protocol needs.
const longestLine = 64 << 10

var errNoLine = errors.New("it does not speak in lines")

// line finds the end of the line that data begins with, or 0.
func line(data []byte) (end int, err error) {
	if i := bytes.IndexByte(data[:min(len(data), longestLine)], '\n'); i >= 0 {
		return i + 1, nil
	}
	if len(data) >= longestLine {
		return 0, errNoLine
	}
	return 0, nil
}

func (p *beanstalk) Next(from Side, data []byte) (int, []Event, error) {
	n, err := line(data)
	if n == 0 {
		return 0, nil, err
	}
	fields := bytes.Fields(data[:n])
	if len(fields) == 0 {
		return 0, nil, errNoLine
	}
	word := string(fields[0])
	if word == "put" || word == "RESERVED" || word == "FOUND" || word == "OK" {
		size, err := strconv.Atoi(string(fields[len(fields)-1]))
		if err != nil || size < 0 || size > largest {
			return 0, nil, fmt.Errorf("it says %.40q, where a length is due", data[:n])
		}
		if n += size + 2; len(data) < n {
			return 0, nil, nil
		}
	}
	if from == Client {
		return n, p.ask(word), nil
	}
	return n, p.answer(word), nil
}

func (p *beanstalk) ask(word string) []Event {
	switch word {
	case "put":
		p.asked = append(p.asked, Confirm)
		return event(Publish, 1, false)
	case "reserve", "reserve-with-timeout", "reserve-job":
		p.asked = append(p.asked, Claim)
	case "delete":
		p.asked = append(p.asked, Acked)
		return event(Ack, 1, false)
	case "quit": // is not answered
	default:
		p.asked = append(p.asked, "")
	}
	return nil
}

func (p *beanstalk) answer(word string) []Event {
	if len(p.asked) == 0 {
		return nil
	}
	at := p.asked[0]
	p.asked = p.asked[1:]
	switch {
	case at == Claim && word == "RESERVED":
		return []Event{{Claim, 1, false}, {Deliver, 1, true}}
	case at == Confirm && word == "INSERTED", at == Acked && word == "DELETED":
		return event(at, 1, false)
	}
	return nil
}
