package dynamodbtest

import (
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Item is an item in the types of the SDK.
type Item = map[string]types.AttributeValue

// TableConfig describes a table for [Server.AddTable].
type TableConfig struct {
	// PartitionKey and SortKey name the key's attributes. SortKey may be empty.
	PartitionKey, SortKey string
	// PartitionType and SortType are "S", "N" or "B". Default "S".
	PartitionType, SortType string
	// Stream is what the table's stream shows: "KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE" or
	// "NEW_AND_OLD_IMAGES". Empty means no stream.
	Stream string
	// ReadUnits and WriteUnits, if not zero, are provisioned: what exceeds them is
	// throttled. Zero means without bounds.
	ReadUnits, WriteUnits int
}

// AddTable makes a table that is active at once.
func (s *Server) AddTable(name string, cfg TableConfig) error {
	t := &table{name: name, onDemand: cfg.ReadUnits == 0 && cfg.WriteUnits == 0, readUnits: cfg.ReadUnits, writeUnits: cfg.WriteUnits}
	if err := checkTableName(name); err != nil {
		return fmt.Errorf("dynamodbtest: add table: %w", err)
	}
	if cfg.Stream != "" && !slices.Contains(views, cfg.Stream) {
		return fmt.Errorf("dynamodbtest: add table %s: no stream shows %q", name, cfg.Stream)
	}
	var err error
	if t.schema.partition, err = keyOf(cfg.PartitionKey, cfg.PartitionType); err != nil {
		return fmt.Errorf("dynamodbtest: add table %s: partition key: %w", name, err)
	}
	t.definitions = []keyAttr{t.schema.partition}
	if cfg.SortKey != "" {
		if t.schema.sort, err = keyOf(cfg.SortKey, cfg.SortType); err != nil {
			return fmt.Errorf("dynamodbtest: add table %s: sort key: %w", name, err)
		}
		t.definitions = append(t.definitions, t.schema.sort)
	}
	if _, err := s.add(t, cfg.Stream, s.front.Now(), 0); err != nil {
		return fmt.Errorf("dynamodbtest: add table: %w", err)
	}
	return nil
}

func keyOf(name, kindName string) (keyAttr, error) {
	if kindName == "" {
		kindName = "S"
	}
	k := keyAttr{name, kindNamed(kindName)}
	if name == "" || !k.kind.scalar() {
		return k, fmt.Errorf("%q is no attribute of type %q", name, kindName)
	}
	return k, nil
}

// Items returns everything that is stored in a table, in the order of a Scan. It
// is empty for a table that does not exist.
func (s *Server) Items(table string) []Item {
	s.data.RLock()
	defer s.data.RUnlock()
	t := s.tables[table]
	if t == nil {
		return nil
	}
	out := make([]Item, 0, t.items.count)
	for e := range t.items.from("") {
		out = append(out, e.item.attrs().plain())
	}
	return out
}

// Count is the number of items in a table, 0 for one that does not exist.
func (s *Server) Count(table string) int {
	s.data.RLock()
	defer s.data.RUnlock()
	if t := s.tables[table]; t != nil {
		return t.items.count
	}
	return 0
}

// StreamARN is the ARN of a table's stream, empty where it has none.
func (s *Server) StreamARN(table string) string {
	s.data.RLock()
	defer s.data.RUnlock()
	if t := s.tables[table]; t != nil && t.stream != nil {
		return t.stream.arn
	}
	return ""
}

// RollShards closes the open shards of a table's stream. Each gets one child, which
// goes on, as each does on AWS about every four hours.
func (s *Server) RollShards(table string) { s.divide(table, 1) }

// SplitShards closes the open shards of a table's stream. Each gets two children,
// for half of its partitions each, as happens on AWS where a table grows.
func (s *Server) SplitShards(table string) { s.divide(table, 2) }

func (s *Server) divide(table string, parts uint64) {
	now := s.front.Now()
	s.data.Lock()
	defer s.data.Unlock()
	t := s.tables[table]
	if t == nil || t.stream == nil {
		return
	}
	for _, sh := range slices.Clone(t.stream.shards) {
		if sh.closed.IsZero() {
			t.stream.roll(sh, parts, now)
		}
	}
}

// plain returns attributes in the types of the SDK.
func (a attrs) plain() Item {
	out := make(Item, len(a))
	for _, x := range a {
		out[x.name] = x.value.plain()
	}
	return out
}

func (v value) plain() types.AttributeValue {
	switch v.kind {
	case kindS:
		return &types.AttributeValueMemberS{Value: v.text}
	case kindN:
		return &types.AttributeValueMemberN{Value: v.text}
	case kindB:
		return &types.AttributeValueMemberB{Value: []byte(v.text)}
	case kindBool:
		return &types.AttributeValueMemberBOOL{Value: v.truth}
	case kindNull:
		return &types.AttributeValueMemberNULL{Value: true}
	case kindM:
		return &types.AttributeValueMemberM{Value: v.attrs.plain()}
	case kindL:
		out := make([]types.AttributeValue, len(v.elems))
		for i, e := range v.elems {
			out[i] = e.plain()
		}
		return &types.AttributeValueMemberL{Value: out}
	case kindBS:
		out := make([][]byte, len(v.elems))
		for i, e := range v.elems {
			out[i] = []byte(e.text)
		}
		return &types.AttributeValueMemberBS{Value: out}
	}
	out := make([]string, len(v.elems))
	for i, e := range v.elems {
		out[i] = e.text
	}
	if v.kind == kindNS {
		return &types.AttributeValueMemberNS{Value: out}
	}
	return &types.AttributeValueMemberSS{Value: out}
}
