package mongodb

import (
	"errors"
	"fmt"
	"strings"

	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"taskbench/brokers"
)

// advice is what to do about the refusals that people can do something about, by the server's code.
var advice = map[int32]string{
	unauthorized:         "let the user read and write the database, and make indexes there (role readWrite)",
	authenticationFailed: "check user and password in the URL, and its authSource",
	10107:                "the server is a replica: name the whole replica set in the URL (?replicaSet=NAME), or its primary",
	13435:                "the server is a replica: name the whole replica set in the URL (?replicaSet=NAME), or its primary",
	14031:                "free space on the server's disk",
	61:                   "the collection is spread by a key that messages do not have: name another database in the URL",
	166:                  "there is a view of that name: name another database in the URL",
	121:                  "the collection takes other documents only: name another database in the URL",
	85:                   "there is an index of that name and another kind: remove it, or name another database in the URL",
	86:                   "there is an index of that name and another kind: remove it, or name another database in the URL",
}

// advise adds to an error of the server what to do about it.
func advise(err error) error {
	if hint := advice[codeOf(err)]; hint != "" {
		return fmt.Errorf("%w; %s", err, hint)
	}
	return err
}

// codeOf is the code of the server's first refusal, or 0.
func codeOf(err error) int32 {
	var command driver.CommandError
	var many driver.BulkWriteException
	switch {
	case errors.As(err, &command):
		return command.Code
	case errors.As(err, &many) && len(many.WriteErrors) > 0:
		return int32(many.WriteErrors[0].Code) //nolint:gosec // codes are small
	case err != nil && strings.Contains(err.Error(), "(AuthenticationFailed)"): // of a kind that the library keeps to itself
		return authenticationFailed
	}
	return 0
}

// unwelcome adds what to do to the error of a server that did not let us in.
func unwelcome(err error) error {
	var nobody topology.ServerSelectionError
	text := err.Error()
	switch {
	case advice[codeOf(err)] != "":
		return err
	case strings.Contains(text, "tls:"), strings.Contains(text, "x509:"):
		return fmt.Errorf("%w; have this machine trust who signed the server's certificate (or say tlsCAFile in the URL), name the host as that does, or leave tls out", err)
	case errors.As(err, &nobody) && strings.Contains(text, "dial tcp"):
		return fmt.Errorf("%w; is the server up, and are host and port in the URL right?", err)
	}
	return fmt.Errorf("%w; is it MongoDB that listens there, and does it take more connections?", brokers.Unreached(err))
}
