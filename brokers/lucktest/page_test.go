package lucktest_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"taskbench/brokers/lucktest"
)

var update = flag.Bool("update", false, "write brokers/LUCK.md anew")

const page = "../LUCK.md"

const head = `# Bad input and bad luck

What every broker here is held to when something is wrong with what it is given, or with its server. ` + "`TestLuck`" + ` of a broker's
package applies the clauses of package lucktest, for redis:stream ` + "`TestLuckOfStreams`" + `; where it does not, another test is about
it, or it cannot happen. An error names the broker, what was being done and what to do, is one line, shows no password, and is
Definite where nothing was done: lucktest.Judge says so, in those other tests too, unless nothing is refused. The table is made of
the tests; ` + "`go test ./brokers/lucktest -update`" + ` writes it anew, and a test sees that every test in it exists.
Of large messages 48 wait in a usual run, of which a client may hold 24; ` + "`go test ./brokers/redis -run TestLuck/large -backlog 10000`" + `
makes it as many, with the same bound, on a machine with 10 GiB to spare.

| What goes wrong | Why it matters | TestLuck of | Other tests | Cannot happen to |
|---|---|---|---|---|
`

// A row is one line of the table that comes from no clause: it names its tests, and with whom it cannot happen.
type row struct{ what, why, tests, not string }

var rows = []row{
	{
		"wrong URL", "most are typed by hand, with a password that should have been encoded",
		"`brokers/all TestBadURLsAreNotShown` for every broker", "",
	},
	{
		"server killed between claim and ack", "no task may be lost, and none that is done may be done again",
		"clause `held-survives-kill` of brokertest, `brokers/brokertest TestEachClauseCatchesItsBugs`, for every variant that survives a kill: `harness/lab/labs TestBrokersKeepTheirContract`",
		"sqlite (a library dies with its process: `brokers/sqlite TestProcessesShareAQueue`)",
	},
	{
		"message that kills its worker", "handed out for ever it stops everything behind it, and a server that drops it loses a task",
		"`brokers/rabbitmq TestWhatComesBackTooOftenIsKept` (quorum queues: after 20 times it goes to the dead letter queue)", "",
	},
	{
		"disk that is full indeed", "what a server was made to say is one thing, and what it does without room another; what it confirmed must be there once there is room",
		"`brokers/beanstalkd TestFullDisk` (refuses what does not fit into the rest of its binlog's file, since it takes room for a whole one of 10 MiB beforehand; goes on with room), " +
			"`brokers/postgres TestFullDisk` (refuses what its tables would have to grow for; goes on with room), " +
			"`brokers/redis TestFullDisk` (aof-everysec confirms one message more, which is in memory alone until there is room, and then refuses; goes on with room. " +
			"aof-always and stream end themselves, so that nobody knows of the messages under way, and start again with room)",
		"rabbitmq (stops its publishers while 50 MB are free)",
	},
	{
		"passwords in URLs", "logs and results are shown to others",
		"`brokers/all TestWrongHostsShowNoPassword` and `cmd/bench TestSecretsOfServersThatAreNotThere` for every broker, `cmd/bench TestSecretsAreInNoResult` " +
			"for what runs on mysql, postgres, rabbitmq and redis leave, `cmd/bench TestRedact`, `harness/lab TestRedact`, and every test above", "",
	},
	{
		"idle workers", "a fleet of them is what a server bears most of the time: fewer than ten operations a second each",
		"`brokers/rabbitmq TestOnServer/idle costs little`, `brokers/redis TestIdleConsumerCostsLittle`, `brokers/redis/stream TestIdleConsumerCostsLittle`, " +
			"`brokers/mongodb TestOnServer/idle costs little`, `brokers/beanstalkd TestIdleConsumerCostsLittle`, `brokers/couchdb TestOnServer/idle costs little`, " +
			"`brokers/postgres TestIdleConsumerCostsLittle`, `brokers/mysql TestIdleConsumerCostsLittle`, `brokers/nats TestIdleConsumerCostsLittleAndIsWoken`",
		"sqlite (no server: shared memory is looked at)",
	},
}

