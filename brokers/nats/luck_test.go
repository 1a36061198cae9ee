package nats

import (
	"io"
	"net"
	"testing"

	"taskbench/brokers/lucktest"
)

func TestLuck(t *testing.T) {
	lucktest.Run(t, lucktest.Subject{
		Driver: Driver, Variant: Driver.Variants[0],
		URL:     lucktest.URL("nats", "", ""),
		Foreign: "is it a NATS server",
		Encryption: &lucktest.Encryption{URL: lucktest.URL("tls", "", ""), Advice: "check the scheme", Begin: func(c net.Conn) error {
			_, err := io.WriteString(c, `INFO {"server_id":"x","version":"2.10.0","tls_required":true,"max_payload":1048576}`+"\r\n")
			return err
		}},
		Server: launch(t, Driver.Variants[0], plain).url,
		Elsewhere: map[string]string{
			"password": "TestRefusalsSayWhatToDo/password", "rights": "TestRefusalsSayWhatToDo/no right to publish",
			"replica": "JetStream has no read-only replicas", "disk": "TestRefusalsSayWhatToDo/full store",
			"connections": "TestRefusalsSayWhatToDo/connections", "shape": "TestStreamsOfAnotherShape",
			"clocks apart": "TestClocksThatDiffer; the server keeps the leases",
		},
	})
}
