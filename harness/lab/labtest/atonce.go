package labtest

import (
	"flag"
	"strconv"
)

// AtOnce has so many tests run at a time, unless -parallel says otherwise: it is for a TestMain whose tests mostly wait, so
// that more of them than there are processors can run beside one another.
func AtOnce(n int) {
	const parallel = "test.parallel"
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == parallel })
	if given {
		return
	}
	if err := flag.Set(parallel, strconv.Itoa(n)); err != nil {
		panic(err) // there is no such flag outside tests
	}
}