// The page is as the tests are.
func TestPageIsAsTheTestsAre(t *testing.T) {
	got := head
	subjects := elsewhere(t)
	for _, c := range lucktest.Clauses() {
		var held, other, not []string
		for _, broker := range brokersOf(subjects) {
			switch why, apart := subjects[broker][c.Name]; {
			case !apart:
				held = append(held, broker)
			case strings.HasPrefix(why, "Test"):
				test, more, _ := strings.Cut(why, "; ")
				test, note, _ := strings.Cut(test, ": ")
				if note != "" || more != "" {
					note = " (" + note + more + ")"
				}
				other = append(other, "`brokers/"+broker+" "+test+"`"+note)
			default:
				not = append(not, broker+" ("+why+")")
			}
		}
		got += line(c.Name, c.Why, strings.Join(held, ", "), strings.Join(other, ", "), strings.Join(not, ", "))
	}
	for _, r := range rows {
		got += line(r.what, r.why, "", r.tests, r.not)
	}
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(page); err != nil || string(want) != got {
		t.Errorf("brokers/LUCK.md is not what the tests say (%v): run go test ./brokers/lucktest -update. It should be\n%s", err, got)
	}
}

// Tests that stand in for a clause about an error judge it as the clause does.
func TestOtherTestsJudgeToo(t *testing.T) {
	about := map[string]bool{}
	for _, name := range []string{"nobody listens", "another server", "silent server", "password", "rights", "replica", "disk", "connections", "shape"} {
		about[lucktest.Find(name).Name] = true
	}
	judged := 0
	for broker, clauses := range elsewhere(t) {
		for clause, why := range clauses {
			test, _, _ := strings.Cut(why, "/")
			test, _, _ = strings.Cut(test, ":")
			if !about[clause] || !strings.HasPrefix(why, "Test") || strings.HasSuffix(why, ": nothing is refused") {
				continue
			}
			judged++
			if text := textOf("brokers/"+broker, test); !bytes.Contains(text, []byte("lucktest.Judge(")) {
				t.Errorf("%s of brokers/%s stands in for clause %s, and does not judge as that does: have it call lucktest.Judge", test, broker, clause)
			}
		}
	}
	if judged < 10 {
		t.Errorf("only %d tests were looked at", judged)
	}
}

func line(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

func brokersOf(subjects map[string]map[string]string) []string {
	names := make([]string, 0, len(subjects))
	for name := range subjects {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// elsewhere reads, of each broker's luck_test.go, what it says of the clauses that it does not apply.
func elsewhere(t *testing.T) map[string]map[string]string {
	t.Helper()
	found := map[string]map[string]string{}
	for _, broker := range []string{"beanstalkd", "couchdb", "mongodb", "mysql", "nats", "postgres", "rabbitmq", "redis", "sqlite"} {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", broker, "luck_test.go"), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		found[broker] = map[string]string{}
		constants := map[string]string{}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if len(n.Values) == 1 {
					constants[n.Names[0].Name] = text(n.Values[0], nil)
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Elsewhere" {
					for _, e := range n.Value.(*ast.CompositeLit).Elts {
						pair := e.(*ast.KeyValueExpr)
						found[broker][text(pair.Key, nil)] = text(pair.Value, constants)
					}
				}
			}
			return true
		})
	}
	return found
}

// text is that of a string, or of the constant that stands for it.
func text(e ast.Expr, constants map[string]string) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil {
			return s
		}
	case *ast.Ident:
		return constants[e.Name]
	}
	return ""
}

// reference is a test as the page names it: `package TestName/case`.
var reference = regexp.MustCompile("`([a-z/]+) (Test\\w+)(?:/([^`]+))?`")

func TestEveryTestOfThePageExists(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	refs := reference.FindAllStringSubmatch(string(text), -1)
	if len(refs) < 30 {
		t.Errorf("only %d tests are named", len(refs))
	}
	for _, r := range refs {
		if !exists(r[1], r[2], r[3]) {
			t.Errorf("there is no %s", r[0])
		}
	}
	for _, r := range [][3]string{{"brokers/redis", "TestNothing", ""}, {"brokers/redis", "TestLuck", "no such case"}, {"brokers/none", "TestLuck", ""}} {
		if exists(r[0], r[1], r[2]) {
			t.Errorf("%q was found", r)
		}
	}
}

// exists tells whether a package has a test, with a case of that name, which stands in the test's file or among the clauses.
func exists(pkg, test, sub string) bool {
	text := textOf(pkg, test)
	clause := slices.ContainsFunc(lucktest.Clauses(), func(c lucktest.Clause) bool { return test == "TestLuck" && c.Name == sub })
	return text != nil && (sub == "" || clause || bytes.Contains(text, []byte(`"`+sub+`"`)))
}

// textOf is the file that has a test of a package, nil where none has.
func textOf(pkg, test string) []byte {
	files, _ := filepath.Glob(filepath.Join("..", "..", pkg, "*_test.go"))
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err == nil && bytes.Contains(text, fmt.Appendf(nil, "\nfunc %s(t *testing.T)", test)) {
			return text
		}
	}
	return nil
}
