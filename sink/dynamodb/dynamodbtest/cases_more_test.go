package dynamodbtest_test

import (
	"fmt"
	"strings"
)

// writes are PutItem, GetItem, DeleteItem and UpdateItem apart from expressions.
func writes() []scenario {
	put := func(rest string) ask {
		return request("PutItem", `{"TableName":"plain","Item":{"p":{"S":"$K"},"v":{"N":"1"}}%s}`, rest)
	}
	del := func(rest string) ask {
		return request("DeleteItem", `{"TableName":"plain","Key":{"p":{"S":"$K"}}%s}`, rest)
	}
	get := request("GetItem", `{"TableName":"plain","Key":{"p":{"S":"$K"}}}`)
	out := []scenario{
		one("put and get", put(""), get, put(`,"ReturnValues":"ALL_OLD"`), put(`,"ReturnValues":"NONE"`), put(`,"ReturnValues":"ALL_NEW"`), put(`,"ReturnValues":"UPDATED_OLD"`), put(`,"ReturnValues":"x"`)),
		one("delete", del(`,"ReturnValues":"ALL_OLD"`).but(`{}`, "it tells of capacity that nobody asked for"), put(""), del(`,"ReturnValues":"ALL_OLD"`), get, del(`,"ReturnValues":"ALL_NEW"`)),
		one("put if absent", put(`,"ConditionExpression":"attribute_not_exists(p)"`), put(`,"ConditionExpression":"attribute_not_exists(p)"`), put(`,"ConditionExpression":"attribute_not_exists(p)","ReturnValuesOnConditionCheckFailure":"ALL_OLD"`), put(`,"ConditionExpression":"attribute_not_exists(p)","ReturnValuesOnConditionCheckFailure":"ALL_NEW"`)),
		one("delete if", del(`,"ConditionExpression":"attribute_exists(p)"`), del(`,"ConditionExpression":"attribute_exists(p)","ReturnValuesOnConditionCheckFailure":"ALL_OLD"`), put(""), del(`,"ConditionExpression":"v = :v","ExpressionAttributeValues":{":v":{"N":"2"}}`), del(`,"ConditionExpression":"v = :v","ExpressionAttributeValues":{":v":{"N":"1"}}`), get),
		one("capacity of writes", put(`,"ReturnConsumedCapacity":"TOTAL"`), put(`,"ReturnConsumedCapacity":"INDEXES"`), put(`,"ReturnConsumedCapacity":"NONE"`), put(`,"ReturnConsumedCapacity":"ALL"`),
			request("PutItem", `{"TableName":"plain","Item":{"p":{"S":"$K"},"v":{"S":"%s"}},"ReturnConsumedCapacity":"TOTAL"}`, strings.Repeat("x", 3000)), del(`,"ReturnConsumedCapacity":"TOTAL"`)),
		one("capacity of reads", request("PutItem", `{"TableName":"plain","Item":{"p":{"S":"$K"},"v":{"S":"%s"}}}`, strings.Repeat("x", 9000)),
			request("GetItem", `{"TableName":"plain","Key":{"p":{"S":"$K"}},"ProjectionExpression":"p","ReturnConsumedCapacity":"TOTAL"}`), request("GetItem", `{"TableName":"plain","Key":{"p":{"S":"$K"}},"ProjectionExpression":"p","ConsistentRead":true,"ReturnConsumedCapacity":"INDEXES"}`),
			request("GetItem", `{"TableName":"plain","Key":{"p":{"S":"$K-none"}},"ReturnConsumedCapacity":"TOTAL"}`)),
		one("the largest item", request("PutItem", `{"TableName":"plain","Item":{"p":{"S":"1234"},"v":{"S":"%s"}}}`, strings.Repeat("x", 400<<10-6)), request("PutItem", `{"TableName":"plain","Item":{"p":{"S":"1234"},"v":{"S":"%s"}}}`, strings.Repeat("x", 400<<10-5)), request("DeleteItem", `{"TableName":"plain","Key":{"p":{"S":"1234"}}}`)),
		one("unused placeholders", put(`,"ConditionExpression":"attribute_exists(p)","ExpressionAttributeNames":{"#x":"y"}`), put(`,"ConditionExpression":"attribute_exists(p)","ExpressionAttributeValues":{":x":{"S":"y"}}`), put(`,"ExpressionAttributeNames":{"#x":"y"}`), put(`,"ExpressionAttributeValues":{":x":{"S":"y"}}`)),
		one("odd placeholders", put(`,"ConditionExpression":"attribute_exists(p)","ExpressionAttributeNames":{}`), put(`,"ConditionExpression":"attribute_exists(p)","ExpressionAttributeValues":{}`), put(`,"ConditionExpression":"attribute_exists(x)","ExpressionAttributeNames":{"x":"p"}`), put(`,"ConditionExpression":"attribute_exists(#x)","ExpressionAttributeNames":{"#x":""}`),
			put(`,"ConditionExpression":"attribute_exists(#)","ExpressionAttributeNames":{"#":"p"}`), put(`,"ConditionExpression":"p = :","ExpressionAttributeValues":{":":{"S":"x"}}`), put(`,"ConditionExpression":"p = x","ExpressionAttributeValues":{"x":{"S":"x"}}`), put(`,"ConditionExpression":"attribute_exists(#a-b)","ExpressionAttributeNames":{"#a-b":"p"}`), put(`,"ConditionExpression":"p = :x","ExpressionAttributeValues":{":x":{}}`), put(`,"ConditionExpression":"p = :x","ExpressionAttributeValues":{":x":{"N":"y"}}`)),
		one("put without a table", request("PutItem", `{"Item":{"p":{"S":"$K"}}}`), request("PutItem", `{"TableName":"no-such-table","Item":{"p":{"S":"$K"}}}`), request("PutItem", `{"TableName":"x","Item":{"p":{"S":"$K"}}}`), request("PutItem", `{"TableName":"a b c","Item":{"p":{"S":"$K"}}}`)),
		one("put without an item", request("PutItem", `{"TableName":"plain"}`), request("PutItem", `{"TableName":"plain","Item":null}`), request("PutItem", `{"TableName":"plain","Item":{}}`), request("PutItem", `{"TableName":"plain","Item":{"v":{"S":"x"}}}`)),
		one("put with a wrong key", request("PutItem", `{"TableName":"plain","Item":{"p":{"N":"1"}}}`), request("PutItem", `{"TableName":"plain","Item":{"p":{"S":""}}}`), request("PutItem", `{"TableName":"plain","Item":{"p":{"SS":["a"]}}}`), request("PutItem", `{"TableName":"sorted","Item":{"p":{"S":"$K"}}}`), request("PutItem", `{"TableName":"sorted","Item":{"p":{"S":"$K"},"s":{"S":"1"}}}`), request("PutItem", `{"TableName":"raw","Item":{"p":{"S":"$K"},"s":{"B":""}}}`), request("PutItem", `{"TableName":"worded","Item":{"p":{"S":"$K"},"s":{"S":""}}}`), request("PutItem", `{"TableName":"worded","Item":{"p":{"S":"$K"},"s":{"NULL":true}}}`)),
		one("put with a long key", request("PutItem", `{"TableName":"plain","Item":{"p":{"S":"%s"}}}`, strings.Repeat("k", 2048)), request("DeleteItem", `{"TableName":"plain","Key":{"p":{"S":"%s"}}}`, strings.Repeat("k", 2048)), request("PutItem", `{"TableName":"plain","Item":{"p":{"S":"%s"}}}`, strings.Repeat("k", 2049)), request("GetItem", `{"TableName":"plain","Key":{"p":{"S":"%s"}}}`, strings.Repeat("k", 2049)),
			request("PutItem", `{"TableName":"worded","Item":{"p":{"S":"$K"},"s":{"S":"%s"}}}`, strings.Repeat("k", 1024)), request("PutItem", `{"TableName":"worded","Item":{"p":{"S":"$K"},"s":{"S":"%s"}}}`, strings.Repeat("k", 1025))),
		one("keys that do not fit", request("GetItem", `{"TableName":"plain","Key":{"p":{"N":"1"}}}`), request("GetItem", `{"TableName":"plain","Key":{"p":{"S":""}}}`), request("GetItem", `{"TableName":"plain","Key":{}}`), request("GetItem", `{"TableName":"plain"}`), request("GetItem", `{"TableName":"plain","Key":{"q":{"S":"x"}}}`), request("GetItem", `{"TableName":"plain","Key":{"p":{"S":"x"},"q":{"S":"x"}}}`), request("GetItem", `{"TableName":"sorted","Key":{"p":{"S":"x"}}}`), request("DeleteItem", `{"TableName":"sorted","Key":{"p":{"S":"x"},"s":{"S":"x"}}}`), request("UpdateItem", `{"TableName":"sorted","Key":{"p":{"S":"x"}}}`), request("GetItem", `{"TableName":"plain","Key":{"p":{"S":"x","N":"1"}}}`), request("GetItem", `{"TableName":"plain","Key":{"p":{"SS":["x"]}}}`)),
		one("a number is one key however it is written", request("PutItem", `{"TableName":"sorted","Item":{"p":{"S":"$K"},"s":{"N":"1.0"},"v":{"S":"a"}}}`), request("PutItem", `{"TableName":"sorted","Item":{"p":{"S":"$K"},"s":{"N":"10e-1"},"v":{"S":"b"}},"ReturnValues":"ALL_OLD"}`), request("GetItem", `{"TableName":"sorted","Key":{"p":{"S":"$K"},"s":{"N":"+001"}}}`)),
		one("an empty attribute name", request("PutItem", `{"TableName":"plain","Item":{"p":{"S":"$K"},"":{"S":"x"}}}`)),
		one("update without an expression", request("UpdateItem", `{"TableName":"plain","Key":{"p":{"S":"$K"}},"ReturnValues":"ALL_NEW"}`), request("UpdateItem", `{"TableName":"plain","Key":{"p":{"S":"$K"}},"ReturnValues":"ALL_OLD"}`)),
		one("update of what is not there", request("UpdateItem", `{"TableName":"plain","Key":{"p":{"S":"$K"}},"UpdateExpression":"SET v = :v","ExpressionAttributeValues":{":v":{"N":"1"}},"ReturnValues":"ALL_OLD"}`), request("UpdateItem", `{"TableName":"plain","Key":{"p":{"S":"$K-2"}},"UpdateExpression":"SET v = :v","ConditionExpression":"attribute_exists(p)","ExpressionAttributeValues":{":v":{"N":"1"}}}`), request("GetItem", `{"TableName":"plain","Key":{"p":{"S":"$K-2"}}}`)),
		one("an unknown operation", request("FooItem", `{}`)),
		one("a body that is no JSON", request("PutItem", `{`).but("SerializationException", "it fails"), request("PutItem", `[]`).but("SerializationException", "it fails"), request("PutItem", ``).but("SerializationException", "it fails")),
		one("members of other types", request("PutItem", `{"TableName":"plain","Item":[]}`).but("SerializationException", "it fails"), request("GetItem", `{"TableName":"plain","Key":{"p":{"S":"$K"}},"ConsistentRead":{}}`).but("SerializationException", "it fails")),
		one("binary keys", request("PutItem", `{"TableName":"raw","Item":{"p":{"S":"$K"},"s":{"B":"/wA="}}}`), request("PutItem", `{"TableName":"raw","Item":{"p":{"S":"$K"},"s":{"B":"AP8="}}}`), request("PutItem", `{"TableName":"raw","Item":{"p":{"S":"$K"},"s":{"B":"/w=="}}}`), request("Query", `{"TableName":"raw","KeyConditionExpression":"p = :p AND s >= :s","ExpressionAttributeValues":{":p":{"S":"$K"},":s":{"B":"/w=="}}}`), request("Query", `{"TableName":"raw","KeyConditionExpression":"p = :p AND begins_with(s, :s)","ExpressionAttributeValues":{":p":{"S":"$K"},":s":{"B":"/w=="}}}`)),
	}
	return out
}

