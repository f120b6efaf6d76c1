package dynamodbtest

import (
	"encoding/binary"
	"hash/fnv"
)

// Limits of key attributes.
const (
	maxPartitionKey = 2048
	maxSortKey      = 1024
)

// keyAttr is an attribute of a primary key.
type keyAttr struct {
	name string
	kind kind // S, N or B
}

// schema is the primary key of a table. sort has no name where there is none.
type schema struct{ partition, sort keyAttr }

// is reports whether an attribute is part of the key.
func (s *schema) is(name string) bool {
	return name == s.partition.name || s.sort.name != "" && name == s.sort.name
}

// itemKey is the key of an item that is to be put.
func (s *schema) itemKey(a attrs) (string, *apiError) {
	for _, k := range s.parts() {
		v, ok := a.get(k.name)
		if !ok {
			return "", parameter("Missing the key %s in the item", k.name)
		}
		if v.kind != k.kind {
			err := parameter("Type mismatch for key %s expected: %s actual: %s", k.name, k.kind, v.kind)
			err.reason = true
			return "", err
		}
	}
	return s.encode(a)
}

// ownKey is the key that a request names with nothing but the key's attributes.
func (s *schema) ownKey(a attrs) (string, *apiError) {
	parts := s.parts()
	if len(a) != len(parts) {
		return "", invalid("The provided key element does not match the schema")
	}
	for _, k := range parts {
		if v, ok := a.get(k.name); !ok || v.kind != k.kind {
			err := invalid("The provided key element does not match the schema")
			err.reason = ok
			return "", err
		}
	}
	return s.encode(a)
}

func (s *schema) parts() []keyAttr {
	if s.sort.name == "" {
		return []keyAttr{s.partition}
	}
	return []keyAttr{s.partition, s.sort}
}

// encode returns the key of attributes as a string, in the order in which a scan
// goes: by the hash of the partition key, then by the sort key.
func (s *schema) encode(a attrs) (string, *apiError) {
	v, _ := a.get(s.partition.name)
	if err := s.partition.check(v, maxPartitionKey); err != nil {
		return "", err
	}
	key := partitionPrefix(v)
	if s.sort.name != "" {
		w, _ := a.get(s.sort.name)
		if err := s.sort.check(w, maxSortKey); err != nil {
			return "", err
		}
		key = appendSort(key, w)
	}
	return string(key), nil
}

func (k keyAttr) check(v value, limit int) *apiError {
	switch {
	case v.text == "":
		what := map[kind]string{kindS: "string", kindB: "binary"}[k.kind]
		return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", what, k.name)
	case len(v.text) > limit && limit == maxPartitionKey:
		return parameter("Size of hashkey has exceeded the maximum size limit of2048 bytes")
	case len(v.text) > limit:
		return parameter("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
	}
	return nil
}

// partitionPrefix is what the keys of all items of a partition begin with: its
// hash, and the partition key with its length.
func partitionPrefix(v value) []byte {
	b := make([]byte, 8, 64)
	binary.BigEndian.PutUint64(b, hash(v.text))
	return appendText(b, v.text)
}

// hash spreads partition keys over the segments of a scan and the shards of a
// stream.
func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // never fails
	x := h.Sum64()
	x ^= x >> 32 // FNV leaves the upper bits of like keys alike
	x *= 0x9E3779B97F4A7C15
	return x ^ x>>29
}

// hashOf is the hash of the partition of a key.
func hashOf(key string) uint64 { return binary.BigEndian.Uint64([]byte(key[:8])) }

// appendSort appends a sort key so that bytes sort as values do.
func appendSort(b []byte, v value) []byte {
	if v.kind == kindN {
		return stored(v.text).order(b)
	}
	return append(b, v.text...)
}

// keysOf are the key attributes of an item.
func (s *schema) keysOf(a attrs) attrs {
	var out attrs
	for i := range a {
		if s.is(a[i].name) {
			out = append(out, a[i])
		}
	}
	return out
}
