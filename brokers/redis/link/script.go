package link

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// A Script is one atomic step in Lua.
type Script struct {
	source string
	hash   string
}

// Scripts are those of one layout, by their names. The comment at the top of each says which step it is.
type Scripts map[string]Script

// ReadScripts reads the folder lua, where the script of a name stands in name.lua. It panics where that cannot be: the
// files are part of the program.
func ReadScripts(files fs.FS) Scripts {
	paths, err := fs.Glob(files, "lua/*.lua")
	if err != nil {
		panic(err)
	}
	all := make(Scripts, len(paths))
	for _, p := range paths {
		source, err := fs.ReadFile(files, p)
		if err != nil {
			panic(err)
		}
		name := strings.TrimSuffix(path.Base(p), ".lua")
		all[name] = Script{string(source), goredis.NewScript(string(source)).Hash()}
	}
	return all
}

// Named panics where there is no such script.
func (s Scripts) Named(name string) Script {
	script, ok := s[name]
	if !ok {
		panic("there is no lua/" + name + ".lua")
	}
	return script
}

// All returns them in no order. The slice is the caller's.
func (s Scripts) All() []Script { return slices.Collect(maps.Values(s)) }

// Name is the call of the script as the server hears it, without its arguments, for whoever listens to the connection.
func (s Script) Name() string { return "evalsha " + s.hash }

// Call builds the call of a script that the server is expected to know already; Exec sends it.
func (s Script) Call(ctx context.Context, keys []string, args ...any) *goredis.Cmd {
	full := make([]any, 0, 3+len(keys)+len(args))
	full = append(full, "evalsha", s.hash, len(keys))
	for _, k := range keys {
		full = append(full, k)
	}
	return goredis.NewCmd(ctx, append(full, args...)...)
}

// Exec sends the commands in one exchange; each keeps its own outcome. A server that was restarted, or that has taken
// another's place, has forgotten the scripts: it is taught them again and asked once more, which is safe because an
// unknown script did nothing.
func (l *Link) Exec(ctx context.Context, cmds ...goredis.Cmder) { l.exec(ctx, l.pipeline, cmds) }

func (l *Link) exec(ctx context.Context, send func(context.Context, []goredis.Cmder), cmds []goredis.Cmder) {
	send(ctx, cmds)
	var again []goredis.Cmder
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
			again = append(again, cmd)
		}
	}
	if len(again) == 0 || l.teach(ctx) != nil {
		return
	}
	for _, cmd := range again {
		cmd.SetErr(nil)
	}
	send(ctx, again)
}

func (l *Link) pipeline(ctx context.Context, cmds []goredis.Cmder) {
	if len(cmds) == 1 {
		_ = l.Client.Process(ctx, cmds[0]) // the command keeps its error
		return
	}
	p := l.Client.Pipeline()
	for _, cmd := range cmds {
		_ = p.Process(ctx, cmd) // only queues
	}
	// Each command keeps its error, but for those that were never sent because the server refused the connection: of a wrong
	// password, or of too many clients, the library tells the caller alone.
	if _, err := p.Exec(ctx); err != nil && FirstError(cmds) == nil {
		for _, cmd := range cmds {
			cmd.SetErr(err)
		}
	}
}

func (l *Link) teach(ctx context.Context) error {
	cmds := make([]goredis.Cmder, len(l.scripts))
	for i, s := range l.scripts {
		cmds[i] = goredis.NewStringCmd(ctx, "script", "load", s.source)
	}
	l.pipeline(ctx, cmds)
	err := FirstError(cmds)
	var refused goredis.Error
	if errors.As(err, &refused) && strings.HasPrefix(err.Error(), "ERR") {
		return fmt.Errorf("load scripts, which need Redis 7 or newer: %w", err)
	}
	return err
}

// FirstError is that of the first command that has one.
func FirstError(cmds []goredis.Cmder) error {
	for _, cmd := range cmds {
		if cmd.Err() != nil {
			return cmd.Err()
		}
	}
	return nil
}
