package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"taskbench/brokers"
)

// What the server is configured with, and is given back after an alarm.
const (
	memoryWatermark = "0.5"
	diskFree        = "50MB"
)

// What the server has by itself, and is given back: how long a consumer may hold a message, and how often each channel looks
// whether one does, in milliseconds.
const (
	consumerTimeout = 1800_000
	channelTick     = 60_000
)

// limits are those of memory and disk, beyond each of which an alarm blocks every connection that publishes, and those that
// rabbitmqctl can set: on a virtual host, on queues by a policy, and on consumers.
var limits = []brokers.Limit{
	{Name: brokers.LimitMemory, Inside: true, Reach: told("memory alarm",
		says("set_vm_memory_high_watermark", "0.000001"), says("set_vm_memory_high_watermark", memoryWatermark))},
	{Name: brokers.LimitDisk, Inside: true, Reach: told("disk alarm",
		says("set_disk_free_limit", "1000000GB"), says("set_disk_free_limit", diskFree))},
	{Name: brokers.LimitConnections, Inside: true, Reach: told("limit of connections", crowded, says("clear_vhost_limits", "-p", vhost))},
	{Name: brokers.LimitLength, Inside: true, Reach: told("limit of a queue's length", bounded, freed)},
	{Name: brokers.LimitHolding, Inside: true, Reach: told("consumer timeout", hurried, patient)},
}

const (
	vhost  = "/"                // of a lab's server: the only one it has
	policy = "taskbench.length" // the first of the names of those that bound queues
)

// A saying is the commands to rabbitmqctl that set a limit to what is asked, or give it back.
type saying func(ctx context.Context, c brokers.Console, to string) ([][]string, error)

// says is one command, whatever is asked.
func says(args ...string) saying {
	return func(context.Context, brokers.Console, string) ([][]string, error) { return [][]string{args}, nil }
}

// crowded allows no more connections than there are.
func crowded(ctx context.Context, c brokers.Console, _ string) ([][]string, error) {
	var open []struct {
		Host string `json:"vhost"`
	}
	if err := ctl(ctx, c, &open, "list_connections", "vhost"); err != nil {
		return nil, fmt.Errorf("count the connections: %w", err)
	}
	return [][]string{{"set_vhost_limits", "-p", vhost, fmt.Sprintf(`{"max-connections": %d}`, len(open))}}, nil
}

// hurried sets how long a consumer may hold a message. Channels keep what they began with: so everybody has to connect again.
func hurried(_ context.Context, _ brokers.Console, milliseconds string) ([][]string, error) {
	ms, err := strconv.Atoi(milliseconds)
	if err != nil || ms < 1 {
		return nil, fmt.Errorf("%q is no number of milliseconds", milliseconds)
	}
	return holding(ms, max(50, ms/4)), nil
}

// patient undoes hurried.
func patient(context.Context, brokers.Console, string) ([][]string, error) {
	return holding(consumerTimeout, channelTick), nil
}

func holding(timeout, tick int) [][]string {
	const set = `application:set_env(rabbit, consumer_timeout, %d), application:set_env(rabbit, channel_tick_interval, %d), ` +
		`[rabbit_networking:close_connection(C, "consumer_timeout is another") || C <- rabbit_networking:connections()].`
	return [][]string{{"eval", fmt.Sprintf(set, timeout, tick)}}
}

// told is a limit that rabbitmqctl is told, and how it is given back.
func told(what string, reach, restore saying) func(context.Context, brokers.Console, string) (string, func(context.Context) error, error) {
	return func(ctx context.Context, c brokers.Console, to string) (string, func(context.Context) error, error) {
		run := func(ctx context.Context, s saying) (string, error) {
			commands, err := s(ctx, c, to)
			if err != nil {
				return "", err
			}
			var said []string
			for _, args := range commands {
				if _, err := c.Run(ctx, append([]string{"rabbitmqctl", "--quiet"}, args...)...); err != nil {
					return "", err
				}
				said = append(said, "rabbitmqctl "+strings.Join(args, " "))
			}
			return strings.Join(said, "; "), nil
		}
		back := func(ctx context.Context) error {
			if _, err := run(ctx, restore); err != nil {
				return fmt.Errorf("give rabbitmq's %s back: %w", what, err)
			}
			return nil
		}
		said, err := run(ctx, reach)
		if err != nil {
			return "", nil, errors.Join(fmt.Errorf("reach rabbitmq's %s: %w", what, err), back(context.WithoutCancel(ctx)))
		}
		return said, back, nil
	}
}
