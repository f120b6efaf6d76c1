package dynamodbtest

import (
	"slices"
	"strconv"
	"strings"
)

// Members of requests, by type. One that is not there, or is null, is the zero
// value; one of another type is a SerializationException.

func (r ref) text(name string) (string, *apiError) {
	m := r.get(name)
	if m.absent() {
		return "", nil
	}
	if m.kind() != jsonString {
		return "", malformed()
	}
	return m.node().text, nil
}

// identifier reads a text that must be there, and have a length.
func (r ref) identifier(name string, least int) (string, *apiError) {
	s, err := r.text(name)
	if err == nil && len(s) < least {
		err = invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must have length greater than or equal to %d", s, lowerFirst(name), least)
	}
	return s, err
}

func (r ref) object(name string) (ref, *apiError) { return r.typed(name, jsonObject) }

func (r ref) array(name string) (ref, *apiError) { return r.typed(name, jsonArray) }

func (r ref) typed(name string, k kindOf) (ref, *apiError) {
	m := r.get(name)
	if !m.absent() && m.kind() != k {
		return ref{}, malformed()
	}
	return m, nil
}

func (r ref) boolean(name string) (bool, *apiError) {
	m := r.get(name)
	switch {
	case m.absent():
		return false, nil
	case m.kind() == jsonTrue || m.kind() == jsonFalse:
		return m.kind() == jsonTrue, nil
	}
	return false, malformed()
}

// integer reads a whole number; has is false where there is none.
func (r ref) integer(name string) (n int, has bool, err *apiError) {
	m := r.get(name)
	if m.absent() {
		return 0, false, nil
	}
	if m.kind() != jsonNumber {
		return 0, false, malformed()
	}
	n, e := strconv.Atoi(m.node().text)
	if e != nil {
		return 0, false, malformed()
	}
	return n, true, nil
}

// limit reads Limit, a whole number between 1 and most; without it, it is most.
func (r ref) limit(most int) (int, *apiError) {
	n, has, err := r.integer("Limit")
	switch {
	case err != nil:
		return 0, err
	case !has:
		return most, nil
	case n < 1:
		return 0, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", n)
	case n > most:
		return 0, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value less than or equal to %d", n, most)
	}
	return n, nil
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// choice reads one of some words; without it, it is the first, which is empty where
// there is no default.
func (r ref) choice(name string, words ...string) (string, *apiError) {
	s, err := r.text(name)
	switch {
	case err != nil:
		return "", err
	case r.get(name).absent():
		return words[0], nil
	case s == "" || !slices.Contains(words, s):
		return "", invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]", s, lowerFirst(name), strings.TrimPrefix(strings.Join(words, ", "), ", "))
	}
	return s, nil
}

// refuse fails on parameters that are older than expressions, which are not modelled.
func (r ref) refuse(legacy ...string) *apiError {
	for _, name := range legacy {
		if !r.get(name).absent() {
			return invalid("dynamodbtest takes expressions only, not %s", name)
		}
	}
	return nil
}
