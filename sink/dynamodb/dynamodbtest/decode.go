package dynamodbtest

import (
	"encoding/base64"
	"slices"
)

// maxNesting is how deep a document may be nested.
const maxNesting = 32

// decodeAttrs reads the attributes of an item, a key or a map.
func decodeAttrs(in ref) (attrs, *apiError) {
	if in.absent() {
		return nil, nil
	}
	if in.kind() != jsonObject {
		return nil, malformed()
	}
	var few [32]ref
	members := few[:0]
	for m := range in.each {
		members = append(members, m)
	}
	slices.SortStableFunc(members, byName)
	out := make(attrs, 0, len(members))
	for i, m := range members {
		name := m.node().name
		if i+1 < len(members) && members[i+1].node().name == name {
			continue // of members of one name the last counts
		}
		out = append(out, attr{name: name})
		if err := decodeValue(m, &out[len(out)-1].value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// decodeItem reads the attributes of an item, and checks what goes for all items.
func decodeItem(in ref) (attrs, *apiError) {
	a, err := decodeAttrs(in)
	if err != nil {
		return nil, err
	}
	for i := range a {
		if err := checkAttr(a[i].name, &a[i].value); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// checkAttr checks one attribute of an item.
func checkAttr(name string, v *value) *apiError {
	switch {
	case name == "":
		return invalid("One or more parameter values were invalid: Attribute name cannot be empty")
	case len(name) > 64<<10-1:
		return invalid("One or more parameter values were invalid: Attribute name is too large, must be less than 65536 bytes")
	case v.kind.container() && v.depth() >= maxNesting:
		return invalid("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit")
	}
	return nil
}

func (k kind) container() bool { return k == kindL || k == kindM }

// decodeValue reads an attribute value into v.
func decodeValue(in ref, v *value) *apiError {
	if in.kind() != jsonObject {
		return malformed()
	}
	var data ref
	for m := range in.each {
		n := m.node()
		if n.kind == jsonNull {
			continue
		}
		switch found := kindNamed(n.name); {
		case found == 0: // the services pass over what they do not know
		case v.kind != 0:
			return invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
		default:
			v.kind, data = found, m
		}
	}
	switch v.kind {
	case 0:
		return invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	case kindS, kindN, kindB:
		return decodeScalar(data, v)
	case kindBool, kindNull:
		if data.kind() != jsonTrue && data.kind() != jsonFalse {
			return malformed()
		}
		v.truth = v.kind == kindBool && data.kind() == jsonTrue
		if v.kind == kindNull && data.kind() == jsonFalse {
			return parameter("Null attribute value types must have the value of true")
		}
		return nil
	case kindM:
		var err *apiError
		v.attrs, err = decodeAttrs(data)
		return err
	default:
		return decodeElems(data, v)
	}
}

// decodeElems reads the elements of a list or set.
func decodeElems(in ref, v *value) *apiError {
	if in.kind() != jsonArray {
		return malformed()
	}
	v.elems = make([]value, in.count())
	i := 0
	for e := range in.each {
		var err *apiError
		if v.kind == kindL {
			err = decodeValue(e, &v.elems[i])
		} else {
			v.elems[i].kind = v.kind.element()
			err = decodeScalar(e, &v.elems[i])
		}
		if err != nil {
			return err
		}
		i++
	}
	switch {
	case v.kind == kindL:
		return nil
	case i == 0:
		return parameter("An %s set  may not be empty", map[kind]string{kindSS: "string", kindNS: "number", kindBS: "binary"}[v.kind])
	case !sortSet(v.elems):
		return parameter("Input collection contains duplicates.")
	}
	return nil
}

// decodeScalar reads what stands inside an S, N or B, which v says it is.
func decodeScalar(in ref, v *value) (err *apiError) {
	if in.kind() != jsonString {
		return malformed()
	}
	v.text = in.node().text
	switch v.kind {
	case kindN:
		v.text, err = canonical(v.text)
		return err
	case kindB:
		b, err := base64.StdEncoding.DecodeString(v.text)
		if err != nil {
			return malformed()
		}
		v.text = string(b)
	}
	return nil
}