// batches are BatchWriteItem and BatchGetItem.
func batches() []scenario {
	put := func(key string) string { return `{"PutRequest":{"Item":{"p":{"S":"$K-` + key + `"},"v":{"N":"1"}}}}` }
	del := func(key string) string { return `{"DeleteRequest":{"Key":{"p":{"S":"$K-` + key + `"}}}}` }
	write := func(requests ...string) ask {
		return request("BatchWriteItem", `{"RequestItems":{"plain":[%s]}}`, strings.Join(requests, ","))
	}
	get := func(rest string, keys ...string) ask {
		for i, k := range keys {
			keys[i] = `{"p":{"S":"$K-` + k + `"}}`
		}
		return request("BatchGetItem", `{"RequestItems":{"plain":{"Keys":[%s]%s}}}`, strings.Join(keys, ","), rest)
	}
	many := func(n int) []string {
		var out []string
		for i := range n {
			out = append(out, put(fmt.Sprint(i)))
		}
		return out
	}
	names := func(n int) []string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprint(i))
		}
		return out
	}
	big := func(n, size int) ask {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf(`{"PutRequest":{"Item":{"p":{"S":"$K-%d"},"v":{"S":"%s"}}}}`, i, strings.Repeat("x", size)))
		}
		return write(out...)
	}
	return []scenario{
		one("batch of puts and deletes", write(put("a"), put("b")), get("", "a", "b", "c"), write(del("a"), put("c"), del("none")), get("", "a", "b", "c")),
		one("batch of 25", write(many(25)...), get("", names(25)...)),
		one("batch of 26", write(many(26)...)),
		one("batch of two tables", request("BatchWriteItem", `{"RequestItems":{"plain":[%s],"sorted":[{"PutRequest":{"Item":{"p":{"S":"$K"},"s":{"N":"1"}}}}]},"ReturnConsumedCapacity":"TOTAL"}`, put("a"))),
		one("batch of nothing", request("BatchWriteItem", `{"RequestItems":{}}`), request("BatchWriteItem", `{}`), write(), write(`{}`), write(`{"PutRequest":{}}`), write(`{"DeleteRequest":{}}`)),
		one("batch that writes an item twice", write(put("a"), put("a")), write(put("a"), del("a")), write(del("a"), del("a")), get("", "a")),
		one("batch with both requests in one", write(`{"PutRequest":{"Item":{"p":{"S":"$K"}}},"DeleteRequest":{"Key":{"p":{"S":"$K"}}}}`)),
		one("batch with a bad item", write(put("a"), `{"PutRequest":{"Item":{"p":{"N":"1"}}}}`), write(put("a"), `{"PutRequest":{"Item":{"q":{"S":"1"}}}}`), write(put("a"), `{"DeleteRequest":{"Key":{"q":{"S":"1"}}}}`), write(put("a"), `{"DeleteRequest":{"Key":{"p":{"S":"1"},"q":{"S":"1"}}}}`), write(put("a"), `{"PutRequest":{"Item":{"p":{"S":""}}}}`), write(put("a"), `{"PutRequest":{"Item":{"p":{"S":"x"},"v":{"NS":["1","1"]}}}}`), get("", "a")),
		one("batch with an item too large", big(1, 400<<10)),
		one("batch of ten large items", big(10, 300<<10)),
		one("batch of a table that is not there", request("BatchWriteItem", `{"RequestItems":{"plain":[%s],"no-such-table":[%s]}}`, put("a"), put("b")), get("", "a")),
		one("capacity of a batch", request("BatchWriteItem", `{"RequestItems":{"plain":[%s,{"PutRequest":{"Item":{"p":{"S":"$K-big"},"v":{"S":"%s"}}}}]},"ReturnConsumedCapacity":"TOTAL"}`, put("a"), strings.Repeat("x", 2000)), request("BatchWriteItem", `{"RequestItems":{"plain":[%s]},"ReturnConsumedCapacity":"INDEXES"}`, put("a"))),
		one("batch get of nothing", request("BatchGetItem", `{"RequestItems":{}}`), request("BatchGetItem", `{}`), get(""), request("BatchGetItem", `{"RequestItems":{"no-such-table":{"Keys":[{"p":{"S":"x"}}]}}}`)),
		one("batch get of a key twice", get("", "a", "a")),
		one("batch get of 100 and 101", get("", names(100)...), get("", names(101)...)),
		one("batch get of wrong keys", request("BatchGetItem", `{"RequestItems":{"plain":{"Keys":[{"q":{"S":"x"}}]}}}`), request("BatchGetItem", `{"RequestItems":{"plain":{"Keys":[{"p":{"N":"1"}}]}}}`), request("BatchGetItem", `{"RequestItems":{"plain":{"Keys":[{"p":{"S":""}}]}}}`)),
		one("batch get of parts", write(put("a"), put("b")), get(`,"ProjectionExpression":"v"`, "a", "b"), get(`,"ProjectionExpression":"#v","ExpressionAttributeNames":{"#v":"v"}`, "a"), get(`,"ProjectionExpression":"v,v"`, "a"), get(`,"ExpressionAttributeNames":{"#v":"v"}`, "a"), get(`,"ConsistentRead":true`, "a", "none")),
		one("capacity of a batch get", write(put("a")), request("BatchGetItem", `{"RequestItems":{"plain":{"Keys":[{"p":{"S":"$K-a"}},{"p":{"S":"$K-b"}}]},"sorted":{"ConsistentRead":true,"Keys":[{"p":{"S":"$K"},"s":{"N":"1"}}]}},"ReturnConsumedCapacity":"TOTAL"}`).but(`{"Responses":{"plain":[{"p":{"S":"$K-a"},"v":{"N":"1"}}],"sorted":[]},"UnprocessedKeys":{},"ConsumedCapacity":[{"TableName":"plain","CapacityUnits":1},{"TableName":"sorted","CapacityUnits":1}]}`, "it charges nothing for keys that are not there")),
	}
}

