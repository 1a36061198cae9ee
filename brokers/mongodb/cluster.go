package mongodb

import (
	"context"
	_ "embed" // the start script
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"taskbench/brokers"
)

// The name of the replica set that labs start, and the states of a member that has the data, as replSetGetStatus tells them.
const (
	labSet    = "taskbench"
	primary   = 1
	secondary = 2
)

//go:embed member.sh
var memberScript string

// member starts one server of a replica set.
func member(l brokers.Launch) brokers.Command {
	return brokers.Command{
		Args: []string{"sh", "-c", memberScript},
		Env: []string{
			"HOST=" + l.Host, "PORT=" + strconv.Itoa(l.Port), "DIR=" + l.Dir, "SET=" + labSet, "MEMBER=" + l.Name, "PEERS=" + strings.Join(l.Peers, " "),
			"ELECTION_TIMEOUT=" + l.Variant.Settings["electionTimeoutMillis"], "HEARTBEAT_INTERVAL=" + l.Variant.Settings["heartbeatIntervalMillis"],
		},
	}
}

// A status is what a member says of its set, as far as it is wanted.
type status struct {
	Members []struct {
		Name   string `bson:"name"`
		State  int    `bson:"state"`
		Health float64
	} `bson:"members"`
}

// standing asks one member of a replica set how it sees the others. Every queue is on all of them, and led by the primary.
func standing(ctx context.Context, c brokers.Console, queue string) (brokers.Standing, error) {
	var s status
	err := tell(ctx, c.URL, "replSetGetStatus", &s)
	var refused driver.CommandError
	if errors.As(err, &refused) { // it is not in a set yet, or not again
		return brokers.Standing{}, nil
	}
	if err != nil {
		return brokers.Standing{}, fmt.Errorf("ask mongodb who is in the replica set: %w", err)
	}
	return s.standing(queue), nil
}

func (s status) standing(queue string) brokers.Standing {
	var up []string
	leader := ""
	for _, m := range s.Members {
		host, _, err := net.SplitHostPort(m.Name)
		if err != nil || m.Health == 0 || m.State != primary && m.State != secondary {
			continue
		}
		up = append(up, host)
		if m.State == primary {
			leader = host
		}
	}
	slices.Sort(up)
	switch {
	case queue != "":
		return brokers.Standing{Leader: leader, Replicas: up}
	case leader == "":
		return brokers.Standing{} // they run, and nobody can write yet
	}
	return brokers.Standing{Up: up}
}

// tell has the one server at a URL answer a command that asks it of itself.
func tell(ctx context.Context, url, command string, to any) error {
	set, err := configure(stay(url), brokers.Variant{}, nil)
	if err != nil {
		return err
	}
	client, err := driver.Connect(set.options)
	if err != nil {
		return brokers.Refusef("connect to mongodb at %s: the driver does not understand its options", set.addr)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		_ = client.Disconnect(ctx) // it was asked
	}()
	return client.Database("admin").RunCommand(ctx, bson.D{{Key: command, Value: 1}}).Decode(to)
}
