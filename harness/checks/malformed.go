package checks

import "taskbench/harness/ledger"

func init() {
	register(Check{
		Name:  "malformed",
		Doc:   "Messages that a worker kept aside: they could not be read, named no known task, or killed too many processes.",
		begin: malformed,
	})
}

func malformed(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			b.v.Examined += len(s.Attempts)
			if !s.aside {
				return
			}
			for i := range s.Attempts {
				if a := &s.Attempts[i]; a.Malformed {
					b.found(s, 1, "kept aside at %s", seconds(a.Received))
				}
			}
		},
		end: func() Verdict {
			b.v.Examined += sc.nForeign
			for _, e := range sc.foreign {
				if e.Kind == ledger.Malformed {
					b.found(nil, 1, "a message that is none of this run's was kept aside at %s", seconds(e.At))
				}
			}
			doubt := sc.blind
			if sc.nForeign > len(sc.foreign) && doubt == "" {
				doubt = "not all messages of other runs were kept"
			}
			return b.present("no worker received anything", doubt)
		},
	}
}
