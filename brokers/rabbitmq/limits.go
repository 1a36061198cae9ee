package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"taskbench/brokers"
)

// What the server is configured with, and is given back after an alarm.
const (
	memoryWatermark = "0.5"
	diskFree        = "50MB"
)

// limits are those of memory and disk: beyond each an alarm blocks every connection that publishes.
var limits = []brokers.Limit{
	{Name: brokers.LimitMemory, Inside: true, Reach: alarm("memory", []string{"set_vm_memory_high_watermark", "0.000001"}, []string{"set_vm_memory_high_watermark", memoryWatermark})},
	{Name: brokers.LimitDisk, Inside: true, Reach: alarm("disk", []string{"set_disk_free_limit", "1000000GB"}, []string{"set_disk_free_limit", diskFree})},
}

func alarm(what string, raise, clear []string) func(context.Context, brokers.Console) (string, func(context.Context) error, error) {
	return func(ctx context.Context, c brokers.Console) (string, func(context.Context) error, error) {
		ctl := func(ctx context.Context, args []string) (string, error) {
			return c.Run(ctx, append([]string{"rabbitmqctl", "--quiet"}, args...)...)
		}
		restore := func(ctx context.Context) error {
			if _, err := ctl(ctx, clear); err != nil {
				return fmt.Errorf("clear rabbitmq's %s alarm: %w", what, err)
			}
			return nil
		}
		if _, err := ctl(ctx, raise); err != nil {
			return "", nil, errors.Join(fmt.Errorf("raise rabbitmq's %s alarm: %w", what, err), restore(context.WithoutCancel(ctx)))
		}
		return "rabbitmqctl " + strings.Join(raise, " "), restore, nil
	}
}
