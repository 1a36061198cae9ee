package result

import (
	"strings"
	"time"

	"taskbench/brokers"
)

// Options are those of every backend. The zero value is Celery's defaults.
type Options struct {
	Expires time.Duration  // how long results are kept; 0 is DefaultExpires, below 0 is for ever
	Prefix  string         // Celery's global_keyprefix, for backends that have keys
	Broker  brokers.Broker // over which results are sent, for the backend rpc alone; it stays its owner's to close
}

// DefaultExpires is Celery's result_expires.
const DefaultExpires = 24 * time.Hour

// Lifetime is Expires with its default; 0 is for ever.
func (o Options) Lifetime() time.Duration {
	switch {
	case o.Expires == 0:
		return DefaultExpires
	case o.Expires < 0:
		return 0
	}
	return o.Expires
}

// Keys are Celery's names for what a key/value backend holds.
type Keys struct{ prefix string }

// NewKeys sets an underscore between a prefix that does not end in one of ": _ - ." and the key, as Celery does.
func NewKeys(prefix string) Keys {
	if prefix != "" && !strings.ContainsAny(prefix[len(prefix)-1:], ":_-.") {
		prefix += "_"
	}
	return Keys{prefix}
}

// Task is the key of a task's record.
func (k Keys) Task(id string) string { return k.prefix + "celery-task-meta-" + id }

// Group is the key of a saved group; a chord's are this and ".s" (its size), ".j" (its parts) and ".t" (what its
// size changed by).
func (k Keys) Group(id string) string { return k.prefix + "celery-taskset-meta-" + id }

// Claim is the key of the claim on a task, which Celery has no name for.
func (k Keys) Claim(id string) string { return k.prefix + "taskbench-claim-" + id }

// EncodeGroup is the document of a saved group.
func EncodeGroup(tuple []byte) []byte {
	return append(append([]byte(`{"result": `), tuple...), '}')
}
