package servertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	mysql "github.com/go-sql-driver/mysql"
)

// MariaDB starts MariaDB with an empty database, from the binaries of Debian's mariadb-server-core, or MySQL on a machine
// that has that instead. As root it runs as nobody. Its URL is mysql://...; it is faster than a real one, as it does not
// wait for the disk.
//
// Beside the user of the URL, who may do everything in the database, there is "reader" with the password "secret", who
// may only look.
func MariaDB(t testing.TB) *Server {
	t.Helper()
	server := Find(t, "mariadbd|/usr/sbin/mariadbd|mysqld|/usr/sbin/mysqld")
	dir, err := os.MkdirTemp("/tmp", "taskbench-mariadb-") // a path that another user may enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	data, users := filepath.Join(dir, "data"), filepath.Join(dir, "users.sql")
	args := []string{"--no-defaults", "--datadir=" + data}
	if err := os.WriteFile(users, []byte(accounts), 0o644); err != nil {
		t.Fatal(err)
	}
	nobody := asNobody(t, dir)
	as := func(cmd *exec.Cmd) *exec.Cmd {
		cmd.Env = append(os.Environ(), "TMPDIR="+dir) // at its start a server removes all temporary tables from there
		return nobody(cmd)
	}
	var install *exec.Cmd
	if filepath.Base(server) == "mysqld" {
		install = exec.Command(server, append(args, "--initialize-insecure")...)
		args = append(args, "--disable-log-bin", "--secure-file-priv=NULL", "--loose-mysqlx=OFF")
	} else {
		install = exec.Command(Find(t, "mariadb-install-db"), append(args, "--skip-test-db", "--auth-root-authentication-method=normal")...)
	}
	if out, err := as(install).CombinedOutput(); err != nil {
		t.Fatalf("make the database: %v\n%s", err, out)
	}
	port := fmt.Sprint(FreePort(t))
	args = append(args, "--bind-address=127.0.0.1", "--port="+port, "--socket="+filepath.Join(dir, "socket"), "--init-file="+users,
		"--pid-file="+filepath.Join(dir, "pid"), "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-buffer-pool-size=64M", "--skip-name-resolve")
	return Start(t, "mysql://tester:secret@127.0.0.1:"+port+"/test", func() *exec.Cmd {
		return as(exec.Command(server, args...))
	}, func(ctx context.Context) error {
		c := mysql.NewConfig()
		c.User, c.Passwd, c.Net, c.Addr, c.DBName, c.Logger = "tester", "secret", "tcp", "127.0.0.1:"+port, "test", &mysql.NopLogger{}
		connector, err := mysql.NewConnector(c)
		if err != nil {
			return err
		}
		conn, err := connector.Connect(ctx)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// accounts is what the server carries out at every start.
const accounts = `CREATE DATABASE IF NOT EXISTS test CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS tester@'%' IDENTIFIED BY 'secret';
GRANT ALL ON test.* TO tester@'%';
CREATE USER IF NOT EXISTS reader@'%' IDENTIFIED BY 'secret';
GRANT SELECT ON test.* TO reader@'%';
`
