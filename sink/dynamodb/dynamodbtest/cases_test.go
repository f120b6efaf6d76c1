package dynamodbtest_test

import (
	"fmt"
	"slices"
	"strings"
)

// scenarios is the table of requests.
func scenarios() []scenario {
	return slices.Concat(values(), conditions(), updates(), projections(), keyConditions(), writes(), batches(), transactions(), pages(), tables(), streams())
}

// one is a scenario of one request, or of some.
func one(name string, asks ...ask) scenario { return scenario{name, asks} }

// request formats a request.
func request(op, format string, args ...any) ask {
	return ask{op: op, body: fmt.Sprintf(format, args...)}
}

// values puts one attribute of each kind of value, well formed or not, and reads
// it again.
func values() []scenario {
	var out []scenario
	get := request("GetItem", `{"TableName":"plain","Key":{"p":{"S":"$K"}},"ConsistentRead":true}`)
	put := func(value string) ask {
		return request("PutItem", `{"TableName":"plain","Item":{"p":{"S":"$K"},"v":%s}}`, value)
	}
	add := func(value string) { out = append(out, one("value "+value, put(value), get)) }
	for _, n := range []string{
		"0", "-0", "+5", "1.50", ".5", "5.", "00.10", "1e3", "1E+3", "-2.5e-3", "1e125", "-1e-130", "1e0000003", "1" + strings.Repeat("0", 45), "0." + strings.Repeat("0", 50) + "123",
		"9.9999999999999999999999999999999999999E125", "12345678901234567890123456789012345678", "1.2345678901234567890123456789012345678", "1234567890123456789012345678901234567800",
		"1e126", "1e-131", "123456789012345678901234567890123456789", "0.123456789012345678901234567890123456789", "1e99999999999", "", " 5", "5 ", "1e", "e5", ".", "-", "1.2.3", "0x10", "1_000", "NaN", "Infinity", "--5", "1e5.5",
	} {
		add(`{"N":"` + n + `"}`)
	}
	for _, v := range []string{
		`{"S":""}`, `{"S":"tab\t \"quote\" \\ é 漢 \ud83d\ude00 \u2028 \u0001"}`, `{"B":"AAEC/w=="}`, `{"B":""}`, `{"BOOL":true}`, `{"BOOL":false}`, `{"NULL":true}`, `{"NULL":false}`,
		`{"L":[]}`, `{"L":[{"S":"a"},{"N":"1"},{"L":[{"M":{}}]}]}`, `{"M":{}}`, `{"M":{"a":{"S":"x"},"b":{"M":{"c":{"NULL":true}}}}}`,
		`{"SS":["b","a"]}`, `{"SS":["a",""]}`, `{"SS":[]}`, `{"SS":["a","a"]}`, `{"NS":["3","1.0","-2"]}`, `{"NS":[]}`, `{"NS":["1","1.0"]}`, `{"NS":["x"]}`, `{"BS":["AA==","AQ=="]}`, `{"BS":["AA==","AA=="]}`, `{"BS":[]}`,
		`{}`, `{"S":"a","N":"1"}`, `{"X":"a"}`, `{"M":{"a":{}}}`, `{"L":[{}]}`, `{"M":{"a":{"N":"x"}}}`, `{"L":[{"SS":[]}]}`,
		nested(31, `{"S":"x"}`), nested(32, `{"S":"x"}`),
	} {
		add(v)
	}
	for _, v := range []string{`{"N":5}`, `{"BOOL":"true"}`, `{"B":"!!!"}`, `{"B":"AAE"}`, `{"SS":["a",5]}`, `{"S":5}`} {
		out = append(out, one("value "+v, put(v).but("SerializationException", "it converts, or fails, where AWS takes exact types only")))
	}
	deep := `{"L":[{"S":"a"},{"N":"1.0"},{"M":{"n":{"N":"1e2"}}}]}`
	return append(out, one("value "+deep, put(deep), get.but(`{"Item":{"p":{"S":"$K"},"v":{"L":[{"S":"a"},{"N":"1"},{"M":{"n":{"N":"100"}}}]}}}`, "numbers inside of documents stay as they were written")))
}

