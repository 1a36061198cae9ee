package beat

import "time"

// Next returns when an entry is due next, zero where it never is, as a beat that starts now with that mark sees it.
// What is due already, and would be made up for, has a time that is not later than now.
func Next(e Entry, m Mark, now time.Time) (time.Time, error) {
	if e.Disabled {
		return time.Time{}, nil
	}
	if m.Claim.After(m.Last) {
		m.Last = m.Claim
	}
	it, err := newItem(e, m, now)
	if err != nil {
		return time.Time{}, err
	}
	return it.due, nil
}
