package sql

import (
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"time"

	"taskbench/worker/message"
	"taskbench/worker/result"
	"taskbench/worker/result/pickle"
)

// row is the values of taskColumns.
func (b *Backend) row(r result.Record) ([]any, error) {
	if r.State.Ready() && r.Done.IsZero() {
		r.Done = time.Now()
	}
	var v any
	var err error
	if x := exception(r); x != nil {
		v, err = exceptionValue(x)
	} else if r.Value != nil {
		v, err = fromJSON(r.Value)
	}
	if err != nil {
		return nil, err
	}
	data, err := pickle.Marshal(v)
	if err != nil {
		return nil, err
	}
	var done, traceback any
	if !r.Done.IsZero() {
		done = b.dialect.time(r.Done.UTC())
	}
	if r.Exception != nil && r.Exception.Traceback != "" {
		traceback = r.Exception.Traceback
	}
	row := []any{r.TaskID, string(r.State), data, done, traceback}
	if x := r.Extended; x != nil {
		return append(row, x.Name, []byte(x.Args), []byte(x.Kwargs), x.Worker, x.Retries, x.Queue), nil
	}
	return append(row, nil, nil, nil, nil, nil, nil), nil
}

func exception(r result.Record) *result.Exception {
	switch r.State {
	case result.Failure, result.Retry, result.Revoked:
		if r.Exception == nil {
			return result.NewException(result.Builtins, "Exception")
		}
		return r.Exception
	}
	return nil
}

// exceptionValue is the dictionary that Celery pickles of an exception.
func exceptionValue(x *result.Exception) (any, error) {
	args := make(pickle.Tuple, len(x.Args))
	for i, a := range x.Args {
		v, err := fromJSON(a)
		if err != nil {
			return nil, fmt.Errorf("argument %d of the exception: %w", i, err)
		}
		args[i] = v
	}
	return pickle.Dict{{Key: "exc_type", Value: x.Type}, {Key: "exc_message", Value: args}, {Key: "exc_module", Value: x.Module}}, nil
}

// read makes a record of a row.
func read(id string, row *sql.Row) (result.Record, error) {
	var status, traceback, name, worker, queue sql.NullString
	var data, args, kwargs []byte
	var retries sql.NullInt64
	var done any
	if err := row.Scan(&status, &data, &done, &traceback, &name, &args, &kwargs, &worker, &retries, &queue); err != nil {
		return result.Record{}, err
	}
	r := result.Record{TaskID: id, State: result.State(status.String)}
	value := json.RawMessage("null")
	if len(data) > 0 {
		var err error
		if value, err = unpack(data); err != nil {
			return result.Record{}, fmt.Errorf("%w: %w", result.ErrBroken, err)
		}
	}
	if err := r.SetResult(value, traceback.String); err != nil {
		return result.Record{}, fmt.Errorf("%w: %w", result.ErrBroken, err)
	}
	var err error
	if r.Done, err = moment(done); err != nil {
		return result.Record{}, fmt.Errorf("%w: date_done: %w", result.ErrBroken, err)
	}
	if name.Valid || worker.Valid {
		r.Extended = &result.Extended{Name: name.String, Args: args, Kwargs: kwargs, Worker: worker.String, Retries: int(retries.Int64), Queue: queue.String}
	}
	return r, nil
}

// unpack reads what a row holds: a pickle, which all versions of Celery read, or JSON, which Celery writes from 5.7 on.
func unpack(data []byte) (json.RawMessage, error) {
	if message.Valid(data) == nil {
		return data, nil
	}
	v, err := pickle.Unmarshal(data)
	if err != nil {
		return nil, err
	}
	return toJSON(nil, v)
}

// moment reads a time without a zone, which is UTC.
func moment(v any) (time.Time, error) {
	switch v := v.(type) {
	case nil:
		return time.Time{}, nil
	case time.Time:
		return v.UTC(), nil
	case string:
		return message.ParseTime(v, time.UTC)
	case []byte:
		return message.ParseTime(string(v), time.UTC)
	}
	return time.Time{}, fmt.Errorf("%v is no time", v)
}

// fromJSON decodes what pickle.Marshal takes. Times, which would be objects, become their text.
func fromJSON(raw json.RawMessage) (any, error) {
	v, err := message.Decode(raw)
	if err != nil {
		return nil, err
	}
	return plain(v), nil
}

func plain(v any) any {
	switch v := v.(type) {
	case time.Time:
		return message.FormatTime(v)
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

// toJSON appends what Celery's JSON serializer would have made of a value: tuples are lists, keys are strings, bytes
// are wrapped.
func toJSON(buf []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(buf, "null"...), nil
	case bool:
		return strconv.AppendBool(buf, v), nil
	case int64:
		return strconv.AppendInt(buf, v, 10), nil
	case *big.Int:
		return v.Append(buf, 10), nil
	case float64:
		return appendFloat(buf, v), nil
	case string:
		raw, _ := json.Marshal(v) // a string always encodes
		return append(buf, raw...), nil
	case []byte:
		buf = append(buf, `{"__type__": "base64", "__value__": "`...)
		return append(base64.StdEncoding.AppendEncode(buf, v), `"}`...), nil
	case []any:
		return listJSON(buf, v)
	case pickle.Tuple:
		return listJSON(buf, v)
	case pickle.Dict:
		return dictJSON(buf, v)
	}
	return nil, fmt.Errorf("no JSON for a %T", v)
}

func appendFloat(buf []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(buf, "NaN"...)
	case math.IsInf(f, 1):
		return append(buf, "Infinity"...)
	case math.IsInf(f, -1):
		return append(buf, "-Infinity"...)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.AppendFloat(buf, f, 'f', 1, 64) // stays a float
	}
	return strconv.AppendFloat(buf, f, 'g', -1, 64)
}

func listJSON(buf []byte, list []any) (_ []byte, err error) {
	buf = append(buf, '[')
	for i, v := range list {
		if i > 0 {
			buf = append(buf, ", "...)
		}
		if buf, err = toJSON(buf, v); err != nil {
			return nil, err
		}
	}
	return append(buf, ']'), nil
}

func dictJSON(buf []byte, d pickle.Dict) (_ []byte, err error) {
	buf = append(buf, '{')
	for i, item := range d {
		if i > 0 {
			buf = append(buf, ", "...)
		}
		key, isText := item.Key.(string)
		if !isText {
			raw, err := toJSON(nil, item.Key)
			if err != nil {
				return nil, err
			}
			key = string(raw)
		}
		buf, _ = toJSON(buf, key) // a string always encodes
		if buf, err = toJSON(append(buf, ": "...), item.Value); err != nil {
			return nil, err
		}
	}
	return append(buf, '}'), nil
}
