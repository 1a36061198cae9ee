package schedule_test

import (
	"fmt"
	"time"

	"taskbench/worker/beat/schedule"
)

func ExampleParse() {
	s, err := schedule.Parse("30 2 * * * Europe/Berlin")
	if err != nil {
		fmt.Println(err)
		return
	}
	t := time.Date(2024, 3, 29, 12, 0, 0, 0, time.UTC)
	for range 3 {
		if t, err = s.Next(t); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(t)
	}
	// Output:
	// 2024-03-30 02:30:00 +0100 CET
	// 2024-03-31 03:30:00 +0200 CEST
	// 2024-04-01 02:30:00 +0200 CEST
}

func ExampleCatchUp_Decide() {
	s := schedule.Crontab{Minute: "0"}
	last := time.Date(2024, 1, 1, 8, 0, 0, 0, time.UTC)
	now := time.Date(2024, 1, 1, 11, 20, 0, 0, time.UTC)
	for _, policy := range []schedule.CatchUp{schedule.Skip, schedule.Once, schedule.All} {
		d, err := policy.Decide(s, last, now, time.Minute, 100)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Print(policy, ":")
		for _, t := range d.Ticks {
			fmt.Print(" ", t.Format("15:04"))
		}
		fmt.Println()
	}
	// Output:
	// skip:
	// once: 11:00
	// all: 09:00 10:00 11:00
}
