package dynamodbtest

import (
	"maps"
	"slices"
	"time"
)

// wireTable is a table as CreateTable and DescribeTable answer it.
type wireTable struct {
	AttributeDefinitions  []wireDefinition
	TableName             string
	KeySchema             []wireKey
	TableStatus           string
	CreationDateTime      float64
	ProvisionedThroughput struct {
		NumberOfDecreasesToday, ReadCapacityUnits, WriteCapacityUnits int
	}
	TableSizeBytes     int
	ItemCount          int
	TableArn           string
	TableID            string `json:"TableId"`
	BillingModeSummary *struct {
		BillingMode                       string
		LastUpdateToPayPerRequestDateTime float64
	} `json:",omitempty"`
	StreamSpecification       *wireStream `json:",omitempty"`
	LatestStreamLabel         string      `json:",omitempty"`
	LatestStreamArn           string      `json:",omitempty"`
	DeletionProtectionEnabled bool
}

type wireDefinition struct{ AttributeName, AttributeType string }

type wireStream struct {
	StreamEnabled  bool
	StreamViewType string
}

// describe describes a table. The caller holds the data lock.
func (t *table) describe(status string) wireTable {
	w := wireTable{
		TableName: t.name, KeySchema: wireSchema(&t.schema), TableStatus: status, CreationDateTime: seconds(t.created),
		TableSizeBytes: t.bytes, ItemCount: t.items.count, TableArn: t.arn, TableID: t.id,
	}
	for _, d := range t.definitions {
		w.AttributeDefinitions = append(w.AttributeDefinitions, wireDefinition{d.name, d.kind.String()})
	}
	w.ProvisionedThroughput.ReadCapacityUnits, w.ProvisionedThroughput.WriteCapacityUnits = t.readUnits, t.writeUnits
	if t.onDemand {
		w.BillingModeSummary = &struct {
			BillingMode                       string
			LastUpdateToPayPerRequestDateTime float64
		}{"PAY_PER_REQUEST", seconds(t.created)}
	}
	if st := t.stream; st != nil {
		w.StreamSpecification = &wireStream{true, st.view}
		w.LatestStreamLabel, w.LatestStreamArn = st.label, st.arn
	}
	return w
}

func (t *table) status(now time.Time) string {
	if now.Before(t.active) {
		return "CREATING"
	}
	return "ACTIVE"
}

func (s *Server) createTable(r *request) ([]byte, *apiError) {
	if err := checkTableName(r.call.Table); err != nil {
		return nil, err
	}
	for _, index := range []string{"LocalSecondaryIndexes", "GlobalSecondaryIndexes"} {
		if !r.in.get(index).absent() {
			return nil, invalid("dynamodbtest has no secondary indexes")
		}
	}
	t := &table{name: r.call.Table}
	if err := t.decodeSchema(r.in); err != nil {
		return nil, err
	}
	if err := t.decodeBilling(r.in); err != nil {
		return nil, err
	}
	view, err := decodeView(r.in)
	if err != nil {
		return nil, err
	}
	return s.add(t, view, r.now, s.cfg.Creating)
}

// add adds a table, and answers as CreateTable does.
func (s *Server) add(t *table, view string, now time.Time, creating time.Duration) ([]byte, *apiError) {
	s.data.Lock()
	defer s.data.Unlock()
	if s.tables[t.name] != nil {
		return nil, fail("ResourceInUseException", "Table already exists: %s", t.name)
	}
	t.arn = "arn:aws:dynamodb:" + s.cfg.Region + ":" + s.cfg.Account + ":table/" + t.name
	id := random(16)
	t.id = id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
	t.created, t.active = now, now.Add(creating)
	if !t.onDemand {
		t.readBucket = newBucket(t.readUnits, s.cfg.Burst, now)
		t.writeBucket = newBucket(t.writeUnits, s.cfg.Burst, now)
	}
	if view != "" {
		for slices.ContainsFunc(s.streams, func(st *stream) bool { return st.table == t.name && !now.After(st.created.Add(time.Millisecond)) }) {
			now = now.Add(time.Millisecond) // a label is used once
		}
		t.stream = newStream(t, view, s.cfg.Shards, s.cfg.Region, s.cfg.Account, now)
		s.streams = append(s.streams, t.stream)
	}
	s.tables[t.name] = t
	return marshal(map[string]wireTable{"TableDescription": t.describe("CREATING")})
}

