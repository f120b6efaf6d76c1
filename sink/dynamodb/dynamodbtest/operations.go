package dynamodbtest

import (
	"slices"
	"strings"
)

// operation is one operation of the service. name fills in the Call, and fails
// where that takes members of another type than the operation's.
type operation struct {
	name func(*request) *apiError
	run  func(*Server, *request) ([]byte, *apiError)
}

var operations = map[string]operation{
	tableTarget + "CreateTable":        {oneTable, (*Server).createTable},
	tableTarget + "DeleteTable":        {oneTable, (*Server).deleteTable},
	tableTarget + "DescribeTable":      {oneTable, (*Server).describeTable},
	tableTarget + "ListTables":         {noTable, (*Server).listTables},
	tableTarget + "UpdateTimeToLive":   {oneTable, (*Server).updateTimeToLive},
	tableTarget + "DescribeTimeToLive": {oneTable, (*Server).describeTimeToLive},

	tableTarget + "GetItem":    {oneTable, (*Server).getItem},
	tableTarget + "PutItem":    {oneWrite("Item"), (*Server).putItem},
	tableTarget + "DeleteItem": {oneWrite("Key"), (*Server).deleteItem},
	tableTarget + "UpdateItem": {oneWrite("Key"), (*Server).updateItem},

	tableTarget + "Query":              {oneTable, (*Server).query},
	tableTarget + "Scan":               {oneTable, (*Server).scan},
	tableTarget + "BatchGetItem":       {batchTables, (*Server).batchGetItem},
	tableTarget + "BatchWriteItem":     {batchWrites, (*Server).batchWriteItem},
	tableTarget + "TransactWriteItems": {transactWrites, (*Server).transactWriteItems},

	streamTarget + "ListStreams":      {noTable, (*Server).listStreams},
	streamTarget + "DescribeStream":   {streamTable, (*Server).describeStream},
	streamTarget + "GetShardIterator": {streamTable, (*Server).getShardIterator},
	streamTarget + "GetRecords":       {iteratorTable, (*Server).getRecords},
}

func noTable(*request) *apiError { return nil }

func oneTable(r *request) (err *apiError) {
	r.call.Table, err = tableName(r.in)
	return err
}

// tableName reads TableName, which may be an ARN.
func tableName(in ref) (string, *apiError) {
	name, err := in.text("TableName")
	if i := strings.LastIndex(name, ":table/"); i >= 0 {
		name = name[i+len(":table/"):]
	}
	return name, err
}

// oneWrite names the item that is in a member of the request.
func oneWrite(member string) func(*request) *apiError {
	return func(r *request) *apiError {
		r.call.note(r.in.get(member))
		return oneTable(r)
	}
}

// note counts an item that is written.
func (c *Call) note(item ref) {
	c.writes = append(c.writes, item)
	c.Writes++
}

// batchTables names the first table of a batch.
func batchTables(r *request) *apiError {
	tables, err := r.batch()
	if err != nil {
		return err
	}
	if len(tables) > 0 {
		r.call.Table = tables[0].node().name
	}
	return nil
}

// batch returns the members of RequestItems, sorted by the names of tables.
func (r *request) batch() ([]ref, *apiError) {
	items, err := r.in.object("RequestItems")
	if err != nil {
		return nil, err
	}
	tables := slices.Collect(items.each)
	slices.SortStableFunc(tables, byName)
	return tables, nil
}

// batchWrites notes the items of a BatchWriteItem.
func batchWrites(r *request) *apiError {
	if err := batchTables(r); err != nil {
		return err
	}
	tables, err := r.batch()
	if err != nil {
		return err
	}
	for _, t := range tables {
		if t.kind() != jsonArray {
			return malformed()
		}
		for w := range t.each {
			if w.kind() != jsonObject {
				return malformed()
			}
			put, err := w.object("PutRequest")
			if err != nil {
				return err
			}
			del, err := w.object("DeleteRequest")
			if err != nil {
				return err
			}
			if put.absent() {
				r.call.note(del.get("Key"))
			} else {
				r.call.note(put.get("Item"))
			}
		}
	}
	return nil
}

// transactKinds are the members of a TransactWriteItem, and where each has its
// item or key.
var transactKinds = []struct{ name, item string }{{"Put", "Item"}, {"Update", "Key"}, {"Delete", "Key"}, {"ConditionCheck", "Key"}}

// transactWrites notes the items of a TransactWriteItems.
func transactWrites(r *request) *apiError {
	items, err := r.in.array("TransactItems")
	if err != nil {
		return err
	}
	for w := range items.each {
		if w.kind() != jsonObject {
			return malformed()
		}
		for _, k := range transactKinds {
			m, err := w.object(k.name)
			if err != nil {
				return err
			}
			if m.absent() {
				continue
			}
			name, err := tableName(m)
			if err != nil {
				return err
			}
			if r.call.Table == "" || name < r.call.Table {
				r.call.Table = name
			}
			r.call.note(m.get(k.item))
		}
	}
	return nil
}

func streamTable(r *request) *apiError {
	arn, err := r.in.text("StreamArn")
	r.call.Table = tableOfStream(arn)
	return err
}

func iteratorTable(r *request) *apiError {
	it, err := r.in.text("ShardIterator")
	r.call.Table = tableOfStream(it)
	return err
}

// tableOfStream is the name of the table in a stream's ARN.
func tableOfStream(arn string) string {
	_, rest, _ := strings.Cut(arn, ":table/")
	name, _, _ := strings.Cut(rest, "/")
	return name
}
