package expect

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// Facts are the values of a vocabulary's names in one cell. Nil is what was not seen.
type Facts map[string]any

// at is the value of a path.
func (f Facts) at(path string) any {
	var at any = map[string]any(f)
	for key := range strings.SplitSeq(path, ".") {
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = m[key]
	}
	return at
}

// FactsOf takes the facts from a cell, by the JSON names that the vocabulary was made from. Latencies of stages
// that no task passed, and a drain rate without a backlog, count as not seen: their zeros mean nothing.
func FactsOf(cell any) (Facts, error) {
	raw, err := json.Marshal(cell)
	if err != nil {
		return nil, fmt.Errorf("take the facts from a cell: %w", err)
	}
	var c struct {
		Variant    string                    `json:"variant"`
		Durability string                    `json:"durability"`
		Counts     map[string]any            `json:"counts"`
		Throughput map[string]any            `json:"throughput"`
		Recovery   map[string]any            `json:"recovery"`
		Latency    map[string]map[string]any `json:"latency"`
		Phases     []struct {
			Phase      string                    `json:"phase"`
			Throughput map[string]any            `json:"throughput"`
			Latency    map[string]map[string]any `json:"latency"`
		} `json:"phases"`
		Resources []map[string]any `json:"resources"`
		Checks    []struct {
			Check   string  `json:"check"`
			Outcome string  `json:"outcome"`
			Count   float64 `json:"count"`
		} `json:"checks"`
	}
	var plain map[string]any
	for _, into := range []any{&c, &plain} {
		if err := json.Unmarshal(raw, into); err != nil {
			return nil, fmt.Errorf("take the facts from a cell: %w", err)
		}
	}
	f := Facts{}
	for key, v := range plain {
		switch v.(type) {
		case string, float64, map[string]any:
			f[key] = v
		}
	}
	maps.Copy(f, c.Counts)
	f["variant"] = map[string]any{"name": c.Variant, "durability": c.Durability}
	f["throughput"], f["recovery"], f["latency"] = throughput(c.Throughput), c.Recovery, latency(c.Latency)
	byPhase := map[string]any{}
	for _, p := range c.Phases {
		byPhase[p.Phase] = map[string]any{"throughput": throughput(p.Throughput), "latency": latency(p.Latency)}
	}
	f["phase"] = byPhase
	found := map[string]any{}
	for _, check := range c.Checks {
		if check.Outcome != "undecided" {
			found[word(check.Check)] = check.Count
		}
	}
	f["check"] = found
	resources := map[string]any{}
	for _, group := range groups {
		resources[group] = resourcesOf(group, c.Resources)
	}
	f["resources"], f["worker"] = resources, resources["worker"]
	return f, nil
}

func throughput(t map[string]any) map[string]any {
	if t["drain"] == 0.0 {
		t["drain"] = nil
	}
	return t
}

func latency(stages map[string]map[string]any) map[string]any {
	all := map[string]any{}
	for stage, l := range stages {
		if l["count"] == 0.0 {
			l = map[string]any{"count": 0.0}
		}
		all[stage] = l
	}
	return all
}

// resourcesOf joins the nodes of a group, such as worker-1 and worker-2: the most that one of them has of
// everything, but the sum of their CPU time.
func resourcesOf(group string, nodes []map[string]any) map[string]any {
	joined := map[string]any{}
	for _, n := range nodes {
		name, _ := n["node"].(string)
		if name != group && !strings.HasPrefix(name, group+"-") {
			continue
		}
		for key, v := range n {
			amount, ok := v.(float64)
			if !ok {
				continue
			}
			key = strings.TrimSuffix(key, "_per_s")
			before, again := joined[key].(float64)
			switch {
			case !again:
				joined[key] = amount
			case key == "cpu_seconds":
				joined[key] = before + amount
			default:
				joined[key] = max(before, amount)
			}
		}
	}
	return joined
}
