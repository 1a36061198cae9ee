package link

import "testing"

func TestPermanent(t *testing.T) {
	const info = "# Keyspace\r\ndb0:keys=9,expires=4,avg_ttl=86399957\r\ndb12:keys=3,expires=0,avg_ttl=0,subexpiry=0\r\n"
	for db, want := range map[int]int{0: 5, 1: 0, 12: 3} {
		if got := permanent(info, db); got != want {
			t.Errorf("database %d: %d, want %d", db, got, want)
		}
	}
}
