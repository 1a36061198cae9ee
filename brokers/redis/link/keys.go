package link

import (
	"context"
	"fmt"
	"strings"

	"taskbench/brokers"
)

// Keys is how many keys of the database have no expiry, as INFO tells.
func (l *Link) Keys(ctx context.Context) (int, error) {
	var info string
	err := brokers.Within(ctx, func() (err error) {
		info, err = l.Client.Info(ctx, "keyspace").Result()
		return err
	})
	if err != nil {
		return 0, Judgef(err, "count keys")
	}
	return permanent(info, l.DB), nil
}

// permanent reads "db0:keys=3,expires=1,avg_ttl=0"; a database without keys has no line.
func permanent(info string, db int) int {
	for line := range strings.Lines(info) {
		var at, keys, expiring int
		if n, _ := fmt.Sscanf(line, "db%d:keys=%d,expires=%d", &at, &keys, &expiring); n == 3 && at == db {
			return keys - expiring
		}
	}
	return 0
}
