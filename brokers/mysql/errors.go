package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strings"

	mysql "github.com/go-sql-driver/mysql"

	"taskbench/brokers"
)

// errLapsed is told of what was given to somebody else.
var errLapsed = brokers.Refusef("the lease ran out, because this process stood still or did not reach the server for %v: "+
	"what it held has been given to others", lease)

// number of the server's error, or 0.
func code(err error) uint16 {
	var refused *mysql.MySQLError
	if errors.As(err, &refused) {
		return refused.Number
	}
	return 0
}

// again tells whether the server has undone a transaction in favour of another, so that it may be tried once more.
func again(err error) bool { return code(err) == 1213 || code(err) == 1205 } // deadlock; waited too long for a lock

// judge makes an error Definite where the server itself refused, which undoes the whole transaction, or where nothing
// had been sent. A server that fails in the commit, or is being shut down, may have committed.
func judge(err error) error {
	switch n := code(err); {
	case err == nil, brokers.Definite(err):
		return err
	case n == 1180 || n == 1053 || n == 1317 || n == 1927 || n == 3169:
		return explain(err)
	case n != 0, dialling(err), errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.Is(err, mysql.ErrPktTooLarge):
		return brokers.Refuse(explain(err))
	}
	return explain(err)
}

func dialling(err error) bool {
	var network *net.OpError
	return errors.As(err, &network) && network.Op == "dial"
}

// advice is what to do about the refusals that people can do something about, by the server's number.
var advice = map[uint16]string{}

func init() {
	for what, numbers := range map[string][]uint16{
		"correct user and password in the URL": {1045, 1698, 1251, 1524},
		"GRANT the user SELECT, INSERT, UPDATE and DELETE on the database and, until the tables are there, CREATE": {1044, 1142, 1143, 1227},
		"CREATE DATABASE it, or correct its name in the URL":                                                       {1049},
		"raise max_connections of the server, or start fewer workers: each takes up to nine connections":           {1040, 1203, 1226},
		"a table of that name has another shape; move it away, or name another database in the URL":                {1054, 1136, 1146, 1176, 1364},
		"the server is a replica or read-only; name the primary in the URL":                                        {1290, 1836, 1792},
		"the server takes encrypted connections alone: add tls=true to the URL":                                    {3159},
		"free space on the server's disk":                                                                          {1021, 1114, 3675, 1030},
		"raise max_allowed_packet of the server, or send less in one message":                                      {1153, 1301},
	} {
		for _, n := range numbers {
			advice[n] = what
		}
	}
}

// unwelcome is explain for the first exchange with a server.
func unwelcome(err error) error {
	explained := explain(err)
	if code(err) != 0 || dialling(err) || strings.Contains(explained.Error(), "in the URL") || strings.Contains(explained.Error(), "is it MySQL") {
		return explained
	}
	return fmt.Errorf("%w; is it MySQL or MariaDB that listens there?", explained)
}

// explain says what to do. It shows nothing of the URL.
func explain(err error) error {
	if what := advice[code(err)]; what != "" {
		return fmt.Errorf("%w; %s", err, what)
	}
	switch {
	case dialling(err):
		return brokers.Unreached(err)
	case strings.Contains(err.Error(), "tls:"), strings.Contains(err.Error(), "x509:"), errors.Is(err, mysql.ErrNoTLS):
		return fmt.Errorf("%w; check tls and the host's name in the URL, and have this machine trust who signed the server's certificate", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer in time: %w", err)
	case errors.Is(err, mysql.ErrMalformPkt), errors.Is(err, mysql.ErrOldProtocol), errors.Is(err, mysql.ErrPktSync):
		return fmt.Errorf("%w; is it MySQL or MariaDB that listens there?", err)
	}
	return err
}
