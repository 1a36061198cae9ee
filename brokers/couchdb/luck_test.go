package couchdb

import (
	"testing"

	"taskbench/brokers/lucktest"
)

func subject() lucktest.Subject {
	return lucktest.Subject{
		Driver: Driver, Variant: Driver.Variants[0],
		URL:        lucktest.URL("couchdb", "/jobs", ""),
		Foreign:    "it is no CouchDB that answers there",
		Encryption: &lucktest.Encryption{URL: lucktest.URL("couchdbs", "/jobs", ""), Advice: "have this machine trust"},
		Elsewhere: map[string]string{
			"password": "TestOpenRefuses/wrong password", "rights": "TestWritesRefused/forbidden", "replica": "every replica takes writes",
			"disk": "TestWritesRefused/disk is full", "connections": "CouchDB has no limit of its own: what is too many waits, as with a silent server",
			"shape": "TestOnServer/foreign documents", "large messages": "TestOnServer/large messages", "clocks apart": "TestOnServer/clocks apart",
		},
	}
}

func TestLuck(t *testing.T) { lucktest.Run(t, subject()) }

func testLargeMessages(t *testing.T, at string) {
	s := subject()
	s.Server = at + database(t)
	if err := lucktest.Apply(t.Context(), s, lucktest.Find("large messages")); err != nil {
		t.Error(err)
	}
}
