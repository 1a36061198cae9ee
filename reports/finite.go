package reports

import (
	"fmt"
	"math"
	"reflect"

	"taskbench/harness"
)

// finite returns the result with every number that JSON cannot carry set to 0, and a warning for each place where
// that was done: one rate that was divided by nothing must not cost a whole run its result.
func finite(r harness.Result) harness.Result {
	var places []string
	v := reflect.New(reflect.TypeOf(r)).Elem()
	v.Set(scrub(reflect.ValueOf(r), "result", &places))
	clean := v.Interface().(harness.Result)
	for _, p := range places {
		clean.Warnings = append(clean.Warnings, p+" was not a finite number and is written as 0")
	}
	return clean
}

// scrub copies a value deeply enough that nothing of the original is changed, and notes what it had to replace.
func scrub(v reflect.Value, at string, places *[]string) reflect.Value {
	switch v.Kind() {
	case reflect.Float64, reflect.Float32:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			*places = append(*places, at)
			return reflect.Zero(v.Type())
		}
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		for i := range v.NumField() {
			out.Field(i).Set(scrub(v.Field(i), at+"."+v.Type().Field(i).Name, places))
		}
		return out
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(scrub(v.Index(i), fmt.Sprintf("%s[%d]", at, i), places))
		}
		return out
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			out.SetMapIndex(it.Key(), scrub(it.Value(), fmt.Sprintf("%s[%v]", at, it.Key()), places))
		}
		return out
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(scrub(v.Elem(), at, places))
		return out
	case reflect.Interface:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type()).Elem()
		if f, ok := v.Interface().(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
			out.Set(reflect.ValueOf(fmt.Sprint(f))) // an expectation's value may be anything, also a text
			return out
		}
		out.Set(scrub(v.Elem(), at, places))
		return out
	}
	return v
}
