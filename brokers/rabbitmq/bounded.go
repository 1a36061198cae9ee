package rabbitmq

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"taskbench/brokers"
)

// bounded refuses what is published to a queue that has so many messages ready. That it is to refuse comes first, by itself: a
// classic queue that learns both at once learns its length first, and drops what it has beyond that. A queue has one policy at
// a time: so each policy that there is gets a double, which says the same and this.
func bounded(ctx context.Context, c brokers.Console, length string) ([][]string, error) {
	n, err := strconv.Atoi(length)
	if err != nil {
		return nil, fmt.Errorf("length %q is no number", length)
	}
	all, err := policies(ctx, c)
	if err != nil {
		return nil, err
	}
	var refuse, bound [][]string
	for _, r := range append(all, rule{Pattern: ".*", Applies: "queues", Priority: -1, says: map[string]any{}}) {
		if strings.HasPrefix(r.Name, policy) || r.Applies == "exchanges" {
			continue
		}
		r.says["overflow"] = "reject-publish"
		refuse = append(refuse, r.double())
		r.says["max-length"] = n
		bound = append(bound, r.double())
	}
	return append(refuse, bound...), nil
}

// freed undoes bounded.
func freed(ctx context.Context, c brokers.Console, _ string) (clear [][]string, err error) {
	all, err := policies(ctx, c)
	for _, r := range all {
		if strings.HasPrefix(r.Name, policy) {
			clear = append(clear, []string{"clear_policy", "-p", vhost, r.Name})
		}
	}
	return clear, err
}

// A rule is a policy of the server's.
type rule struct {
	Name, Pattern string
	Applies       string          `json:"apply-to"`
	Priority      int             `json:"priority"`
	Definition    json.RawMessage `json:"definition"` // or a text that is one

	says map[string]any
}

func policies(ctx context.Context, c brokers.Console) (all []rule, err error) {
	if err := ctl(ctx, c, &all, "list_policies", "-p", vhost); err != nil {
		return nil, fmt.Errorf("list the policies: %w", err)
	}
	for i := range all {
		text, quoted := []byte(all[i].Definition), ""
		if json.Unmarshal(text, &quoted) == nil {
			text = []byte(quoted)
		}
		if err := json.Unmarshal(text, &all[i].says); err != nil {
			return nil, fmt.Errorf("read policy %s: %w", all[i].Name, err)
		}
	}
	return all, nil
}

// double sets a policy that comes before the rule.
func (r rule) double() []string {
	name, _ := strings.CutSuffix(policy+"."+r.Name, ".")
	says, _ := json.Marshal(r.says) // it was read
	return []string{"set_policy", "-p", vhost, "--apply-to", r.Applies, "--priority", strconv.Itoa(100 + r.Priority), name, r.Pattern, string(says)}
}
