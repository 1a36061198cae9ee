package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// copiedIn is how long replicas may take to say that they have what was written: less than Patience, which is for the answer.
const copiedIn = 2 * time.Second

// Commit is Exec for what must not be lost: where the settings want copies, it returns once so many replicas say that they have
// it. What they do not say so of in time has an error that is not Definite, since it may yet be kept.
func (l *Link) Commit(ctx context.Context, cmds ...goredis.Cmder) {
	if l.Copies == 0 {
		l.Exec(ctx, cmds...)
		return
	}
	l.exec(ctx, l.copied, cmds)
}

// Transact has the commands carried out all or none, and then is as Commit.
func (l *Link) Transact(ctx context.Context, add func(goredis.Pipeliner) error) error {
	if l.Copies == 0 {
		_, err := l.Client.TxPipelined(ctx, add)
		return err
	}
	conn := l.Client.Conn()
	defer func() { _ = conn.Close() }() // only hands it back
	if _, err := conn.TxPipelined(ctx, add); err != nil {
		return err
	}
	wait := l.wait(ctx)
	_ = conn.Process(ctx, wait) // the command keeps its error
	return l.doubt(wait)
}

// copied sends the commands and, on the same connection, asks how many replicas have all that.
func (l *Link) copied(ctx context.Context, cmds []goredis.Cmder) {
	wait := l.wait(ctx)
	l.pipeline(ctx, append(cmds[:len(cmds):len(cmds)], wait))
	err := l.doubt(wait)
	if err == nil {
		return
	}
	for _, cmd := range cmds {
		if cmd.Err() == nil {
			cmd.SetErr(err)
		}
	}
}

func (l *Link) wait(ctx context.Context) *goredis.IntCmd {
	return goredis.NewIntCmd(ctx, "wait", l.Copies, copiedIn.Milliseconds())
}

// doubt is why it is not known that enough replicas have what was written. The server's own error is not wrapped: what it
// refused is to wait, and not to write.
func (l *Link) doubt(wait *goredis.IntCmd) error {
	if err := wait.Err(); err != nil {
		return errors.New("wait for replicas to have it: " + err.Error())
	}
	if wait.Val() < int64(l.Copies) {
		return fmt.Errorf("the primary has it, and %d of %d replicas have said within %v that they do", wait.Val(), l.Copies, copiedIn)
	}
	return nil
}
