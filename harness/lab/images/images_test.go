package images

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"taskbench/brokers/nats"
	"taskbench/brokers/servertest"
	"taskbench/harness/lab/engine"
	"taskbench/harness/lab/engine/enginetest"
)

func TestEveryRecipeStandsOnTheBase(t *testing.T) {
	rs, err := read(nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range rs {
		names = append(names, r.name)
		text := string(r.text)
		wants := []string{"ARG BASE=" + Base + "\nFROM ${BASE}", "EXPOSE "}
		if strings.Contains(text, "apt-get") {
			wants = append(wants, "policy-rc.d", "--no-install-recommends")
		}
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s.Dockerfile lacks %q", r.name, want)
			}
		}
		if strings.Contains(text, "ENTRYPOINT") {
			t.Errorf("%s.Dockerfile has an entrypoint; how a server starts is its driver's to say", r.name)
		}
	}
	if got := strings.Join(names, " "); !strings.Contains(got, "rabbitmq redis") {
		t.Errorf("recipes %q", got)
	}
}

func TestUnknownNameIsNamed(t *testing.T) {
	_, err := Build(t.Context(), Options{Only: []string{"redsi"}})
	var unknown *UnknownError
	if !errors.As(err, &unknown) || !strings.Contains(err.Error(), "rabbitmq, redis") {
		t.Errorf("built: %v", err)
	}
}

func TestContentFollowsRecipeAndBase(t *testing.T) {
	content := func(text, base string) string { return recipe{"a", []byte(text)}.content(base) }
	first := content("FROM x", "1")
	if again := content("FROM x", "1"); again != first {
		t.Errorf("the same recipe has content %s and %s", first, again)
	}
	if content("FROM x", "2") == first || content("FROM y", "1") == first {
		t.Error("the content does not tell what an image is made from")
	}
}

// A program is part of what an image is made from, and is found from within the source tree alone.
func TestProgramIsFound(t *testing.T) {
	rs, err := read([]string{"ferretdb", "pouchdb", "redis"})
	if err != nil {
		t.Fatal(err)
	}
	ferret, pouch, redis := rs[0], rs[1], rs[2]
	if ferret.program() != "ci/ferretdb" || redis.inputs() != "" {
		t.Errorf("programs %q and %q", ferret.program(), redis.inputs())
	}
	if pouch.modules() != "ci/pouchdb" || pouch.program() != "" {
		t.Errorf("modules %q, program %q", pouch.modules(), pouch.program())
	}
	if sum, err := pouch.sum(); err != nil || sum == "" {
		t.Errorf("sum %q, %v", sum, err)
	}
	here, err := ferret.sum()
	if err != nil || here == "" {
		t.Errorf("sum %q, %v", here, err)
	}
	made := ferret.content("1")
	t.Chdir(t.TempDir())
	if _, err := ferret.sum(); !errors.Is(err, errNoSources) || ferret.content("1") == made {
		t.Errorf("outside the source tree: %v, content %s", err, ferret.content("1"))
	}
	if _, err := ferret.compile(t.Context(), Options{}); !errors.Is(err, errNoSources) {
		t.Errorf("outside the source tree: %v", err)
	}
	if _, err := pouch.install(t.Context()); !errors.Is(err, errNoSources) {
		t.Errorf("outside the source tree: %v", err)
	}
}

// A published program needs no sources of ours, is that of its driver, and part of the recipe itself.
func TestPublishedProgram(t *testing.T) {
	rs, err := read([]string{"nats"})
	if err != nil {
		t.Fatal(err)
	}
	r := rs[0]
	if r.published() != nats.Driver.Server.Program || r.inputs() != "" {
		t.Errorf("the image has %q and inputs %q, the embedded lab %q", r.published(), r.inputs(), nats.Driver.Server.Program)
	}
	t.Chdir(t.TempDir())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	servertest.FakeGo(t, self, nil)
	want, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.compile(t.Context(), Options{}); err != nil || !bytes.Equal(got, want) {
		t.Errorf("compiled %d bytes, %v", len(got), err)
	}
	if later := (recipe{r.name, bytes.Replace(r.text, []byte("@v2"), []byte("@v3"), 1)}); later.content("1") == r.content("1") {
		t.Error("the content does not tell the program's version")
	}
}

