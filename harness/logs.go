package harness

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// logMost is how large the log of a node may become in a run whose history is cut into pieces. What was in it is kept
// beside it, by the name of EarlierLog, until that happens again.
const logMost = 16 << 20

// EarlierLog is the name of the file that has what a log held before it was begun anew; most logs never are.
func EarlierLog(name string) string { return name + ".1" }

// turnLog begins a log anew once it is larger than most, of which it keeps the end. Whoever writes it must append: it goes
// on with the same file. What is written in the moment between the last copying and the cutting off is lost.
func turnLog(path string, most int64) (err error) {
	log, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil // nothing was said yet
	}
	if err != nil {
		return fmt.Errorf("turn a log: %w", err)
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil || info.Size() <= most {
		return err
	}
	next := path + ".next"
	kept, err := os.Create(next)
	if err != nil {
		return fmt.Errorf("turn a log: %w", err)
	}
	_, err = log.Seek(info.Size()-most, io.SeekStart)
	if err == nil {
		_, err = io.Copy(kept, log) // to its end, also what is written meanwhile
	}
	if err = errors.Join(err, kept.Close()); err == nil {
		err = os.Rename(next, EarlierLog(path))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("turn log %s: %w", path, err), os.Remove(next))
	}
	return log.Truncate(0)
}
