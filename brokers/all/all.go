// Package all is the list of the brokers there are.
package all

import (
	"fmt"
	"strings"

	"taskbench/brokers"
	"taskbench/brokers/beanstalkd"
	"taskbench/brokers/couchdb"
	"taskbench/brokers/memory"
	"taskbench/brokers/mongodb"
	"taskbench/brokers/mysql"
	"taskbench/brokers/nats"
	"taskbench/brokers/nearest"
	"taskbench/brokers/postgres"
	"taskbench/brokers/rabbitmq"
	"taskbench/brokers/redis"
	"taskbench/brokers/sqlite"
)

// Drivers returns every broker, in the order in which they are shown. The slice is the caller's.
func Drivers() []brokers.Driver {
	return []brokers.Driver{
		rabbitmq.Driver,
		redis.Driver,
		postgres.Driver,
		mysql.Driver,
		mongodb.Driver,
		couchdb.Driver,
		beanstalkd.Driver,
		nats.Driver,
		sqlite.Driver,
		memory.Driver,
	}
}

// Find returns what "broker" or "broker:variant" names; without a variant it is the broker's default one. The error
// for a name that is not known suggests the nearest that is.
func Find(name string) (brokers.Driver, brokers.Variant, error) {
	broker, variant, _ := strings.Cut(name, ":")
	var known []string
	for _, d := range Drivers() {
		if d.Name == broker {
			v, err := find(d, variant)
			return d, v, err
		}
		known = append(known, d.Name)
	}
	return brokers.Driver{}, brokers.Variant{}, unknown(fmt.Sprintf("there is no broker %q", broker), broker, known)
}

func find(d brokers.Driver, variant string) (brokers.Variant, error) {
	v, err := d.Variant(variant)
	if err == nil {
		return v, nil
	}
	var known []string
	for _, v := range d.Variants {
		known = append(known, v.Name)
	}
	return v, unknown(fmt.Sprintf("broker %s has no variant %q", d.Name, variant), variant, known)
}

func unknown(what, name string, known []string) error {
	if near := nearest.Name(name, known); near != "" {
		return fmt.Errorf("%s: did you mean %s?", what, near)
	}
	return fmt.Errorf("%s: there is %s", what, strings.Join(known, ", "))
}
