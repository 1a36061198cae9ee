package tasks

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"taskbench/harness/scenario"
	"taskbench/worker"
)

var io = task{
	spec: scenario.TaskSpec{
		Name: "io",
		Doc:  "Waits, as a task does that calls some other service.",
		Params: []scenario.Param{
			{Name: "duration", Doc: "how long; one duration or a distribution, drawn from the seed"},
			{Name: "via", Doc: "sleep (the default), or http: a real call over loopback to a slow server"},
		},
		Needs: []string{"duration"},
	},
	run: runIO,
}

// runIO takes us, the microseconds to wait, and url, the slow server to wait for, if there is one.
func runIO(ctx context.Context, r *worker.Request) (any, error) {
	a := arguments{r: r}
	var us int64
	var server string
	a.need("us", &us)
	a.get("url", &server)
	if a.err != nil {
		return nil, a.err
	}
	if server != "" {
		return nil, callSlow(ctx, server, us)
	}
	timer := time.NewTimer(time.Duration(us) * time.Microsecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// client keeps connections alive, and opens no more than a worker of reasonable concurrency uses at once.
var client = &http.Client{Transport: &http.Transport{
	MaxConnsPerHost:     maxCalls,
	MaxIdleConnsPerHost: maxCalls,
	IdleConnTimeout:     time.Minute,
}}

const maxCalls = 256

func callSlow(ctx context.Context, server string, us int64) error {
	query := url.Values{"us": {strconv.FormatInt(us, 10)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"?"+query.Encode(), nil)
	if err != nil {
		return fmt.Errorf("call the slow server: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("call the slow server: %w", err)
	}
	defer resp.Body.Close() // there is no body: the connection can be used again
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("call the slow server: it answers %s", resp.Status)
	}
	return nil
}
