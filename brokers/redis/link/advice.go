package link

import (
	"fmt"
	"strings"
)

// advice is what to do about what a server says, by the word that its errors begin with.
var advice = []struct{ word, what string }{
	{"NOPERM", "allow the user the command and the keys, by ACL SETUSER"},
	{"NOAUTH", "put user and password into the URL"},
	{"WRONGPASS", "check user and password in the URL"},
	{"READONLY", "connect to the master; by sentinel:// the one of the moment is found"},
	{"OOM", "raise maxmemory, or consume what is there"},
	{"WRONGTYPE", "the key is used for something else: give the queue another name, or the broker a database of its own"},
	{"NOREPLICAS", "bring replicas back, or lower min-replicas-to-write"},
	{"MISCONF", "the server cannot write to its disk: free space there, and see its log"},
	{"ERR max number of clients reached", "raise maxclients of the server, or start fewer workers"},
	{"LOADING", "wait until the server has read its data"},
	{"ERR", ""},
}

// known tells whether it is Redis that says so.
func known(text string) bool {
	for _, a := range advice {
		if strings.HasPrefix(text, a.word) {
			return true
		}
	}
	return false
}

// advise adds to an error of the server what to do about it. Inside a script the word comes somewhere in the text.
func advise(err error) error {
	text := err.Error()
	for _, a := range advice {
		if strings.HasPrefix(text, a.word) && a.what != "" {
			return fmt.Errorf("%w (%s)", err, a.what)
		}
	}
	return err
}
