// Package file keeps a beat's schedule in a file, YAML or JSON, and what became of its ticks in another one beside it.
//
// # The schedule
//
//	timezone: Europe/Berlin           # of the crontabs that name none; UTC where absent
//	entries:
//	  clean-up:                       # the entry's name
//	    task: lab.clean_up
//	    schedule: 0 4 * * *           # also: every 30s, every 1h aligned, */5 * * * * Asia/Tokyo, at 2030-01-02T03:04:05Z
//	    args: [1, two]
//	    kwargs: {deep: true}
//	    queue: maintenance
//	    priority: 3                   # 0 to 9
//	    expires: 30s                  # after the sending
//	    soft_time_limit: 10s
//	    time_limit: 20s
//	    headers: {owner: ops}
//	    enabled: true
//	    one_off: false                # over after one tick
//	    start: 2030-01-01T00:00:00Z   # no tick before
//	    until: 2031-01-01T00:00:00Z   # no tick after
//	    catch_up: once                # or skip, or all
//	    catch_up_limit: 100           # of all
//	    deadline: 1h                  # what is later than that is dropped
//	    description: for people
//
// A file named .json holds the same in JSON. Only task and schedule are needed. All mistakes are told at once, with their
// lines. A file that is changed is read again while beat runs; one with mistakes then changes nothing.
//
// # The state
//
// It is a log of JSON lines, one a mark, the last of an entry being the one that counts; so SIGKILL loses nothing that
// was written. The disk is told to keep it once a second. When it has grown, it is written anew: to a temporary file,
// which is synced, renamed, and its directory synced. A last line that is torn is left out. A file that is damaged in
// any other way is set aside, and what can be read of it is used. When the disk is full, the error is returned and the
// torn end cut off, so that the next Write may succeed.
//
// # Dependencies
//
// It uses github.com/goccy/go-yaml, because its syntax tree keeps the line of every value.
package file
