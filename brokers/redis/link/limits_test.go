package link

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// Settings are given back though one of them is refused: the limit of clients, too, that would keep everybody out.
func TestEachSettingIsGivenBack(t *testing.T) {
	for _, refused := range []string{"maxmemory", "maxmemory-policy", "maxclients"} {
		t.Run(refused, func(t *testing.T) {
			var mu sync.Mutex
			var set []string
			restoring := false
			url := "redis://" + servertest.Serve(t, func(c net.Conn) {
				converse(c, func(words []string) string {
					mu.Lock()
					defer mu.Unlock()
					switch command := strings.Join(words[:min(2, len(words))], " "); {
					case command == "config get":
						return fmt.Sprintf("*2\r\n$%d\r\n%s\r\n$3\r\nown\r\n", len(words[2]), words[2])
					case command == "config set" && restoring && words[2] == refused:
						return "-ERR no\r\n"
					case command == "config set" && restoring:
						set = append(set, words[2]+" "+words[3])
					case words[0] == "info":
						const info = "used_memory:1000\r\n"
						return fmt.Sprintf("$%d\r\n%s\r\n", len(info), info)
					case words[0] == "hello" || words[0] == "client":
						return "-ERR unknown command\r\n"
					}
					return "+OK\r\n"
				})
			}) + "/0"
			_, restore, err := Limits[0].Reach(t.Context(), brokers.Console{URL: url}, "noeviction")
			if err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			restoring = true
			mu.Unlock()
			if err := restore(t.Context()); err == nil || !strings.Contains(err.Error(), "its "+refused+" of own back") {
				t.Errorf("error %v, want the refused one", err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, name := range []string{"maxmemory", "maxmemory-policy", "maxclients"} {
				if slices.Contains(set, name+" own") == (name == refused) {
					t.Errorf("%s refused, and given back: %q", refused, set)
				}
			}
		})
	}
}
