// Package message reads and writes Celery's task messages: protocol 2, the older protocol 1, and the hybrid of
// the two, in the JSON dialect that kombu speaks.
//
// Reading is lazy: Read looks at the headers alone and Task.Body cuts the body into pieces without decoding
// them (MessagePack and YAML become JSON first); a task decodes what it wants with Unmarshal or Decode. A message
// that cannot be read is an *Error with the reason, never a panic.
//
// Beyond the standard library it takes klauspost/compress for zstd, tinylib/msgp for MessagePack, since its reader
// leaves depth and memory to the caller, and goccy/go-yaml for YAML, which the scenarios are read with too.
package message
