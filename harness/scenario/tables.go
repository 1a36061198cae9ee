package scenario

// The tables below are the only place that knows the keys of the file: reading, writing and overriding go
// through them.

func (s *Scenario) table() block {
	return block{fields: []field{
		{"name", text(&s.Name)},
		{"asks", text(&s.Asks)},
		{"workload", s.Workload.table()},
		{"load", s.Load.table()},
		{"system", s.System.table()},
		{"faults", list[Fault]{to: &s.Faults, item: (*Fault).table, line: func(f *Fault, line int) { f.Line = line }}},
		{"chaos", s.Chaos.table()},
		{"expect", expects{&s.Expect}},
		{"drain", positive(&s.Drain, duration(&s.Drain))},
		{"run", s.Run.table()},
	}}
}

// shortTable is what a short block may change.
func (s *Scenario) shortTable() block {
	all, short := s.table(), block{}
	for _, key := range []string{"workload", "load", "system", "faults", "chaos", "expect", "drain"} {
		v, _ := all.child(key)
		short.fields = append(short.fields, field{key, v})
	}
	return short
}

func (w *Workload) table() block {
	return block{fields: []field{
		{"name", text(&w.Name)},
		{"tasks", list[TaskMix]{to: &w.Tasks, item: (*TaskMix).table}},
		{"chord", count(&w.Chord)},
	}}
}

func (t *TaskMix) table() value { return t.block() }

func (t *TaskMix) block() block {
	return block{fields: []field{
		{"task", text(&t.Task)},
		{"weight", positive(&t.Weight, count(&t.Weight))},
		{"payload", of(&t.Payload, payload, func(n int) any { return FormatSize(int64(n)) })},
		{"duration", distribution{&t.Duration}},
		{"work", count(&t.Work)},
		{"keep", size(&t.Keep)},
		{"fails", count(&t.Fails)},
		{"via", oneOf(&t.Via, "way to wait", "sleep", "http")},
		{"every", count(&t.Every)},
		{"until", count(&t.Until)},
		{"flaw", oneOf(&t.Flaw, "flaw", "name", "body")},
		{"result", size(&t.Result)},
		{"eta", duration(&t.ETA)},
		{"expires", duration(&t.Expires)},
		{"soft", duration(&t.Soft)},
		{"limit", duration(&t.Limit)},
		{"keys", count(&t.Keys)},
		{"queue", text(&t.Queue)},
	}}
}

func payload(s string) (int, error) {
	n, err := ParseSize(s)
	return int(n), err
}

func (l *Load) table() block {
	return block{fields: []field{
		{"shape", oneOf(&l.Shape, "load shape", "constant", "poisson", "ramp", "burst")},
		{"rate", rate(&l.Rate)},
		{"from", rate(&l.From)},
		{"burst", positive(&l.Burst, count(&l.Burst))},
		{"every", duration(&l.Every)},
		{"for", duration(&l.For)},
		{"warmup", duration(&l.Warmup)},
		{"publishers", positive(&l.Publishers, count(&l.Publishers))},
	}}
}

func (y *System) table() block {
	return block{fields: []field{
		{"name", text(&y.Name)},
		{"pool", text(&y.Pool)},
		{"workers", positive(&y.Workers, count(&y.Workers))},
		{"concurrency", positive(&y.Concurrency, count(&y.Concurrency))},
		{"acks", oneOf(&y.Acks, "acknowledgement policy", "early", "late")},
		{"prefetch", count(&y.Prefetch)},
		{"max_tasks", count(&y.MaxTasks)},
		{"max_memory", size(&y.MaxMemory)},
		{"grace", positive(&y.Grace, duration(&y.Grace))},
		{"results", oneOf(&y.Results, "place for results", "broker")},
		{"beat", y.Beat.table()},
	}}
}

func (b *Beat) table() block {
	return block{fields: []field{
		{"every", positive(&b.Every, duration(&b.Every))},
		{"entries", positive(&b.Entries, count(&b.Entries))},
		{"beats", positive(&b.Beats, count(&b.Beats))},
		{"catch_up", oneOf(&b.CatchUp, "policy for missed ticks", "all", "once", "skip")},
		{"late", positive(&b.Late, duration(&b.Late))},
	}}
}

func (u *Run) table() block {
	return block{fields: []field{
		{"seed", seed(&u.Seed)},
		{"brokers", words{&u.Brokers}},
		{"pools", words{&u.Pools}},
		{"lab", text(&u.Lab)},
		{"repeat", positive(&u.Repeat, count(&u.Repeat))},
		{"faults", list[Injection]{to: &u.Faults, item: (*Injection).table}},
	}}
}

func (i *Injection) table() value {
	return block{fields: []field{
		{"cell", text(&i.Cell)},
		{"number", count(&i.Number)},
		{"fault", text(&i.Fault)},
		{"node", text(&i.Node)},
		{"at", duration(&i.At)},
		{"healed", duration(&i.Healed)},
	}}
}