// nested is a value in n lists.
func nested(n int, v string) string {
	return strings.Repeat(`{"L":[`, n) + v + strings.Repeat(`]}`, n)
}

// sample is the item that conditions and updates are about.
const sample = `"n":{"N":"5"},"t":{"S":"hello"},"b":{"B":"AAEC"},"yes":{"BOOL":true},"nil":{"NULL":true},` +
	`"l":{"L":[{"N":"1"},{"S":"x"},{"M":{"k":{"S":"v"}}}]},"m":{"M":{"a":{"N":"1"},"b":{"M":{"c":{"S":"deep"}}},"l":{"L":[{"S":"p"},{"S":"q"}]}}},` +
	`"ss":{"SS":["a","b"]},"ns":{"NS":["1","2"]},"bs":{"BS":["AA=="]}`

// vals are the placeholders that expressions use.
var vals = map[string]string{
	":n": `{"N":"5"}`, ":one": `{"N":"1"}`, ":ten": `{"N":"10"}`, ":half": `{"N":"0.5"}`, ":t": `{"S":"hello"}`, ":he": `{"S":"he"}`, ":z": `{"S":"zzz"}`, ":a": `{"S":"a"}`, ":x": `{"S":"x"}`,
	":b": `{"B":"AAEC"}`, ":b0": `{"B":"AA=="}`, ":true": `{"BOOL":true}`, ":null": `{"NULL":true}`, ":l": `{"L":[{"S":"new"}]}`, ":ls": `{"L":[{"N":"1"},{"S":"x"},{"M":{"k":{"S":"v"}}}]}`,
	":m": `{"M":{"k":{"S":"v"}}}`, ":ss": `{"SS":["b","c"]}`, ":ssab": `{"SS":["b","a"]}`, ":ns": `{"NS":["2","3"]}`, ":ns12": `{"NS":["2.0","1.0"]}`, ":bs": `{"BS":["AA=="]}`, ":bs1": `{"BS":["AQ=="]}`,
	":tS": `{"S":"S"}`, ":tL": `{"S":"L"}`, ":tNS": `{"S":"NS"}`, ":tBad": `{"S":"STRING"}`, ":big": `{"N":"9e125"}`, ":small": `{"N":"1e-30"}`, ":38": `{"N":"12345678901234567890123456789012345678"}`,
}

// used returns ExpressionAttributeValues, and -Names, with what expressions use.
func used(expressions ...string) string {
	var values, names []string
	all := strings.Join(expressions, " ")
	for name, v := range vals {
		if mentions(all, name) {
			values = append(values, `"`+name+`":`+v)
		}
	}
	for name, v := range map[string]string{"#n": "n", "#name": "name", "#dot": "x.y", "#m": "m", "#k": "k"} {
		if mentions(all, name) {
			names = append(names, `"`+name+`":"`+v+`"`)
		}
	}
	out := ""
	if len(values) > 0 {
		out += `,"ExpressionAttributeValues":{` + strings.Join(values, ",") + `}`
	}
	if len(names) > 0 {
		out += `,"ExpressionAttributeNames":{` + strings.Join(names, ",") + `}`
	}
	return out
}

// mentions reports whether expressions use a placeholder.
func mentions(expressions, name string) bool {
	for rest := expressions; ; {
		_, after, ok := strings.Cut(rest, name)
		if !ok {
			return false
		}
		if after == "" || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", rune(after[0])) {
			return true
		}
		rest = after
	}
}

var putSample = request("PutItem", `{"TableName":"plain","Item":{"p":{"S":"$K"},`+sample+`}}`)

