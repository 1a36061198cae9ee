package link

import (
	"context"
	"fmt"
	"strings"

	"taskbench/brokers"
)

// Version asks the server at url for its version; one that is still loading its file refuses.
func Version(ctx context.Context, url string) (string, error) {
	t, _, err := configure(url, brokers.Variant{})
	if err != nil {
		return "", err
	}
	rdb := t.client()
	defer func() { _ = rdb.Close() }() // nothing depends on it any more
	var info string
	err = brokers.Within(ctx, func() (err error) {
		if err = rdb.Ping(ctx).Err(); err == nil {
			info, err = rdb.Info(ctx, "server").Result()
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("ask redis at %s for its version: %w", t, greeted(err))
	}
	for line := range strings.Lines(info) {
		if version, ok := strings.CutPrefix(strings.TrimSpace(line), "redis_version:"); ok {
			return version, nil
		}
	}
	return "", fmt.Errorf("ask redis at %s for its version: it tells none", t)
}