// transactions are TransactWriteItems.
func transactions() []scenario {
	put := func(key, rest string) string {
		return `{"Put":{"TableName":"plain","Item":{"p":{"S":"$K-` + key + `"},"v":{"N":"1"}}` + rest + `}}`
	}
	del := func(key, rest string) string {
		return `{"Delete":{"TableName":"plain","Key":{"p":{"S":"$K-` + key + `"}}` + rest + `}}`
	}
	check := func(key, rest string) string {
		return `{"ConditionCheck":{"TableName":"plain","Key":{"p":{"S":"$K-` + key + `"}}` + rest + `}}`
	}
	update := func(key, rest string) string {
		return `{"Update":{"TableName":"plain","Key":{"p":{"S":"$K-` + key + `"}}` + rest + `}}`
	}
	all := func(rest string, items ...string) ask {
		return request("TransactWriteItems", `{"TransactItems":[%s]%s}`, strings.Join(items, ","), rest)
	}
	get := func(key string) ask {
		return request("GetItem", `{"TableName":"plain","Key":{"p":{"S":"$K-%s"}}}`, key)
	}
	many := func(n int) []string {
		var out []string
		for i := range n {
			out = append(out, put(fmt.Sprint(i), ""))
		}
		return out
	}
	const (
		absent  = `,"ConditionExpression":"attribute_not_exists(p)"`
		exists  = `,"ConditionExpression":"attribute_exists(p)"`
		allOld  = `,"ReturnValuesOnConditionCheckFailure":"ALL_OLD"`
		addOne  = `,"UpdateExpression":"ADD v :v","ExpressionAttributeValues":{":v":{"N":"1"}}`
		addText = `,"UpdateExpression":"SET v = v + t, t = :v","ExpressionAttributeValues":{":v":{"N":"1"}}`
	)
	whole := "it fails the call, AWS cancels the transaction with the reason ValidationError"
	return []scenario{
		one("transaction", all("", put("a", ""), update("b", addOne), del("c", ""), check("d", absent)), get("a"), get("b"), get("d"), all("", put("a", exists), update("b", addOne), del("a2", "")), get("b")),
		one("transaction that is cancelled", all("", put("a", "")), all("", put("a", absent+allOld), put("b", "")), get("b"), all("", check("a", absent), check("none", exists+allOld), put("c", "")), all("", put("x", ""), del("a", absent+allOld), update("none", addOne+exists))),
		one("transaction of nothing", all(""), request("TransactWriteItems", `{}`), all("", `{}`)),
		one("transaction of 100 and 101", all("", many(100)...), all("", many(101)...)),
		one("transaction with an item twice", all("", put("a", ""), del("a", "")), all("", check("a", absent), put("a", "")), get("a")),
		one("transaction with two in one", all("", put("a", "")[:len(put("a", ""))-1]+`,"Delete":{"TableName":"plain","Key":{"p":{"S":"$K"}}}}`)),
		one("transaction with a wrong key", all("", `{"Put":{"TableName":"plain","Item":{"p":{"N":"1"}}}}`, put("b", "")), all("", `{"Put":{"TableName":"plain","Item":{"q":{"S":"1"}}}}`), all("", `{"Delete":{"TableName":"plain","Key":{"q":{"S":"1"}}}}`), all("", `{"Update":{"TableName":"plain","Key":{"p":{"S":""}}`+addOne+`}}`), get("b")),
		one("transaction with a bad value", all("", `{"Put":{"TableName":"plain","Item":{"p":{"S":"x"},"v":{"N":"x"}}}}`, put("b", "")), get("b")),
		one("transaction with an operand of the wrong type", request("PutItem", `{"TableName":"plain","Item":{"p":{"S":"$K-a"},"v":{"N":"1"},"t":{"S":"x"}}}`), all("", update("a", addText), put("b", "")).but(`{"__type":"x#TransactionCanceledException","CancellationReasons":[{"Code":"ValidationError"},{"Code":"None"}]}`, whole), get("b")),
		one("transaction with a bad expression", all("", check("a", ""), put("b", "")), all("", put("a", `,"ConditionExpression":"foo("`)), all("", put("a", `,"ConditionExpression":"p = :x"`)), all("", update("a", `,"UpdateExpression":"SET p = :x","ExpressionAttributeValues":{":x":{"S":"x"}}`)), all("", update("a", `,"UpdateExpression":"SET p.x = :x","ExpressionAttributeValues":{":x":{"S":"x"}}`)), all("", put("a", `,"ExpressionAttributeValues":{":x":{"S":"x"}}`)), get("b")),
		one("transaction with an update of nothing", all("", update("a", "")).but("ValidationException", "it does without the expression, which AWS requires")),
		one("transaction of a table that is not there", all("", `{"Put":{"TableName":"no-such-table","Item":{"p":{"S":"1"}}}}`, put("b", "")), get("b")),
		one("transaction with a token", all(`,"ClientRequestToken":"$K"`, update("a", addOne)), all(`,"ClientRequestToken":"$K"`, update("a", addOne)), get("a"), all(`,"ClientRequestToken":"$K"`, update("b", addOne)), all(`,"ClientRequestToken":"$K-other"`, update("a", addOne)), get("a"), all(`,"ClientRequestToken":"`+strings.Repeat("x", 37)+`"`, update("a", addOne))),
		one("transaction that was cancelled, with its token again", all(`,"ClientRequestToken":"$K"`, put("a", exists)), all(`,"ClientRequestToken":"$K"`, put("a", exists)), request("PutItem", `{"TableName":"plain","Item":{"p":{"S":"$K-a"}}}`), all(`,"ClientRequestToken":"$K"`, put("a", exists))),
		one("capacity of a transaction", all(`,"ReturnConsumedCapacity":"TOTAL"`, put("a", ""), put("b", ""))),
		one("transaction of two tables", all(`,"ReturnConsumedCapacity":"TOTAL"`, put("a", ""), `{"Put":{"TableName":"sorted","Item":{"p":{"S":"$K"},"s":{"N":"1"}}}}`).but(`{"ConsumedCapacity":[{"TableName":"plain","CapacityUnits":2,"WriteCapacityUnits":2},{"TableName":"sorted","CapacityUnits":2,"WriteCapacityUnits":2}]}`, "it charges each table for all items")),
	}
}

