package rabbitmq

import (
	_ "embed" // the start script
	"fmt"
	"net"
	"path"
	"strconv"

	"taskbench/brokers"
)

// command starts the server, in a container or as a process, without anything of the host's own configuration: its
// files, cookie, node name, epmd and ports are its own. The node is on localhost whatever the host's name is, since
// the data belong to the node's name.
func command(l brokers.Launch) brokers.Command {
	epmd, dist := 4369, 25672
	if !l.Container {
		epmd, dist = freePort(), freePort()
	}
	in := func(name string) string { return path.Join(l.Dir, name) }
	name, interfaces, formation := fmt.Sprintf("rabbit-%d@localhost", l.Port), "-kernel inet_dist_use_interface {127,0,0,1}", ""
	if l.Peers != nil {
		name, interfaces, formation = nodePrefix+l.Name, "-kernel net_ticktime "+tickTime, joined(l.Peers)
	}
	env := map[string]string{
		"HOME":                          l.Dir, // of the cookie
		"RABBITMQ_NODENAME":             name,
		"RABBITMQ_CONFIG_FILE":          in("rabbitmq.conf"),
		"RABBITMQ_CONFIG_FILES":         in("conf.d"),
		"RABBITMQ_ADVANCED_CONFIG_FILE": in("advanced.config"),
		"RABBITMQ_CONF_ENV_FILE":        in("rabbitmq-env.conf"),
		"RABBITMQ_ENABLED_PLUGINS_FILE": in("enabled_plugins"),
		"RABBITMQ_MNESIA_BASE":          in("mnesia"),
		"RABBITMQ_LOG_BASE":             in("log"),
		"RABBITMQ_PID_FILE":             in("pid"),
		"RABBITMQ_DIST_PORT":            strconv.Itoa(dist),
		"ERL_EPMD_PORT":                 strconv.Itoa(epmd),
		"ERL_EPMD_ADDRESS":              "127.0.0.1",
		"ERL_FLAGS":                     "-start_epmd false",
		"RABBITMQ_LOG":                  "warning,-color",
		"RUNNING_UNDER_SYSTEMD":         "true", // makes the start script become the server instead of its parent
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none " +
			interfaces + " -rabbit " + deadLetterTimeout + " " + deadLetterPatience,
	}
	if l.Peers != nil {
		delete(env, "ERL_EPMD_ADDRESS") // the others ask it where the server is
		env["CLUSTER_COOKIE"] = l.Secret
	}
	c := brokers.Command{
		Args: []string{"sh", "-c", script},
		Files: map[string]string{
			"rabbitmq.conf":     fmt.Sprintf(configuration, net.JoinHostPort(l.Host, strconv.Itoa(l.Port))) + formation,
			"enabled_plugins":   "[].\n",
			"rabbitmq-env.conf": "",
		},
	}
	if limit, set := l.Variant.Settings[deliveryLimit]; set {
		conf, definitions := limited(limit, in("definitions.json"))
		c.Files["rabbitmq.conf"] += conf
		c.Files["definitions.json"] = definitions
	}
	for name, value := range env {
		c.Env = append(c.Env, name+"="+value)
	}
	return c
}

// What a quorum queue dead-letters is sent again after so many milliseconds without a confirm. The server's own setting
// is three minutes, which is how late each step of a delayed message can be after the server was killed.
const (
	deadLetterTimeout  = "dead_letter_worker_publisher_confirm_timeout"
	deadLetterPatience = "5000"
)

// tickTime is after how many seconds of silence the members of a cluster take one of them for gone. The server's own setting is
// a minute, for which nothing moves when a member is cut off.
const tickTime = "5"

// script starts an epmd that belongs to the server, so that none is left behind as a daemon, and becomes the server.
// Debian's rabbitmq-server on PATH would change to another user and session; the program behind it does not.
//
//go:embed start.sh
var script string

const configuration = `listeners.tcp.1 = %s
loopback_users = none
log.console = true
log.file = false
vm_memory_high_watermark.relative = ` + memoryWatermark + `
disk_free_limit.absolute = ` + diskFree + `
`

// freePort is one that nobody listens at now. It need not be the same after a restart.
func freePort() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0 // the server will say that it cannot have it
	}
	defer func() { _ = l.Close() }() // it has told its number
	return l.Addr().(*net.TCPAddr).Port
}