// conditions are tried on the sample.
func conditions() []scenario {
	var out []scenario
	for _, c := range []string{
		// comparators
		"n = :n", "n <> :n", "n < :ten", "n <= :n", "n > :one", "n >= :ten", ":n = n", "n = :t", "n <> :t", "n < :t", "t < :z", "t > :z", "b = :b", "b > :b0", "b < :b0",
		"yes = :true", "yes <> :true", "nil = :null", "l = :ls", "l = :l", "m = :m", "m.b = :m", "ss = :ssab", "ss = :ss", "ns = :ns12", "ns <> :ns", "bs = :bs", "bs = :bs1",
		"lacking = :n", "lacking <> :n", "lacking < :n", "lacking = none2", "lacking <> none2", "n = m.a", "n > m.a", "m.a < n", "l[0] = :one", "l[1] = :x", "l[9] = :one", "l[2].k = :t", "m.b.c = :t", "m.l[1] = :x", "n.a = :n", "n[0] = :n",
		"yes < :true", "n < :ss", "n > :l", "t >= :null",
		// BETWEEN, IN
		"n BETWEEN :one AND :ten", "n BETWEEN :ten AND :one", "n BETWEEN :one AND :t", "n BETWEEN m.a AND :ten", ":n BETWEEN m.a AND n", "t BETWEEN :a AND :z", "lacking BETWEEN :one AND :ten", "n BETWEEN :true AND :true", "NOT n BETWEEN :one AND :ten",
		"n IN (:one, :n)", "n IN (:one)", "n IN (:t, m.a)", "t IN (:t)", "lacking IN (:n)", "l IN (:ls)", "n IN ()", "n IN :n",
		// AND, OR, NOT and parentheses
		"n = :n AND t = :z", "n = :n OR t = :z AND t = :a", "(n = :n OR t = :z) AND t = :a", "NOT n = :n", "NOT NOT n = :n", "NOT n = :n OR n = :n", "NOT (n = :n AND t = :z)", "not n = :n and t = :t or t = :z",
		"(n = :n)", "((n = :n))", "((n = :n) AND (t = :t))", "((n = :n) OR t = :t) AND n > :one", "(((n = :n)) AND t = :t)", "n = :n AND", "AND n = :n", "(n = :n", "n = :n)", "(n) = :n", "n = (:n)", "(n) > (:one)", "((n)) = :n", "size((t)) = :n", "attribute_exists((n))", "n IN ((:n))", "(n) BETWEEN (:one) AND (:ten)", "(n) AND t = :t", "attribute_exists(p.x)", "p = :t", "p.x = :t", "n", "n = ", "= :n", "n == :n", "n = :n t", "n != :n", "()", "NOT",
		// functions
		"attribute_exists(n)", "attribute_exists(lacking)", "attribute_exists(m.b.c)", "attribute_exists(l[2].k)", "attribute_exists(l[3])", "attribute_not_exists(n)", "attribute_not_exists(lacking)", "attribute_not_exists(m.lacking)", "attribute_exists(:n)", "attribute_exists(n, t)", "attribute_exists()", "ATTRIBUTE_EXISTS(n)", "attribute_exists (n)",
		"attribute_type(t, :tS)", "attribute_type(n, :tS)", "attribute_type(l, :tL)", "attribute_type(ns, :tNS)", "attribute_type(lacking, :tS)", "attribute_type(t, :tBad)", "attribute_type(t, :n)", "attribute_type(t, n)", "attribute_type(:t, :tS)", "attribute_type(t)",
		"begins_with(t, :he)", "begins_with(t, :z)", "begins_with(b, :b0)", "begins_with(n, :he)", "begins_with(lacking, :he)", "begins_with(t, :n)", "begins_with(:t, :he)", "begins_with(t, t)", "begins_with(t)",
		"contains(t, :he)", "contains(t, :z)", "contains(t, :n)", "contains(ss, :a)", "contains(ss, :z)", "contains(ns, :one)", "contains(ns, :n)", "contains(bs, :b0)", "contains(l, :x)", "contains(l, :m)", "contains(l, :z)", "contains(m, :x)", "contains(n, :n)", "contains(lacking, :n)", "contains(t, m.b.c)", "contains(:t, t)", "contains(:n, t)", "contains(b, :b0)", "contains(yes, :true)", "contains(l, :l)", "contains(ss, :ss)", "contains(:ss, t)", "contains(:true, t)", "contains(:null, t)", "contains(:m, t)", "contains(:l, t)",
		"size(t) = :n", "size(b) > :one", "size(l) < :n", "size(m) <= :n", "size(ss) = :one", "size(n) = :one", "size(lacking) = :one", "size(lacking) <> :one", "size(n) <> :one", "size(yes) = :one", "size(nil) = :one", "size(:t) = :n", "size(:n) = :n", "size(:true) = :n", "size(t)", "size(t, n) = :n", "size(size(t)) = :n", "SIZE(t) = :n", "size(t) BETWEEN :one AND :ten", "size(t) IN (:n)", "size(t) = size(m.b.c)", "attribute_exists(size(t))", "begins_with(size(t), :he)", "contains(t, size(t))", "n = attribute_exists(n)",
		"foo(n)", "foo(n) = :n", "if_not_exists(n, :n) = :n", "list_append(l, :l) = :l", "if_not_exists(n, :n)",
		// names
		"#n = :n", "#name = :n", "name = :n", "#dot = :n", "m.#k = :n", "#m.a = :one", "#m.b.c = :t", "Name = :n", "_n = :n", "n_ = :n", "n1 = :n", "1n = :n", "n-t = :n", "n. = :n", ".n = :n", "l[a] = :n", "l[ 0 ] = :one", "l [0] = :one", "l[-1] = :one", "l[:one] = :one", "l[0 = :one", "m . a = :one", "l[99999999999] = :n",
		// what is the same on both sides
		"n = n", ":n = :n", "n < n", "n BETWEEN n AND :ten", "n BETWEEN :one AND n", "n IN (n, :n)", "contains(n, n)", "size(t) = size(t)", "m.a = m.a",
		"", " ", "n = #missing", "n = :missing", "n = :n AND :unused2 = :n", strings.Repeat("n = :n AND ", 299) + "n = :n", strings.Repeat("n = :n AND ", 150) + "n = :n", strings.Repeat("n = :n OR ", 149) + "n = :n",
	} {
		name := "condition " + c
		if len(name) > 80 {
			name = fmt.Sprintf("condition of %d bytes", len(c))
		}
		out = append(out, one(name, putSample, request("UpdateItem", `{"TableName":"plain","Key":{"p":{"S":"$K"}},"ConditionExpression":%q%s}`, c, used(c))))
	}
	return out
}