// pages are scans.
func pages() []scenario {
	create := request("CreateTable", `{"TableName":"$T","KeySchema":[{"AttributeName":"p","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"p","AttributeType":"S"}],"BillingMode":"PAY_PER_REQUEST"}`)
	var puts []string
	for i := range 10 {
		puts = append(puts, fmt.Sprintf(`{"PutRequest":{"Item":{"p":{"S":"%d"},"v":{"N":"%d"}}}}`, i, i%3))
	}
	fill := request("BatchWriteItem", `{"RequestItems":{"$T":[%s]}}`, strings.Join(puts, ","))
	scan := func(rest string) ask { return request("Scan", `{"TableName":"$T"%s}`, rest) }
	return []scenario{
		one("scan", create, scan(""), fill, scan(""), scan(`,"Select":"COUNT"`), scan(`,"ConsistentRead":true,"ReturnConsumedCapacity":"TOTAL"`), scan(`,"ProjectionExpression":"v"`), scan(`,"Limit":10,"Select":"COUNT","ProjectionExpression":"v"`), scan(`,"Limit":0`), scan(`,"Limit":100`), scan(`,"IndexName":"none"`)),
		one("scan with a filter", create, fill, scan(`,"FilterExpression":"v = :v","ExpressionAttributeValues":{":v":{"N":"1"}}`), scan(`,"FilterExpression":"v > :v AND p <> :p","ExpressionAttributeValues":{":v":{"N":"0"},":p":{"S":"1"}}`), scan(`,"FilterExpression":"v ="`), scan(`,"FilterExpression":"v = :v"`), scan(`,"FilterExpression":"attribute_exists(lacking)","Select":"COUNT"`)),
		one("scan of segments", create, fill, scan(`,"Segment":0,"TotalSegments":1`), scan(`,"Segment":1,"TotalSegments":1`), scan(`,"Segment":-1,"TotalSegments":1`), scan(`,"Segment":0`), scan(`,"TotalSegments":2`), scan(`,"Segment":0,"TotalSegments":0`), scan(`,"Segment":0,"TotalSegments":1000001`)),
		one("scan from a wrong key", create, fill, scan(`,"ExclusiveStartKey":{"q":{"S":"1"}}`), scan(`,"ExclusiveStartKey":{"p":{"N":"1"}}`), scan(`,"ExclusiveStartKey":{}`)),
		one("scan of what is not there", request("Scan", `{"TableName":"no-such-table"}`), request("Scan", `{}`)),
	}
}

