// Package couchdb drives CouchDB, and servers that speak its protocol, as a broker.
package couchdb
