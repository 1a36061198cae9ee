package kombu

import (
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// ASCII writes an envelope as Python does, with every other character escaped, so that a table of any character set can
// hold it.
func ASCII(envelope []byte) []byte {
	first := 0
	for first < len(envelope) && envelope[first] < utf8.RuneSelf {
		first++
	}
	if first == len(envelope) {
		return envelope
	}
	buf := append(make([]byte, 0, len(envelope)+len(envelope)/8+16), envelope[:first]...)
	for _, r := range string(envelope[first:]) {
		switch {
		case r < utf8.RuneSelf:
			buf = append(buf, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			buf = fmt.Appendf(buf, `\u%04x\u%04x`, high, low)
		default:
			buf = fmt.Appendf(buf, `\u%04x`, r)
		}
	}
	return buf
}