// tables are the operations on tables.
func tables() []scenario {
	const hash = `"KeySchema":[{"AttributeName":"p","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"p","AttributeType":"S"}]`
	create := func(rest string) ask { return request("CreateTable", `{"TableName":"$T",%s}`, rest) }
	named := func(op string) ask { return request(op, `{"TableName":"$T"}`) }
	ttl := func(rest string) ask {
		return request("UpdateTimeToLive", `{"TableName":"$T","TimeToLiveSpecification":%s}`, rest)
	}
	schema := func(keys, defs string) ask {
		return create(`"KeySchema":[` + keys + `],"AttributeDefinitions":[` + defs + `],"BillingMode":"PAY_PER_REQUEST"`)
	}
	const (
		p, s   = `{"AttributeName":"p","KeyType":"HASH"}`, `{"AttributeName":"s","KeyType":"RANGE"}`
		pS, sN = `{"AttributeName":"p","AttributeType":"S"}`, `{"AttributeName":"s","AttributeType":"N"}`
	)
	return []scenario{
		one("life of a table", named("DescribeTable"), create(hash+`,"BillingMode":"PAY_PER_REQUEST"`), named("DescribeTable"), create(hash+`,"BillingMode":"PAY_PER_REQUEST"`), request("PutItem", `{"TableName":"$T","Item":{"p":{"S":"1"}}}`), named("DescribeTable"), named("DeleteTable"), named("DescribeTable"), named("DeleteTable"), request("PutItem", `{"TableName":"$T","Item":{"p":{"S":"1"}}}`)),
		one("a provisioned table", create(hash+`,"ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":7}`), named("DescribeTable")),
		one("throughput that is wrong", create(hash), create(hash+`,"BillingMode":"PROVISIONED"`), create(hash+`,"ProvisionedThroughput":{"ReadCapacityUnits":0,"WriteCapacityUnits":7}`), create(hash+`,"ProvisionedThroughput":{"ReadCapacityUnits":5}`), create(hash+`,"BillingMode":"CHEAP"`).but("ValidationException", "it fails")),
		one("on demand with throughput", create(hash+`,"BillingMode":"PAY_PER_REQUEST","ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":7}`).but("ValidationException", "it takes what AWS refuses")),
		one("schemas", schema(p+","+s, pS+","+sN), named("DescribeTable")),
		one("schemas that are wrong", schema("", pS), schema(s, sN), schema(s+","+p, pS+","+sN), schema(p+","+p, pS), schema(p+","+s, pS), schema(p, pS+","+sN), schema(p, ""), schema(p, `{"AttributeName":"p","AttributeType":"M"}`), schema(p, `{"AttributeName":"p"}`), schema(`{"AttributeName":"p"}`, pS), schema(`{"AttributeName":"p","KeyType":"SORT"}`, pS), schema(p+","+s+","+s, pS+","+sN), create(`"BillingMode":"PAY_PER_REQUEST"`)),
		one("names of tables", request("CreateTable", `{"TableName":"ab",%s,"BillingMode":"PAY_PER_REQUEST"}`, hash), request("CreateTable", `{"TableName":"a b c",%s,"BillingMode":"PAY_PER_REQUEST"}`, hash), request("CreateTable", `{"TableName":"%s",%s,"BillingMode":"PAY_PER_REQUEST"}`, strings.Repeat("x", 256), hash), request("CreateTable", `{%s,"BillingMode":"PAY_PER_REQUEST"}`, hash), request("DescribeTable", `{}`), request("DeleteTable", `{}`)),
		one("list of tables", create(hash+`,"BillingMode":"PAY_PER_REQUEST"`), request("ListTables", `{"ExclusiveStartTableName":"$T","Limit":1}`), request("ListTables", `{"Limit":2}`), request("ListTables", `{"Limit":0}`), request("ListTables", `{"Limit":101}`), request("ListTables", `{"ExclusiveStartTableName":"zzz"}`)),
		one("time to live", create(hash+`,"BillingMode":"PAY_PER_REQUEST"`), named("DescribeTimeToLive"), ttl(`{"Enabled":true,"AttributeName":"x"}`), named("DescribeTimeToLive"), ttl(`{"Enabled":true,"AttributeName":"x"}`), ttl(`{"Enabled":true,"AttributeName":"y"}`), ttl(`{"Enabled":false,"AttributeName":"y"}`), ttl(`{"Enabled":false,"AttributeName":"x"}`), named("DescribeTimeToLive"), ttl(`{"Enabled":false,"AttributeName":"x"}`), ttl(`{"Enabled":true}`), ttl(`{"Enabled":true,"AttributeName":""}`)),
		one("time to live of what is not there", request("DescribeTimeToLive", `{"TableName":"no-such-table"}`), request("UpdateTimeToLive", `{"TableName":"no-such-table","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"x"}}`)),
		one("streams that are wrong", create(hash+`,"BillingMode":"PAY_PER_REQUEST","StreamSpecification":{"StreamEnabled":true}`), create(hash+`,"BillingMode":"PAY_PER_REQUEST","StreamSpecification":{"StreamEnabled":false,"StreamViewType":"KEYS_ONLY"}`), create(hash+`,"BillingMode":"PAY_PER_REQUEST","StreamSpecification":{"StreamEnabled":true,"StreamViewType":"ALL"}`)),
	}
}

