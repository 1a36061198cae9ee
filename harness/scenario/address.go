package scenario

import (
	"strconv"
	"strings"
)

// The addresses of one server of a broker that is several, besides broker-1, broker-2 and so on.
const (
	Leader  = "leader"  // who leads the queue when the fault begins
	Replica = "replica" // who holds a copy of it, chosen by chance
)

// Kind is what the node at an address is: broker or worker. An address that is none is its own kind.
func Kind(address string) string {
	if _, ok := Member(address); ok || address == Leader || address == Replica {
		return "broker"
	}
	return address
}

// Member is the number of the server that an address such as broker-2 names.
func Member(address string) (n int, ok bool) {
	text, ok := strings.CutPrefix(address, "broker-")
	n, err := strconv.Atoi(text)
	return n, ok && err == nil && n > 0 && strconv.Itoa(n) == text
}
