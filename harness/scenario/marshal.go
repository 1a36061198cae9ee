package scenario

import (
	"fmt"

	"github.com/goccy/go-yaml"
)

// Marshal writes a scenario as YAML that Parse reads back as the same scenario.
func Marshal(s Scenario) ([]byte, error) {
	out, err := yaml.MarshalWithOptions(s.table().write(), yaml.IndentSequence(true), yaml.UseSingleQuote(false))
	if err != nil {
		return nil, fmt.Errorf("write scenario %s as YAML: %w", s.Name, err)
	}
	return out, nil
}