func TestInstallSaysWhatToInstall(t *testing.T) {
	rs, err := read([]string{"pouchdb"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := rs[0].install(t.Context()); err == nil || !strings.Contains(err.Error(), "apt-get install npm") {
		t.Errorf("installed: %v", err)
	}
}

func TestFollowFindsTheError(t *testing.T) {
	var log strings.Builder
	err := follow(strings.NewReader(`{"stream":"Step 1\n"}{"errorDetail":{"message":"apt-get failed"},"error":"apt-get failed"}`), &log)
	if err == nil || !strings.Contains(err.Error(), "apt-get failed") || log.String() != "Step 1\n" {
		t.Errorf("error %v, log %q", err, log.String())
	}
	if err := follow(strings.NewReader(`{"stream":"ok"}`), io.Discard); err != nil {
		t.Error(err)
	}
	if err := follow(strings.NewReader(`{"stream":`), io.Discard); err == nil {
		t.Error("an answer that was cut short was taken")
	}
}

func TestBootstrapSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if err := bootstrap(t.Context(), nil, io.Discard); err == nil || !strings.Contains(err.Error(), "apt-get install mmdebstrap") {
		t.Errorf("bootstrapped: %v", err)
	}
}

// What is optional and cannot be built keeps nobody from the others, but whoever asks for it is told; what is not, fails.
func TestOptionalImageIsLeftOut(t *testing.T) {
	c := enginetest.Needed(t)
	if _, err := Build(t.Context(), Options{Only: []string{"redis"}}); err != nil { // for the base, and what comes after
		t.Fatal(err)
	}
	base, err := look(t.Context(), c, Image{Tag: Base}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const cannot = "FROM " + Base + "\nRUN exit 3\n"
	rs, err := read([]string{"redis"})
	if err != nil {
		t.Fatal(err)
	}
	with := func(text string) []recipe { return append([]recipe{{"none", []byte(text)}}, rs...) }
	var left []Image
	o := Options{Log: io.Discard, Done: func(Image) {}, LeftOut: func(i Image, cause error) {
		if cause == nil || i.Optional != "it rains" {
			t.Errorf("left out %+v: %v", i, cause)
		}
		left = append(left, i)
	}}
	built, err := ensureAll(t.Context(), c, with("# optional: it rains\n"+cannot), base.ID, o)
	if err != nil || len(left) != 1 || len(built) != 1 || built[0].Name != "redis" {
		t.Errorf("left out %+v, built %+v (%v)", left, built, err)
	}
	if built, err := ensureAll(t.Context(), c, with(cannot), base.ID, o); err == nil || len(built) != 0 || len(left) != 1 {
		t.Errorf("without being optional: built %+v (%v)", built, err)
	}
	o.Only = []string{"none"}
	if _, err := ensureAll(t.Context(), c, with("# optional: it rains\n"+cannot), base.ID, o); err == nil || len(left) != 1 {
		t.Errorf("asked for by name: %v", err)
	}
}

func TestSecondBuildIsALookUp(t *testing.T) {
	enginetest.Needed(t)
	only := []string{"redis"}
	if _, err := Build(t.Context(), Options{Only: only}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	built, err := Build(t.Context(), Options{Only: only})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a second build takes %v", time.Since(began))
	if len(built) != 2 || built[0].Tag != Base || built[1].Tag != "taskbench/redis:1" {
		t.Fatalf("built %+v", built)
	}
	for _, i := range built {
		if i.Took != 0 || !i.Fresh || i.ID == "" || i.Size < 1<<20 || i.Created.IsZero() {
			t.Errorf("image %+v", i)
		}
	}
	listed, err := List(t.Context())
	if err != nil || len(listed) < 3 {
		t.Fatalf("listed %+v (%v)", listed, err)
	}
	for _, i := range listed {
		if i.Name == "redis" && (!i.Fresh || i.ID != built[1].ID) {
			t.Errorf("listed %+v, built %+v", i, built[1])
		}
	}
}

func TestNoEngine(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///no/such/socket")
	if _, err := List(t.Context()); !errors.Is(err, engine.ErrAbsent) {
		t.Errorf("listed: %v", err)
	}
	if _, err := Build(t.Context(), Options{}); !errors.Is(err, engine.ErrAbsent) {
		t.Errorf("built: %v", err)
	}
}
