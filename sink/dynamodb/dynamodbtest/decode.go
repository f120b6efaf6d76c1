package dynamodbtest

import "encoding/base64"

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
	out := make(attrs, 0, in.count())
	for m := range in.each {
		v, err := decodeValue(m)
		if err != nil {
			return nil, err
		}
		out = append(out, attr{m.node().name, v})
	}
	return out.sorted(), nil
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

// decodeValue reads an attribute value.
func decodeValue(in ref) (value, *apiError) {
	if in.kind() != jsonObject {
		return value{}, malformed()
	}
	var data ref
	k := kind(0)
	for m := range in.each {
		n := m.node()
		if n.kind == jsonNull {
			continue
		}
		switch found := kindNamed(n.name); {
		case found == 0: // the services pass over what they do not know
		case k != 0:
			return value{}, invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
		default:
			k, data = found, m
		}
	}
	v := value{kind: k}
	switch k {
	case 0:
		return value{}, invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	case kindS, kindN, kindB:
		return decodeScalar(k, data)
	case kindBool, kindNull:
		if data.kind() != jsonTrue && data.kind() != jsonFalse {
			return value{}, malformed()
		}
		v.truth = k == kindBool && data.kind() == jsonTrue
		if k == kindNull && data.kind() == jsonFalse {
			return value{}, parameter("Null attribute value types must have the value of true")
		}
		return v, nil
	case kindM:
		var err *apiError
		v.attrs, err = decodeAttrs(data)
		return v, err
	}
	if data.kind() != jsonArray {
		return value{}, malformed()
	}
	v.elems = make([]value, 0, data.count())
	for e := range data.each {
		var (
			elem value
			err  *apiError
		)
		if k == kindL {
			elem, err = decodeValue(e)
		} else {
			elem, err = decodeScalar(k.element(), e)
		}
		if err != nil {
			return value{}, err
		}
		v.elems = append(v.elems, elem)
	}
	if k.isSet() {
		if len(v.elems) == 0 {
			return value{}, parameter("An %s set  may not be empty", map[kind]string{kindSS: "string", kindNS: "number", kindBS: "binary"}[k])
		}
		if !sortSet(v.elems) {
			return value{}, parameter("Input collection contains duplicates.")
		}
	}
	return v, nil
}

// decodeScalar reads what stands inside an S, N or B.
func decodeScalar(k kind, in ref) (value, *apiError) {
	if in.kind() != jsonString {
		return value{}, malformed()
	}
	text := in.node().text
	switch k {
	case kindN:
		n, err := canonical(text)
		return value{kind: k, text: n}, err
	case kindB:
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return value{}, malformed()
		}
		text = string(b)
	}
	return value{kind: k, text: text}, nil
}