// decodeSchema reads KeySchema and AttributeDefinitions.
func (t *table) decodeSchema(in ref) *apiError {
	defs, err := in.array("AttributeDefinitions")
	if err != nil {
		return err
	}
	types := map[string]kind{}
	for d := range defs.each {
		name, err := d.text("AttributeName")
		if err != nil {
			return err
		}
		word, err := d.choice("AttributeType", "", "S", "N", "B")
		if err != nil {
			return err
		}
		if _, ok := types[name]; ok || name == "" || word == "" {
			return invalid("Cannot have two attributes with the same name, or one without name or type")
		}
		types[name] = kindNamed(word)
		t.definitions = append(t.definitions, keyAttr{name, types[name]})
	}
	keys, err := in.array("KeySchema")
	if err != nil {
		return err
	}
	i := 0
	for k := range keys.each {
		name, err := k.text("AttributeName")
		if err != nil {
			return err
		}
		role, err := k.choice("KeyType", "", "HASH", "RANGE")
		if err != nil {
			return err
		}
		word, ok := types[name]
		switch {
		case !ok:
			return parameter("Some index key attributes are not defined in AttributeDefinitions. Keys: [%s]", name)
		case i == 0 && role == "HASH":
			t.schema.partition = keyAttr{name, word}
		case i == 1 && role == "RANGE" && name != t.schema.partition.name:
			t.schema.sort = keyAttr{name, word}
		default:
			return invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type, or the second is not a RANGE key type")
		}
		i++
	}
	switch {
	case i == 0:
		return invalid("1 validation error detected: Value '[]' at 'keySchema' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case i != len(types):
		return parameter("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	}
	return nil
}

// decodeBilling reads BillingMode and ProvisionedThroughput.
func (t *table) decodeBilling(in ref) *apiError {
	mode, err := in.choice("BillingMode", "PROVISIONED", "PAY_PER_REQUEST")
	if err != nil {
		return err
	}
	throughput, err := in.object("ProvisionedThroughput")
	if err != nil {
		return err
	}
	t.onDemand = mode == "PAY_PER_REQUEST"
	if t.onDemand {
		if !throughput.absent() {
			return parameter("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
		}
		return nil
	}
	if throughput.absent() {
		return parameter("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	}
	const most = 1 << 40 // whatever the account allows
	for name, to := range map[string]*int{"ReadCapacityUnits": &t.readUnits, "WriteCapacityUnits": &t.writeUnits} {
		n, has, err := throughput.integer(name)
		if err != nil {
			return err
		}
		if !has || n < 1 || n > most {
			return invalid("1 validation error detected: Value at 'provisionedThroughput.%s' failed to satisfy constraint: Member must have value greater than or equal to 1", lowerFirst(name))
		}
		*to = n
	}
	return nil
}

// decodeView reads StreamSpecification: the view of the stream, empty for none.
func decodeView(in ref) (string, *apiError) {
	spec, err := in.object("StreamSpecification")
	if err != nil || spec.absent() {
		return "", err
	}
	enabled, err := spec.boolean("StreamEnabled")
	if err != nil {
		return "", err
	}
	view, err := spec.choice("StreamViewType", append([]string{""}, views...)...)
	switch {
	case err != nil:
		return "", err
	case enabled && view == "":
		return "", parameter("StreamViewType must be specified when StreamEnabled is true")
	case !enabled && view != "":
		return "", parameter("StreamViewType must not be specified when StreamEnabled is false")
	}
	return view, nil
}

// views are what a stream may show.
var views = []string{"KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"}

func (s *Server) deleteTable(r *request) ([]byte, *apiError) {
	if err := checkTableName(r.call.Table); err != nil {
		return nil, err
	}
	s.data.Lock()
	defer s.data.Unlock()
	t := s.tables[r.call.Table]
	switch {
	case t == nil:
		return nil, noSuchTable()
	case r.now.Before(t.active):
		return nil, fail("ResourceInUseException", "Attempt to change a resource which is still in use: Table is being created: %s", t.name)
	}
	delete(s.tables, t.name)
	w := t.describe("DELETING")
	if t.stream != nil {
		t.stream.end(r.now)
	}
	return marshal(map[string]wireTable{"TableDescription": w})
}

func (s *Server) describeTable(r *request) ([]byte, *apiError) {
	if err := checkTableName(r.call.Table); err != nil {
		return nil, err
	}
	s.data.RLock()
	defer s.data.RUnlock()
	t := s.tables[r.call.Table]
	if t == nil {
		return nil, fail("ResourceNotFoundException", "Requested resource not found: Table: %s not found", r.call.Table)
	}
	return marshal(map[string]wireTable{"Table": t.describe(t.status(r.now))})
}

func (s *Server) listTables(r *request) ([]byte, *apiError) {
	limit, err := r.in.limit(100)
	if err != nil {
		return nil, err
	}
	start, err := r.in.text("ExclusiveStartTableName")
	if err != nil {
		return nil, err
	}
	s.data.RLock()
	names := slices.Sorted(maps.Keys(s.tables))
	s.data.RUnlock()
	out := struct {
		TableNames             []string
		LastEvaluatedTableName string `json:",omitempty"`
	}{TableNames: []string{}}
	for _, name := range names {
		switch {
		case name <= start:
		case len(out.TableNames) == limit:
			out.LastEvaluatedTableName = out.TableNames[limit-1]
			return marshal(out)
		default:
			out.TableNames = append(out.TableNames, name)
		}
	}
	return marshal(out)
}

type wireTTL struct {
	Enabled       bool
	AttributeName string
}

func (s *Server) updateTimeToLive(r *request) ([]byte, *apiError) {
	spec, err := r.in.object("TimeToLiveSpecification")
	if err != nil {
		return nil, err
	}
	if spec.absent() {
		return nil, invalid("1 validation error detected: Value null at 'timeToLiveSpecification' failed to satisfy constraint: Member must not be null")
	}
	var w wireTTL
	if w.Enabled, err = spec.boolean("Enabled"); err != nil {
		return nil, err
	}
	if w.AttributeName, err = spec.text("AttributeName"); err != nil {
		return nil, err
	}
	if w.AttributeName == "" {
		return nil, invalid("TimeToLiveSpecification AttributeName must not be empty")
	}
	t, err := s.find(r.call.Table, r.now)
	if err != nil {
		return nil, err
	}
	s.data.Lock()
	defer s.data.Unlock()
	switch {
	case w.Enabled && t.ttl == w.AttributeName:
		return nil, invalid("TimeToLive is already enabled")
	case t.ttl == "" && !w.Enabled:
		return nil, invalid("TimeToLive is already disabled")
	case t.ttl != "" && t.ttl != w.AttributeName:
		return nil, invalid("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.ttl)
	}
	t.ttl = ""
	if w.Enabled {
		t.ttl = w.AttributeName
	}
	return marshal(map[string]wireTTL{"TimeToLiveSpecification": w})
}

func (s *Server) describeTimeToLive(r *request) ([]byte, *apiError) {
	t, err := s.find(r.call.Table, r.now)
	if err != nil {
		return nil, err
	}
	s.data.RLock()
	defer s.data.RUnlock()
	w := struct {
		TimeToLiveStatus string
		AttributeName    string `json:",omitempty"`
	}{"DISABLED", t.ttl}
	if t.ttl != "" {
		w.TimeToLiveStatus = "ENABLED"
	}
	return marshal(map[string]any{"TimeToLiveDescription": w})
}
