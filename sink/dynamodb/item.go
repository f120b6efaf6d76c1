package dynamodb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/unspool-go/unspool/internal/jsonscan"
)

// FromJSON makes an item of a JSON object: strings, numbers, booleans and nulls
// become what they are, arrays lists and objects maps. Numbers keep all their
// digits; DynamoDB has 38 of them, between 1E-130 and 9.99E+125, and any other
// number is an error, and so is text that is not UTF-8. Of half a pair of surrogates, which
// JSON can escape, U+FFFD is made.
func FromJSON(body []byte) (Item, error) {
	if !jsonscan.ValidUTF8(body) { // which the decoder would mend
		return nil, errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return nil, fmt.Errorf("no JSON object: %w", withoutPayload(err))
	}
	if object == nil {
		return nil, errors.New("no JSON object")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	v, err := value(object)
	if err != nil {
		return nil, err
	}
	return v.(*types.AttributeValueMemberM).Value, nil
}

// withoutPayload tells what is wrong with JSON and not what is in it.
func withoutPayload(err error) error {
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("invalid at byte %d", s.Offset)
	}
	if u, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("it is of another kind at byte %d", u.Offset)
	}
	return err
}

func value(v any) (types.AttributeValue, error) {
	switch v := v.(type) {
	case nil:
		return &types.AttributeValueMemberNULL{Value: true}, nil
	case bool:
		return &types.AttributeValueMemberBOOL{Value: v}, nil
	case string:
		return &types.AttributeValueMemberS{Value: v}, nil
	case json.Number:
		if err := checkNumber(v.String()); err != nil {
			return nil, err
		}
		return &types.AttributeValueMemberN{Value: v.String()}, nil
	case []any:
		list := make([]types.AttributeValue, len(v))
		for i, e := range v {
			var err error
			if list[i], err = value(e); err != nil {
				return nil, err
			}
		}
		return &types.AttributeValueMemberL{Value: list}, nil
	case map[string]any:
		m := make(Item, len(v))
		for name, e := range v {
			if name == "" {
				return nil, errors.New("a member without name")
			}
			var err error
			if m[name], err = value(e); err != nil {
				return nil, err
			}
		}
		return &types.AttributeValueMemberM{Value: m}, nil
	}
	return nil, fmt.Errorf("unexpected %T", v)
}

const (
	maxDigits   = 38
	minExponent = -130
	maxExponent = 125
)

var errNumber = errors.New("a number is beyond what DynamoDB keeps")

// checkNumber finds what DynamoDB would refuse in a JSON number.
func checkNumber(n string) error {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(n), "e")
	e := 0
	if exponent != "" {
		var err error
		if e, err = strconv.Atoi(exponent); err != nil {
			return errNumber
		}
	}
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return nil // zero, whatever its exponent
	}
	leading := len(whole) - (len(whole+fraction) - len(digits)) - 1 // power of ten of the first digit
	if e > 1<<20 || e < -1<<20 {
		return errNumber
	}
	power := leading + e
	if len(strings.TrimRight(digits, "0")) > maxDigits || power > maxExponent || power < minExponent {
		return errNumber
	}
	return nil
}

// itemSize is what an item counts for against the limit of 400 KB: names and
// values, as "DynamoDB item sizes and formats" of the developer guide has it. That
// is not exact for numbers, which are counted by the least that they may take: what is
// too large all the same the table refuses.
func itemSize(item Item) int {
	n := 0
	for name, v := range item {
		n += len(name) + valueSize(v)
	}
	return n
}

func valueSize(v types.AttributeValue) int {
	const container = 3 // and one for each element
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberB:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return numberSize(v.Value)
	case *types.AttributeValueMemberL:
		n := container + len(v.Value)
		for _, e := range v.Value {
			n += valueSize(e)
		}
		return n
	case *types.AttributeValueMemberM:
		return container + len(v.Value) + itemSize(v.Value)
	case *types.AttributeValueMemberSS:
		n := 0
		for _, s := range v.Value {
			n += len(s)
		}
		return n
	case *types.AttributeValueMemberNS:
		n := 0
		for _, s := range v.Value {
			n += numberSize(s)
		}
		return n
	case *types.AttributeValueMemberBS:
		n := 0
		for _, b := range v.Value {
			n += len(b)
		}
		return n
	}
	return 1 // a boolean or null
}

// numberSize is a byte for each two significant digits, and one more.
func numberSize(n string) int {
	mantissa := n
	if i := strings.IndexAny(n, "eE"); i >= 0 {
		mantissa = n[:i]
	}
	digits := strings.Trim(strings.Replace(mantissa, ".", "", 1), "-+0")
	return (len(digits)+1)/2 + 1
}

// keyAttribute is an attribute of a table's key.
type keyAttribute struct {
	name string
	kind types.ScalarAttributeType
}

// keyAttributes returns the key of a table, that of the partition first.
func keyAttributes(table *types.TableDescription) ([]keyAttribute, error) {
	if table == nil {
		return nil, errors.New("no table in the answer")
	}
	kinds := map[string]types.ScalarAttributeType{}
	for _, a := range table.AttributeDefinitions {
		if a.AttributeName != nil {
			kinds[*a.AttributeName] = a.AttributeType
		}
	}
	var key []keyAttribute
	for _, e := range table.KeySchema {
		if e.AttributeName == nil || kinds[*e.AttributeName] == "" {
			return nil, errors.New("a key attribute without a type")
		}
		a := keyAttribute{*e.AttributeName, kinds[*e.AttributeName]}
		if e.KeyType == types.KeyTypeHash {
			key = append([]keyAttribute{a}, key...)
		} else {
			key = append(key, a)
		}
	}
	if len(key) == 0 {
		return nil, errors.New("a table without key")
	}
	return key, nil
}

// keyIn returns what tells an item from all others of its table.
func keyIn(item Item, key []keyAttribute) (string, error) {
	var text []byte
	for _, a := range key {
		v, ok := item[a.name]
		if !ok {
			return "", fmt.Errorf("key attribute %q is missing", a.name)
		}
		var part string
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			part, ok = v.Value, a.kind == types.ScalarAttributeTypeS
		case *types.AttributeValueMemberB:
			part, ok = string(v.Value), a.kind == types.ScalarAttributeTypeB
		case *types.AttributeValueMemberN:
			part, ok = plainNumber(v.Value), a.kind == types.ScalarAttributeTypeN
		default:
			ok = false
		}
		switch {
		case !ok:
			return "", fmt.Errorf("key attribute %q is not of type %s", a.name, a.kind)
		case part == "":
			return "", fmt.Errorf("key attribute %q is empty", a.name)
		}
		text = strconv.AppendInt(text, int64(len(part)), 10)
		text = append(append(text, ':'), part...)
	}
	return string(text), nil
}

// plainNumber writes equal numbers alike. It is asked for those only that
// checkNumber passes, or DynamoDB answers with.
func plainNumber(n string) string {
	if checkNumber(n) != nil {
		return n
	}
	r, ok := new(big.Rat).SetString(n)
	if !ok {
		return n
	}
	return r.RatString()
}
