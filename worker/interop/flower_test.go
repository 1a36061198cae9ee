package interop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"taskbench/worker"
	"taskbench/worker/control"
	"taskbench/worker/interop"
)

// Flower watches our worker and gives it commands. The same is held to Celery's worker, which proves that this is what
// Flower shows of one. Only the newest installation has Flower.
func TestFlower(t *testing.T) {
	newest := func(c interop.Celery) bool { return c.Name == "newest" }
	eachCourtOf(t, newest, func(t *testing.T, c *court) {
		f := c.flower(t)
		const places = 2
		workers := map[string]func(name string) (*party, error){
			"ours": func(name string) (*party, error) {
				return c.startOurs(worker.Config{
					Name: name + "@" + c.name, Pool: "prefork", Concurrency: places, SendEvents: true, TrackStarted: true,
					Queues: []string{name + "-" + c.name},
				})
			},
			"celery": func(name string) (*party, error) {
				return c.startTheirs(name, name+"-"+c.name, "-c", fmt.Sprint(places))
			},
		}
		for whose, start := range workers {
			t.Run(whose, func(t *testing.T) {
				t.Parallel()
				p, err := start("flower-" + whose)
				if err != nil {
					t.Fatal(err)
				}
				defer p.process.Stop(0)
				w := &watched{flower: f, court: c, party: p, places: places}
				for _, s := range sights { // one after the other: they change the worker
					t.Run(s.name, func(t *testing.T) { judge(t, "flower "+whose+" "+s.name, s.see(soon(t), w)) })
				}
			})
		}
	})
}

// A flower is the HTTP side of a Flower that runs.
type flower struct{ base string }

// flower starts one that watches the court's broker. It ends with all tests.
func (c *court) flower(t *testing.T) *flower {
	t.Helper()
	// How long it waits for answers: they come late where much runs at once.
	p, err := c.Background(c.app, filepath.Join(c.dir, "flower.log"), "flower", "--address=127.0.0.1", "--port=0", "--inspect_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	atEnd(func() { p.Stop(0) })
	if err := p.Printed(soon(t), "Registered tasks"); err != nil {
		t.Fatal(err)
	}
	base := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(p.Log())
	if base == "" {
		t.Fatalf("Flower does not say where it is:\n%s", p.Log())
	}
	return &flower{base}
}

// page is what is at a path, as text.
func (f *flower) page(ctx context.Context, path string) (string, error) {
	return f.do(ctx, http.MethodGet, path, nil)
}

// get decodes the JSON that is at a path.
func (f *flower) get(ctx context.Context, path string, into any) error {
	text, err := f.page(ctx, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("%s: %w: %.300s", path, err, text)
	}
	return nil
}

// post gives a command; form is name and value in turns.
func (f *flower) post(ctx context.Context, path string, form ...string) error {
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	_, err := f.do(ctx, http.MethodPost, path, values)
	return err
}

func (f *flower) do(ctx context.Context, method, path string, form url.Values) (string, error) {
	r, err := http.NewRequestWithContext(ctx, method, f.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %.500s", method, path, answer.Status, text)
	}
	return string(text), err
}

// A watched is one worker that Flower watches.
type watched struct {
	*flower
	*court
	*party
	places int // of its pool at the start
}

// A shownWorker is a worker as Flower shows it.
type shownWorker struct {
	Stats      control.Stats      `json:"stats"`
	Queues     []control.Queue    `json:"active_queues"`
	Registered []string           `json:"registered"`
	Active     []control.TaskInfo `json:"active"`
	Revoked    []string           `json:"revoked"`
	Conf       map[string]any     `json:"conf"`
}

// A shownTask is a task as Flower shows it. What is null there is zero here.
type shownTask struct {
	Name, State, Args, Kwargs, Result, Exception, Traceback, Worker string

	Received, Started, Succeeded, Failed, Retried, Revoked, Runtime float64
}

// asked is the worker as Flower shows it after it has asked that worker alone.
func (w *watched) asked(ctx context.Context) (shownWorker, error) {
	var all map[string]shownWorker
	err := w.get(ctx, "/api/workers?refresh=1&workername="+url.QueryEscape(w.node), &all)
	return all[w.node], err
}

// becomes waits until Flower shows the worker in a way.
func (w *watched) becomes(ctx context.Context, what string, so func(shownWorker) bool) error {
	var last shownWorker
	err := until(ctx, func() (ok bool, err error) {
		last, err = w.asked(ctx)
		return so(last), err
	})
	if err != nil {
		return fmt.Errorf("wait for %s: %w; it is shown as %.1000s", what, err, fmt.Sprintf("%+v", last))
	}
	return nil
}

// sends has Celery's client send tasks to the worker, and returns their ids.
func (w *watched) sends(ctx context.Context, calls string) (ids []string, err error) {
	raw, err := w.python.Do(ctx, w.queue, "return [r.id for r in ["+calls+"]]", nil)
	if err != nil {
		return nil, err
	}
	return ids, json.Unmarshal(raw, &ids)
}

// task waits until Flower shows a task of the worker's in a state.
func (w *watched) task(ctx context.Context, id, state string) (shown shownTask, err error) {
	err = until(ctx, func() (bool, error) {
		// Flower does not know a task before the first event of it.
		if w.get(ctx, "/api/task/info/"+id, &shown) != nil {
			return false, ctx.Err()
		}
		return shown.State == state, nil
	})
	if err != nil {
		return shown, fmt.Errorf("wait for %s: %w; it is shown as %+v", state, err, shown)
	}
	if shown.Worker != w.node {
		return shown, fmt.Errorf("it is shown as done by %q: %+v", shown.Worker, shown)
	}
	return shown, nil
}
