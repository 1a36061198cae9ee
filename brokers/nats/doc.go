// Package nats makes a queue server of NATS JetStream.
package nats
