package redis

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// Each script is one atomic step of a message's life; the comment at its top says which.
var (
	//go:embed lua/claim.lua
	claimSource string
	//go:embed lua/ack.lua
	ackSource string
	//go:embed lua/move.lua
	moveSource string
	//go:embed lua/restore.lua
	restoreSource string
	//go:embed lua/renew.lua
	renewSource string
	//go:embed lua/retire.lua
	retireSource string
	//go:embed lua/held.lua
	heldSource string
	//go:embed lua/delay.lua
	delaySource string
	//go:embed lua/due.lua
	dueSource string

	claimScript   = goredis.NewScript(claimSource)
	ackScript     = goredis.NewScript(ackSource)
	moveScript    = goredis.NewScript(moveSource)
	restoreScript = goredis.NewScript(restoreSource)
	renewScript   = goredis.NewScript(renewSource)
	retireScript  = goredis.NewScript(retireSource)
	heldScript    = goredis.NewScript(heldSource)
	delayScript   = goredis.NewScript(delaySource)
	dueScript     = goredis.NewScript(dueSource)

	sources = []string{claimSource, ackSource, moveSource, restoreSource, renewSource, retireSource, heldSource, delaySource, dueSource}
)

// invoke builds the call of a script that the server is expected to know already.
func invoke(ctx context.Context, s *goredis.Script, keys []string, args ...any) *goredis.Cmd {
	full := make([]any, 0, 3+len(keys)+len(args))
	full = append(full, "evalsha", s.Hash(), len(keys))
	for _, k := range keys {
		full = append(full, k)
	}
	return goredis.NewCmd(ctx, append(full, args...)...)
}

// exec sends the commands in one exchange; each keeps its own outcome. A server that was restarted has forgotten
// the scripts: it is taught them again and asked once more, which is safe because an unknown script did nothing.
func (b *broker) exec(ctx context.Context, cmds ...goredis.Cmder) {
	b.pipeline(ctx, cmds)
	var again []goredis.Cmder
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
			again = append(again, cmd)
		}
	}
	if len(again) == 0 || b.teach(ctx) != nil {
		return
	}
	for _, cmd := range again {
		cmd.SetErr(nil)
	}
	b.pipeline(ctx, again)
}

func (b *broker) pipeline(ctx context.Context, cmds []goredis.Cmder) {
	if len(cmds) == 1 {
		_ = b.rdb.Process(ctx, cmds[0]) // the command keeps its error
		return
	}
	p := b.rdb.Pipeline()
	for _, cmd := range cmds {
		_ = p.Process(ctx, cmd) // only queues
	}
	_, _ = p.Exec(ctx) // each command keeps its error
}

func (b *broker) teach(ctx context.Context) error {
	cmds := make([]goredis.Cmder, len(sources))
	for i, source := range sources {
		cmds[i] = goredis.NewStringCmd(ctx, "script", "load", source)
	}
	b.pipeline(ctx, cmds)
	err := firstError(cmds)
	var refused goredis.Error
	if errors.As(err, &refused) && strings.HasPrefix(err.Error(), "ERR") {
		return fmt.Errorf("load scripts, which need Redis 7 or newer: %w", err)
	}
	return err
}
