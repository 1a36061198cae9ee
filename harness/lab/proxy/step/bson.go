package step

import (
	"bytes"
	"encoding/binary"
	"math"
)

// A value of BSON is its type and its bytes; the zero value stands for none.
type bsonValue struct {
	kind byte
	data []byte
}

// element is that of a document which begins at a place, counted behind the document's length, and where the next one
// begins; 0 where there is none, or none that can be read.
func element(doc []byte, at int) (name string, v bsonValue, next int) {
	const head = 4
	if len(doc) < head+1 || head+at >= len(doc)-1 || doc[head+at] == 0 {
		return "", v, 0
	}
	rest := doc[head+at+1:]
	end := bytes.IndexByte(rest, 0)
	if end < 0 {
		return "", v, 0
	}
	kind, value := doc[head+at], rest[end+1:]
	size, known := sizeOf(kind, value)
	if !known || size > len(value) {
		return "", v, 0
	}
	return string(rest[:end]), bsonValue{kind, value[:size]}, at + 1 + end + 1 + size
}

func sizeOf(kind byte, value []byte) (size int, known bool) {
	switch kind {
	case 0x06, 0x0A: // undefined, null
		return 0, true
	case 0x08: // a truth
		return 1, true
	case bsonInt32:
		return 4, true
	case bsonDouble, 0x09, 0x11, bsonInt64: // 0x09 and 0x11 are times
		return 8, true
	case 0x07: // a name that a client made
		return 12, true
	case 0x13: // a decimal
		return 16, true
	case bsonString, bsonDocument, bsonArray, 0x05: // 0x05 is bytes
		if len(value) < 4 {
			return 0, false
		}
		size = int(int32(binary.LittleEndian.Uint32(value)))
		switch kind {
		case bsonString:
			size += 4
		case 0x05:
			size += 5
		}
		return size, size >= 4
	}
	return 0, false
}

// field finds a value by its name.
func field(doc []byte, name string) bsonValue {
	for at := 0; ; {
		found, v, next := element(doc, at)
		if next == 0 {
			return bsonValue{}
		}
		if found == name {
			return v
		}
		at = next
	}
}

// document is the bytes of a value that is one, or a list.
func document(v bsonValue) []byte {
	if v.kind == bsonDocument || v.kind == bsonArray {
		return v.data
	}
	return nil
}

// text32 is a string.
func text32(v bsonValue) string {
	if v.kind != bsonString || len(v.data) < 5 {
		return ""
	}
	return string(v.data[4 : len(v.data)-1])
}

// number is a value of any type that is a number.
func number(v bsonValue) int64 {
	switch v.kind {
	case bsonInt32:
		return int64(int32(binary.LittleEndian.Uint32(v.data)))
	case bsonInt64:
		return int64(binary.LittleEndian.Uint64(v.data))
	case bsonDouble:
		return int64(math.Float64frombits(binary.LittleEndian.Uint64(v.data)))
	}
	return 0
}
