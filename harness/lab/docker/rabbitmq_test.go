package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
	"taskbench/harness/lab/labtest"
)

func rabbit() brokers.Driver {
	return brokers.Driver{
		Name:     "rabbitmq",
		Variants: []brokers.Variant{{Name: "plain"}},
		Server: brokers.ServerSpec{
			Product: "rabbitmq", Images: []string{"taskbench/rabbitmq:1"}, Port: 5672, Data: "/var/lib/rabbitmq",
			Command: func(brokers.Launch) brokers.Command {
				return brokers.Command{
					Args: []string{"rabbitmq-server"},
					Env: []string{"RABBITMQ_NODENAME=bench@localhost", "RABBITMQ_LOGS=-", "RABBITMQ_CONFIG_FILE=/var/lib/rabbitmq/bench.conf",
						"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-mnesia dump_log_time_threshold 200"}, // see queueOnDisk
					Files: map[string]string{"bench.conf": "loopback_users = none\n"},
				}
			},
			URL: func(addr string) string { return "amqp://guest:guest@" + addr + "/" },
			Ready: func(ctx context.Context, url string) (string, error) {
				c, err := dialRabbit(ctx, url)
				if err != nil {
					return "", err
				}
				defer func() { _ = c.Close() }()
				v, _ := c.Properties["version"].(string)
				return v, nil
			},
		},
	}
}

func dialRabbit(ctx context.Context, url string) (*amqp.Connection, error) {
	return amqp.DialConfig(url, amqp.Config{Dial: func(network, addr string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, addr)
		if deadline, ok := ctx.Deadline(); ok && err == nil {
			err = c.SetDeadline(deadline)
		}
		return c, err
	}})
}

// queueOnDisk waits until the server has written its queue down. It confirms a declaration before that: its
// table of queues is safe only a second or so later, and a server killed in between forgets the queue with all
// the messages that it had confirmed. The table is written whenever the log is dumped.
func queueOnDisk(ctx context.Context, c *client.Client, run, queue string) error {
	list, err := c.ContainerList(ctx, client.ContainerListOptions{Filters: client.Filters{}.Add("label", "taskbench.run="+run)})
	if err != nil || len(list.Items) != 1 {
		return fmt.Errorf("find the container: %d found: %w", len(list.Items), err)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		found, err := inTables(ctx, c, list.Items[0].ID, queue)
		if err != nil || found {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// inTables looks for the queue in the server's table of queues, as far as it is written.
func inTables(ctx context.Context, c *client.Client, id, queue string) (bool, error) {
	copied, err := c.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: "/var/lib/rabbitmq/mnesia/bench@localhost"})
	if err != nil {
		return false, err
	}
	defer func() { _ = copied.Content.Close() }()
	for r := tar.NewReader(copied.Content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if !strings.HasPrefix(path.Base(h.Name), "rabbit_durable_queue.") {
			continue
		}
		text, err := io.ReadAll(r)
		if err != nil || bytes.Contains(text, []byte(queue)) {
			return err == nil, err
		}
	}
}

func TestContractOnRabbitMQ(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a slow server five times; the contract on Redis is held in short mode too")
	}
	const queue = "queue-that-survives"
	c := needEngine(t, "rabbitmq")
	d := rabbit()
	labtest.Run(t, labtest.Subject{
		Lab: newLab(t, Options{}), Driver: d, Variant: d.Variants[0], Version: "3.",
		Put: func(ctx context.Context, url, text string) error {
			conn, err := dialRabbit(ctx, url)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			ch, err := conn.Channel()
			if err != nil {
				return err
			}
			if err := ch.Confirm(false); err != nil {
				return err
			}
			if _, err := ch.QueueDeclare(queue, true, false, false, false, nil); err != nil {
				return err
			}
			m := amqp.Publishing{Body: []byte(text), DeliveryMode: amqp.Persistent}
			confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", queue, false, false, m)
			if err != nil {
				return err
			}
			if ok, err := confirm.WaitContext(ctx); err != nil || !ok {
				return fmt.Errorf("confirmed %v: %w", ok, err)
			}
			return queueOnDisk(ctx, c, t.Name(), queue)
		},
		Get: func(ctx context.Context, url string) (string, error) {
			conn, err := dialRabbit(ctx, url)
			if err != nil {
				return "", err
			}
			defer func() { _ = conn.Close() }()
			ch, err := conn.Channel()
			if err != nil {
				return "", err
			}
			m, _, err := ch.Get(queue, true)
			return string(m.Body), err
		},
		Logs: "Starting RabbitMQ 3",
	})
}
