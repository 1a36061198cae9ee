package pool

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"taskbench/worker/result"
)

// ErrTimeLimit is in the cause of every context that ended at a time limit.
var ErrTimeLimit = errors.New("the task's time limit was reached")

// ErrSoftLimit and ErrHardLimit say which limit it was; both are ErrTimeLimit.
var (
	ErrSoftLimit = fmt.Errorf("soft limit: %w", ErrTimeLimit)
	ErrHardLimit = fmt.Errorf("hard limit: %w", ErrTimeLimit)
)

// ErrRevoked is the cause of a context that ended because its attempt was revoked while it ran.
var ErrRevoked = errors.New("the task was revoked")

// overdue is the result of an attempt that its hard limit ended.
func overdue(hard time.Duration, pid int) Result {
	return Result{
		Status: TimedOut,
		Err:    fmt.Errorf("%w: %v", ErrHardLimit, hard),
		PID:    pid,
		Exception: &result.Exception{
			Type: "TimeLimitExceeded", Module: "billiard.exceptions",
			Args: []json.RawMessage{strconv.AppendFloat(nil, hard.Seconds(), 'f', -1, 64)},
		},
	}
}

// terminated is the result of an attempt that Kill ended.
func terminated(pid int) Result {
	return Result{
		Status: Killed, Terminated: true, Err: ErrRevoked, PID: pid,
		Exception: &result.Exception{
			Type: "TaskRevokedError", Module: "celery.exceptions", Args: []json.RawMessage{json.RawMessage(`"terminated"`)},
		},
	}
}

// WorkerLost is the exception of an attempt whose process ended before it could say how that went.
func WorkerLost(text string) *result.Exception {
	quoted, _ := json.Marshal(text) // a string can be encoded
	return &result.Exception{Type: "WorkerLostError", Module: "billiard.exceptions", Args: []json.RawMessage{quoted}}
}
