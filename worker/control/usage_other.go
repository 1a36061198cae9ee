//go:build !unix

package control

// OwnUsage is what this process has used since it began. This system does not tell.
func OwnUsage() Usage { return Usage{} }