// updates are tried on the sample, and where there is no item.
func updates() []scenario {
	var out []scenario
	for _, u := range []string{
		"SET n = :ten", "set n = :ten", "SET lacking = :ten", "SET n = n + :one", "SET n = n - :one", "SET n = :ten - n", "SET n = n + n", "SET n = m.a + l[0]", "SET n = n + :half", "SET x = n", "SET x = m", "SET x = none", "SET x = lacking + :one", "SET x = t + :one", "SET x = n + :t", "SET x = :t + :one", "SET n = n + :one + :one", "SET n = (n + :one)", "SET n = ((n + :one))", "SET n = (n) + :one", "SET n = :one + (n + :one)", "SET n = ((n)) + :one", "SET n = (:ten) - (n)", "SET x = (if_not_exists(n, :one))", "SET n = (n + :one", "SET n = n + :one)", "SET n = (n + :one) + :one",
		"SET n = if_not_exists(n, :ten)", "SET x = if_not_exists(x, :ten)", "SET x = if_not_exists(x, :ten) + :one", "SET x = if_not_exists(m.lacking, l[0])", "SET x = if_not_exists(:n, :n)", "SET x = if_not_exists(n)", "SET x = if_not_exists(x, if_not_exists(y, :n))", "SET x = if_not_exists(x, n + :one)", "SET x = if_not_exists((x), (n))", "SET x = if_not_exists(x, list_append(l, :l))", "SET x = list_append(list_append(l, :l), :l)", "SET x = n + list_append(l, :l)", "SET x = list_append((l), :l)", "SET x = if_not_exists(x, :one) - if_not_exists(y, :ten)",
		"SET l = list_append(l, :l)", "SET l = list_append(:l, l)", "SET l = list_append(:l, :l)", "SET x = list_append(x, :l)", "SET x = list_append(if_not_exists(x, :l), :l)", "SET x = list_append(n, :l)", "SET x = list_append(l, :n)", "SET x = list_append(l)",
		"SET x = size(t)", "SET x = attribute_exists(n)", "SET x = foo(n)", "SET x = contains(t, :t)",
		"SET m.a = :ten", "SET m.lacking = :ten", "SET m.b.c = :ten", "SET m.lacking.c = :ten", "SET n.a = :ten", "SET n[0] = :ten", "SET m[0] = :ten", "SET l.a = :ten", "SET l[0] = :ten", "SET l[9] = :ten", "SET l[9] = :ten, l[7] = :one", "SET l[0] = l[1], l[1] = l[0]", "SET l[2].k = :ten", "SET l[9].k = :ten", "SET m.l[0] = :ten", "SET t = n, n = t", "SET lacking[0] = :n", "SET lacking.a = :n",
		"REMOVE n", "REMOVE none", "REMOVE n, t", "REMOVE m.a", "REMOVE m.none", "REMOVE m.lacking.x", "REMOVE l[0]", "REMOVE l[0], l[1]", "REMOVE l[1], l[0]", "REMOVE l[9]", "REMOVE l[2].k", "REMOVE n.a", "REMOVE n[0]", "REMOVE m[0]", "REMOVE lacking.a", "REMOVE m.l[0], m.l[1]", "REMOVE",
		"ADD n :one", "ADD lacking :one", "ADD ss :ss", "ADD ns :ns", "ADD bs :bs1", "ADD lacking :ss", "ADD ss :ns", "ADD n :ss", "ADD t :one", "ADD n :t", "ADD n :l", "ADD l :l", "ADD m.a :one", "ADD m.lacking :one", "ADD l[0] :one", "ADD lacking.a :one", "ADD n n", "ADD n", "ADD n = :one",
		"DELETE ss :ss", "DELETE ss :ssab", "DELETE lacking :ss", "DELETE ns :ns", "DELETE ss :ns", "DELETE ss :a", "DELETE n :one", "DELETE n :ss", "DELETE m.a :ss", "DELETE bs :bs",
		"SET n = :ten REMOVE t", "SET n = :ten REMOVE t ADD ns :ns DELETE ss :ss", "REMOVE t SET n = :ten", "SET n = :ten SET t = :t", "SET n = :ten, SET t = :t", "SET n = :ten,", "SET", "SET n", "SET n =", "SET n = :ten t = :t", "FOO n = :ten", "n = :ten", "", "SET n :ten", "SET :n = :ten",
		"SET n = :ten, n = :one", "SET n = :ten REMOVE n", "SET m = :m, m.a = :one", "SET m.a = :one, m = :m", "SET m.a = :one, m[0] = :one", "SET l[0] = :one REMOVE l[0]", "SET l[0] = :one, l[1] = :one", "SET l[0].k = :one, l[0] = :one", "SET m.a = :one, m.b = :one",
		"SET p = :t", "REMOVE p", "ADD p :one", "SET p.x = :t", "SET x = p.y", "SET x = p", "SET x = if_not_exists(p.y, :t)", "SET name = :t", "SET #name = :t", "SET #dot = :t", "SET #m.#k = :t", "SET x = name",
		"SET x = :big + :big", "SET x = :38 + :half", "SET x = :n + :small", "SET x = :38 + :one", "SET x = :one - :one",
		"SET yes = :null, nil = :true, b = :b0",
	} {
		item := request("UpdateItem", `{"TableName":"plain","Key":{"p":{"S":"$K"}},"UpdateExpression":%q,"ReturnValues":"ALL_NEW"%s}`, u, used(u))
		fresh := request("UpdateItem", `{"TableName":"plain","Key":{"p":{"S":"$K-none"}},"UpdateExpression":%q,"ReturnValues":"ALL_NEW"%s}`, u, used(u))
		out = append(out, one("update "+u, putSample, item, fresh))
	}
	parts := "it returns the whole top-level attribute, AWS the part of it that was updated"
	returning := func(u, returns string) ask {
		return request("UpdateItem", `{"TableName":"plain","Key":{"p":{"S":"$K"}},"UpdateExpression":%q,"ReturnValues":"%s"%s}`, u, returns, used(u))
	}
	for _, r := range []string{"NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW", "ALL", ""} {
		out = append(out, one("ReturnValues "+r, putSample, returning("SET n = :ten, x = :t REMOVE t", r), returning("REMOVE none", r)))
	}
	out = append(out,
		one("UPDATED_NEW of a part", putSample, returning("SET m.a = :ten", "UPDATED_NEW").but(`{"Attributes":{"m":{"M":{"a":{"N":"10"}}}}}`, parts)),
		one("UPDATED_OLD of a part", putSample, returning("SET m.a = :ten, l[1] = :n", "UPDATED_OLD").but(`{"Attributes":{"m":{"M":{"a":{"N":"1"}}},"l":{"L":[{"S":"x"}]}}}`, parts)),
		one("update too large", putSample, request("UpdateItem", `{"TableName":"plain","Key":{"p":{"S":"$K"}},"UpdateExpression":"SET x = :v","ExpressionAttributeValues":{":v":{"S":"%s"}}}`, strings.Repeat("x", 409_550))),
	)
	return out
}

