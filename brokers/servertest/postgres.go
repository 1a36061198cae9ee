package servertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
)

// Postgres starts PostgreSQL with an empty database, from the binaries on PATH or where Debian keeps them. As root it runs
// as nobody, since it refuses to run as root. Its URL is postgresql://...; it is faster than a real one, as it does not
// wait for the disk.
func Postgres(t testing.TB) *Server {
	t.Helper()
	debian := func(name string) string { return Find(t, name+"|/usr/lib/postgresql/*/bin/"+name) } // which is not on PATH
	server, initdb, ready := debian("postgres"), debian("initdb"), debian("pg_isready")
	server, err := filepath.EvalSymlinks(server)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "taskbench-postgres-") // a path that another user may enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	as := asNobody(t, dir)
	data := filepath.Join(dir, "data")
	if out, err := as(exec.Command(initdb, "-D", data, "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8", "--no-locale")).CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	port := fmt.Sprint(FreePort(t))
	url := fmt.Sprintf("postgresql://tester:secret@127.0.0.1:%s/postgres?sslmode=disable", port)
	return Start(t, url, func() *exec.Cmd {
		return as(exec.Command(server, "-D", data, "-p", port, "-h", "127.0.0.1", "-k", dir, "-c", "fsync=off"))
	}, func(ctx context.Context) error {
		return exec.CommandContext(ctx, ready, "-h", "127.0.0.1", "-p", port, "-U", "tester", "-d", "postgres").Run()
	})
}

// asNobody gives a directory to the user nobody, where root runs the test, and returns what has a command run there as
// that user.
func asNobody(t testing.TB, dir string) func(*exec.Cmd) *exec.Cmd {
	t.Helper()
	if os.Getuid() != 0 {
		return func(cmd *exec.Cmd) *exec.Cmd {
			cmd.Dir = dir
			return cmd
		}
	}
	uid, gid := nobody(t)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	setpriv := Find(t, "setpriv")
	return func(cmd *exec.Cmd) *exec.Cmd {
		// A change of user takes the signal at the parent's death away: it is asked for again.
		become := []string{"setpriv", fmt.Sprintf("--reuid=%d", uid), fmt.Sprintf("--regid=%d", gid), "--clear-groups", "--pdeathsig=KILL"}
		cmd.Dir, cmd.Path, cmd.Args = dir, setpriv, append(become, cmd.Args...)
		return cmd
	}
}

func nobody(t testing.TB) (uid, gid int) {
	t.Helper()
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(u.Uid+" "+u.Gid, &uid, &gid); err != nil {
		t.Fatal(err)
	}
	return uid, gid
}