// streams are what is read of a table's changes.
func streams() []scenario {
	create := func(view string) ask {
		return request("CreateTable", `{"TableName":"$T","KeySchema":[{"AttributeName":"p","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"p","AttributeType":"S"}],"BillingMode":"PAY_PER_REQUEST","StreamSpecification":{"StreamEnabled":true,"StreamViewType":"%s"}}`, view)
	}
	put := func(v string) ask {
		return request("PutItem", `{"TableName":"$T","Item":{"p":{"S":"a"},"v":{"N":"%s"}}}`, v)
	}
	del := request("DeleteItem", `{"TableName":"$T","Key":{"p":{"S":"a"}}}`)
	update := func(v string) ask {
		return request("UpdateItem", `{"TableName":"$T","Key":{"p":{"S":"a"}},"UpdateExpression":"SET v = :v","ExpressionAttributeValues":{":v":{"N":"%s"}}}`, v)
	}
	describe := request("DescribeStream", `{"StreamArn":"$ARN"}`)
	iterator := func(rest string) ask {
		return request("GetShardIterator", `{"StreamArn":"$ARN","ShardId":"$SHARD",%s}`, rest)
	}
	horizon := iterator(`"ShardIteratorType":"TRIM_HORIZON"`)
	records := request("GetRecords", `{"ShardIterator":"$ITERATOR"}`)
	more := func(rest string) ask { return request("GetRecords", `{"ShardIterator":"$NEXT"%s}`, rest) }
	var out []scenario
	for _, view := range []string{"KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"} {
		out = append(out, one("stream of "+view, create(view), describe, put("1"), put("2"), update("3"), del, horizon, records, more("")))
	}
	const view = "NEW_AND_OLD_IMAGES"
	return append(out,
		one("what changes nothing is no record", create(view), describe, put("1"), put("1.0"), update("1"), del, request("UpdateItem", `{"TableName":"$T","Key":{"p":{"S":"b"}}}`), request("UpdateItem", `{"TableName":"$T","Key":{"p":{"S":"b"}}}`), horizon, records),
		one("all writes are records", create(view), describe, request("BatchWriteItem", `{"RequestItems":{"$T":[{"PutRequest":{"Item":{"p":{"S":"a"},"v":{"N":"1"}}}}]}}`), request("TransactWriteItems", `{"TransactItems":[{"Update":{"TableName":"$T","Key":{"p":{"S":"a"}},"UpdateExpression":"ADD v :v","ExpressionAttributeValues":{":v":{"N":"1"}}}}]}`), request("TransactWriteItems", `{"TransactItems":[{"ConditionCheck":{"TableName":"$T","Key":{"p":{"S":"a"}},"ConditionExpression":"attribute_exists(p)"}}]}`), horizon, records),
		one("iterators", create(view), describe, put("1"), put("2"), put("3"), horizon, request("GetRecords", `{"ShardIterator":"$ITERATOR","Limit":2}`), more(`,"Limit":1000`), iterator(`"ShardIteratorType":"AFTER_SEQUENCE_NUMBER","SequenceNumber":"$SEQ"`), records, iterator(`"ShardIteratorType":"AT_SEQUENCE_NUMBER","SequenceNumber":"$SEQ"`), records, iterator(`"ShardIteratorType":"LATEST"`), records, put("4"), more("")),
		one("iterators that are wrong", create(view), describe, put("1"), iterator(`"ShardIteratorType":"FIRST"`), iterator(`"StreamArn":"$ARN"`), iterator(`"ShardIteratorType":"AT_SEQUENCE_NUMBER"`), request("GetShardIterator", `{"StreamArn":"$ARN","ShardId":"shardId-00000000000000000000-00000000","ShardIteratorType":"LATEST"}`), request("GetShardIterator", `{"StreamArn":"arn:aws:dynamodb:ddblocal:000000000000:table/lacking/stream/2026-11-22T19:35:58.449","ShardId":"$SHARD","ShardIteratorType":"LATEST"}`)),
		one("records that are wrong", create(view), describe, request("GetRecords", `{"ShardIterator":"x"}`), request("GetRecords", `{}`), horizon, request("GetRecords", `{"ShardIterator":"$ITERATOR","Limit":0}`), request("GetRecords", `{"ShardIterator":"$ITERATOR","Limit":1001}`)),
		one("streams that are not there", request("DescribeStream", `{"StreamArn":"arn:aws:dynamodb:ddblocal:000000000000:table/lacking/stream/2026-11-22T19:35:58.449"}`), request("ListStreams", `{"TableName":"no-such-table"}`), request("DescribeStream", `{"StreamArn":"x"}`).but("ValidationException", "it looks for it, AWS wants 37 characters"), request("DescribeStream", `{}`)),
		one("list of streams", create(view), request("ListStreams", `{"TableName":"$T"}`), request("ListStreams", `{"TableName":"$T","Limit":1}`), request("ListStreams", `{"Limit":0}`), request("ListStreams", `{"Limit":101}`), request("DescribeStream", `{"StreamArn":"$ARN","Limit":0}`), request("DescribeStream", `{"StreamArn":"$ARN","Limit":101}`)),
	)
}