// projections are read of the sample.
func projections() []scenario {
	var out []scenario
	for _, p := range []string{
		"n", "n, t", "lacking", "m.a", "m.a, m.b", "m.b.c, n", "l[0]", "l[2], l[0]", "l[9]", "l[2].k", "m.l[1]", "n.a", "#n, #m.b", "p", "p.x", "p[0]", "n, n", "m, m.a", "m.a, m[0]", "l[0], l[0].k", "name", "", "n,", ", n", "n t", "n = :n", "#missing", ":n", "size(n)", "l[0], m.l[0], ss", "n[0]",
	} {
		out = append(out, one("projection "+p, putSample, request("GetItem", `{"TableName":"plain","Key":{"p":{"S":"$K"}},"ProjectionExpression":%q%s}`, p, used(p))))
	}
	return out
}

// keyConditions query a partition with the sort keys -2.5, 0, 1, 1.5, 10 and 200, or
// a, ab, abc, b and é.
func keyConditions() []scenario {
	fill := func(table, kind string, keys ...string) ask {
		var puts []string
		for _, k := range keys {
			puts = append(puts, `{"PutRequest":{"Item":{"p":{"S":"$K"},"s":{"`+kind+`":"`+k+`"},"v":{"S":"x"}}}}`)
		}
		return request("BatchWriteItem", `{"RequestItems":{"%s":[%s]}}`, table, strings.Join(puts, ","))
	}
	numbers := fill("sorted", "N", "200", "10", "-2.5", "0", "1.5", "1")
	words := fill("worded", "S", "b", "ab", "a", "é", "abc")
	query := func(table, c, rest string) ask {
		return request("Query", `{"TableName":"%s","KeyConditionExpression":%q,"ExpressionAttributeValues":{":p":{"S":"$K"}%s}%s}`, table, c, values2(c), rest)
	}
	var out []scenario
	for _, c := range []string{
		"p = :p", "p = :p AND s = :1", "p = :p AND s < :1", "p = :p AND s <= :1", "p = :p AND s > :1", "p = :p AND s >= :1", "s >= :1 AND p = :p", "p = :p AND s BETWEEN :1 AND :10", "(p = :p) AND (s > :1)", "(p = :p AND s > :1)", "p = :p AND s BETWEEN :10 AND :1",
		"p = :p AND s <> :1", "p = :p OR s = :1", "NOT p = :p", "p = :p AND NOT s = :1", "p > :p", "s = :1 AND :p = :p", "p = :p AND v = :1", "p = :p AND s = :1 AND s = :10", "p = :p AND p = :p", "p = :p AND s > :1 AND s < :10", "p = :p AND s IN (:1)", "p = :p AND attribute_exists(s)", "p = :p AND begins_with(s, :a)", "p = :p AND s = :a", "p = :1", "p IN (:p)", "p = :p AND size(s) = :1", "p = :p AND contains(s, :a)", "begins_with(p, :p)", "p BETWEEN :p AND :p", "p = :p AND s = p", "p.x = :p", "", ":p = p", ":p = p AND :1 < s", ":p = :p AND s = :1", "p = :p AND :1 BETWEEN s AND :10", "(p = :p) AND ((s = :1))", "p = :p AND (s = :1 AND s = :1)", "s > :1 AND p = :p AND v = :1",
	} {
		out = append(out, one("key condition "+c, numbers, query("sorted", c, "")))
	}
	for _, c := range []string{"p = :p AND begins_with(s, :a)", "p = :p AND begins_with(s, :ab)", "p = :p AND s > :ab", "p = :p AND s BETWEEN :a AND :ab", "p = :p AND begins_with(s, :empty)", "p = :p AND s = :empty", "p = :empty"} {
		out = append(out, one("key condition on words "+c, words, query("worded", c, "")))
	}
	first := `"ExclusiveStartKey":{"p":{"S":"$K"},"s":{"N":"1"}}`
	for _, rest := range []string{
		`,"ScanIndexForward":false`, `,"Limit":2`, `,"Limit":6`, `,"Limit":7`, `,"Limit":0`, `,"Limit":2,"ScanIndexForward":false`, "," + first, "," + first + `,"ScanIndexForward":false`, "," + first + `,"Limit":1`,
		`,"ExclusiveStartKey":{"p":{"S":"$K"}}`, `,"ExclusiveStartKey":{"p":{"S":"$K"},"s":{"N":"7"}}`, `,"ExclusiveStartKey":{"p":{"S":"other"},"s":{"N":"7"}}`, `,"Select":"COUNT"`, `,"Select":"ALL_ATTRIBUTES"`, `,"Select":"SPECIFIC_ATTRIBUTES"`, `,"Select":"NONE"`, `,"Select":"ALL_PROJECTED_ATTRIBUTES"`, `,"Select":"COUNT","ProjectionExpression":"v"`, `,"ProjectionExpression":"s"`, `,"IndexName":"no-such-index"`,
		`,"FilterExpression":"v = :p"`, `,"FilterExpression":"attribute_exists(v)","Limit":1`, `,"FilterExpression":"attribute_not_exists(v)"`, `,"FilterExpression":"s > :p"`, `,"FilterExpression":"p = :p"`, `,"FilterExpression":"size(s) = :p"`, `,"FilterExpression":"v = p"`, `,"FilterExpression":"p.x = :p"`, `,"ConsistentRead":true,"ReturnConsumedCapacity":"TOTAL"`, `,"ReturnConsumedCapacity":"INDEXES"`,
	} {
		out = append(out, one("query"+rest, numbers, query("sorted", "p = :p", rest)))
	}
	out = append(out, one("query without condition", request("Query", `{"TableName":"sorted"}`)),
		one("query without table", request("Query", `{"KeyConditionExpression":"p = :p","ExpressionAttributeValues":{":p":{"S":"x"}}}`)))
	return out
}

// values2 are the values of key conditions.
func values2(c string) string {
	out := ""
	for name, v := range map[string]string{":1": `{"N":"1"}`, ":10": `{"N":"10"}`, ":a": `{"S":"a"}`, ":ab": `{"S":"ab"}`, ":empty": `{"S":""}`} {
		if mentions(c, name) {
			out += `,"` + name + `":` + v
		}
	}
	return out
}
