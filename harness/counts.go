package harness

import "taskbench/harness/checks"

func counts(c checks.Counts) Counts {
	return Counts{
		Attempted: c.Attempted, Acknowledged: c.Acknowledged, Refused: c.Refused, Unknown: c.Unknown, Executed: c.Executed,
		Lost: c.Lost, Duplicated: c.Duplicated, Recovered: c.Recovered, Unexpected: c.Unexpected, Orphaned: c.Orphaned,
		Stuck: c.Stuck, Retried: c.Retried, Concurrent: c.Concurrent, Failed: c.Failed, Malformed: c.Malformed,
		Stalls: c.Stalls, Redelivered: c.Redelivered,
	}
}

// keepFindings is how many findings of each check a result keeps; the history has all of them.
const keepFindings = 20

func findings(r checks.Report) []Finding {
	var list []Finding
	for _, v := range r.Verdicts {
		for _, f := range v.Findings[:min(len(v.Findings), keepFindings)] {
			list = append(list, Finding{Check: v.Name, ID: f.ID, Text: f.Text})
		}
	}
	return list
}
