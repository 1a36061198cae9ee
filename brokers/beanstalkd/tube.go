package beanstalkd

import (
	"fmt"
	"strings"

	"taskbench/brokers"
)

// longestTube is what the server takes, in bytes.
const longestTube = 200

// tubeOf names the tube of a queue. What a tube's name cannot hold is written as its hexadecimal number in
// parentheses, and so are parentheses, so that no two queues share a tube.
func tubeOf(queue string) (string, error) {
	var b strings.Builder
	for i := range len(queue) {
		if c := queue[i]; fits(c) && (i > 0 || c != '-') {
			b.WriteByte(c)
		} else {
			_, _ = fmt.Fprintf(&b, "(%02X)", c)
		}
	}
	if n := b.Len(); n == 0 || n > longestTube {
		return "", brokers.Refusef("queue %.40q would need a tube with a name of %d bytes: beanstalkd takes 1 to %d", queue, n, longestTube)
	}
	return b.String(), nil
}

func fits(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-+/;.$_", c) >= 0
}
