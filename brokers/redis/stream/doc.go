// Package stream keeps queues in Redis as streams.
package stream
