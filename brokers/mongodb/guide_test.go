package mongodb

import (
	"context"
	"errors"
	"strings"
	"testing"

	"taskbench/brokers"
)

// Who is not there when the others are asked is asked when it is wanted again; who has told its name is not.
func TestGuideLearnsOfMembersByAndBy(t *testing.T) {
	questions := map[string]int{}
	names := map[string]string{"mongodb://one/": "Member-1:27017"}
	g := newGuide(map[string]string{"127.0.0.1:1": "mongodb://one/", "127.0.0.1:2": "mongodb://two/"})
	asked := make(chan string, 10)
	g.asked = func(_ context.Context, url string) (string, error) {
		asked <- url
		if names[url] == "" {
			return "", errors.New("away")
		}
		return names[url], nil
	}
	ask := func(address, want string) {
		t.Helper()
		way, err := g.way(t.Context(), address)
		if way != want || (err == nil) != (want != "") {
			t.Errorf("to %s leads %q, %v; want %q", address, way, err, want)
		}
		for len(asked) > 0 {
			questions[<-asked]++
		}
	}
	ask("127.0.0.1:2", "127.0.0.1:2") // as the URL says it
	ask("member-1:27017", "127.0.0.1:1")
	ask("member-2:27017", "")
	names["mongodb://two/"] = "member-2:27017"
	ask("member-2:27017", "127.0.0.1:2")
	ask("member-2:27017", "127.0.0.1:2")
	ask("member-3:27017", "")
	if questions["mongodb://one/"] != 1 || questions["mongodb://two/"] != 3 {
		t.Errorf("the members were asked so often: %v", questions)
	}
}

func TestListsOfURLs(t *testing.T) {
	const one, two = "mongodb://u:hunter2@a:1/db?w=1", "mongodb://u:hunter2@b:2/db?w=1"
	s, err := configure(brokers.JoinURLs([]string{one, two}), Driver.Variants[0], nil)
	if err != nil || s.addr != "a:1,b:2" || s.database != "db" || s.options.Dialer == nil {
		t.Errorf("%s, database %s: %v", s.addr, s.database, err)
	}
	for raw, want := range map[string]string{
		"mongodb://u:p@a:1/db?replicaSet=rs0&w=1": "mongodb://u:p@a:1/db?directConnection=true&w=1", "mongodb://a/": "mongodb://a/?directConnection=true",
		brokers.JoinURLs([]string{one, two}): brokers.JoinURLs([]string{one, two}), "mongodb://a:x": "mongodb://a:x",
	} {
		if got := stay(raw); got != want {
			t.Errorf("%s stays as %s, want %s", raw, got, want)
		}
	}
	for _, other := range []string{
		"mongodb://u:hunter3@b:2/db?w=1", "mongodb://u:hunter2@b:2/other?w=1", "mongodb://u:hunter2@b:2/db", "mongodb+srv://u:hunter2@b/db?w=1",
		"mongodb:///db?w=1", "mongodb://u:hunter2@b:x/db",
	} {
		_, err := configure(brokers.JoinURLs([]string{one, other}), Driver.Variants[0], nil)
		if !brokers.Definite(err) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("with %s: %v", other, err)
		}
	}
}
