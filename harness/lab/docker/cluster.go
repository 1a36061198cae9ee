package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/lab/engine"
	"taskbench/harness/lab/leftovers"
)

// A cluster is what members have in common: a network of their own, that leads nowhere else, and where they stand on it.
// Clients do not use it: each member publishes its port as a server alone does.
type cluster struct {
	engine  *client.Client
	network string // its id
	claim   *leftovers.Claim
	peers   []string
	secret  string
}

// A place is a member's in its cluster; the zero one is that of a server alone.
type place struct {
	*cluster
	name string
}

// startCluster starts the first member, then the others at once, and returns when they stand together.
func (l docker) startCluster(ctx context.Context, r lab.Request, i image) (_ lab.Node, err error) {
	k, err := l.newCluster(ctx, r)
	if err != nil {
		return nil, err
	}
	members := make([]lab.Node, r.Variant.Members)
	defer func() {
		if err == nil {
			return
		}
		for _, m := range members {
			if m != nil {
				err = errors.Join(err, m.Close(context.WithoutCancel(ctx)))
			}
		}
		err = errors.Join(err, k.remove(context.WithoutCancel(ctx)))
	}()
	start := func(n int) error {
		member := r
		member.Name = k.peers[n]
		member.LogPath = fmt.Sprintf("%s-%d.log", strings.TrimSuffix(r.LogPath, ".log"), n+1)
		c, err := engine.Connect(ctx)
		if err != nil {
			return err
		}
		m, err := l.startOne(ctx, c, member, i, place{k, member.Name})
		if err != nil {
			return fmt.Errorf("member %s: %w", member.Name, errors.Join(err, c.Close()))
		}
		members[n] = m
		return nil
	}
	if err := start(0); err != nil {
		return nil, err
	}
	others := make(chan error)
	for n := 1; n < len(members); n++ {
		go func() { others <- start(n) }()
	}
	var errs []error
	for range len(members) - 1 {
		errs = append(errs, <-others)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	formed := func(ctx context.Context) error { return k.formed(ctx, r, members) }
	if err := formed(ctx); err != nil {
		return nil, err
	}
	return lab.NewGroup(r.Name, members, formed, k.remove), nil
}

func (l docker) newCluster(ctx context.Context, r lab.Request) (*cluster, error) {
	owner := l.Register.Owner()
	k := &cluster{secret: rand.Text()}
	for n := range r.Variant.Members {
		k.peers = append(k.peers, fmt.Sprintf("%s-%d", r.Name, n+1))
	}
	var err error
	if k.engine, err = engine.Connect(ctx); err != nil {
		return nil, err
	}
	name := fmt.Sprintf("taskbench-%s-%d-%d-%d", r.Name, owner.PID, owner.Start, serial.Add(1))
	if k.claim, err = l.Register.Claim(leftovers.Thing{Kind: leftovers.Network, Name: name, Keep: r.Keep}); err != nil {
		return nil, errors.Join(err, k.engine.Close())
	}
	made, err := k.engine.NetworkCreate(ctx, name, client.NetworkCreateOptions{Driver: "bridge", Internal: true, Labels: owner.Labels(r.Keep)})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a network for the members: %w", err), k.remove(context.WithoutCancel(ctx)))
	}
	k.network = made.ID
	return k, nil
}

// formed waits until the first member sees all of them.
func (k *cluster) formed(ctx context.Context, r lab.Request, members []lab.Node) error {
	patience := r.Patience
	if patience == 0 {
		patience = lab.DefaultPatience
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	console := brokers.Console{URL: members[0].Info().URL, Run: members[0].(*node).Run}
	for {
		s, err := r.Driver.Server.Cluster.Standing(ctx, console, "")
		if err == nil && len(s.Up) == len(members) {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the members do not stand together: %s sees %v of %v", k.peers[0], s.Up, k.peers), err, ctx.Err())
		}
	}
}

// remove takes the network away, once nobody is on it. A second call does nothing.
func (k *cluster) remove(ctx context.Context) error {
	if k.network != "" {
		if _, err := k.engine.NetworkRemove(ctx, k.network, client.NetworkRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("remove the network of the members: %w", err)
		}
		k.network = ""
	}
	return errors.Join(k.claim.Release(), k.engine.Close())
}

// join puts a container on the network, under the member's name.
func (p place) join(ctx context.Context, id string) error {
	_, err := p.engine.NetworkConnect(ctx, p.network, client.NetworkConnectOptions{
		Container: id, EndpointConfig: &network.EndpointSettings{Aliases: []string{p.name}},
	})
	if err != nil {
		return fmt.Errorf("put it on the network of the members: %w", err)
	}
	return nil
}

// isolate takes the container off the network of the members. Its clients come another way.
func (n *node) isolate(ctx context.Context) error {
	cut, err := n.isolated(ctx)
	if err == nil && cut {
		err = errors.New("it is isolated already")
	}
	if err != nil {
		return err
	}
	_, err = n.engine.NetworkDisconnect(ctx, n.place.network, client.NetworkDisconnectOptions{Container: n.id, Force: true})
	return err
}

func (n *node) rejoin(ctx context.Context) error {
	cut, err := n.isolated(ctx)
	if err == nil && !cut {
		err = errors.New("it is not isolated")
	}
	if err != nil {
		return err
	}
	return n.place.join(ctx, n.id)
}

// isolated asks the engine whether the container is off the network of the members.
func (n *node) isolated(ctx context.Context) (bool, error) {
	i, err := n.engine.ContainerInspect(ctx, n.id, client.ContainerInspectOptions{})
	if err != nil {
		return false, fmt.Errorf("inspect the container: %w", err)
	}
	for _, e := range i.Container.NetworkSettings.Networks {
		if e.NetworkID == n.place.network {
			return false, nil
		}
	}
	return true, nil
}
