package dynamodbtest

import (
	"crypto/sha256"
	"strings"
	"time"
)

// Limits of transactions.
const (
	maxTransactItems = 100
	maxTransactBytes = 4 << 20
	tokenAge         = 10 * time.Minute
)

// spent is what a ClientRequestToken was used for.
type spent struct {
	request [sha256.Size]byte
	used    []consumed
	until   time.Time
}

// cancellation is why an item of a transaction is in its way; no code is none.
type cancellation struct {
	code, message string
	item          attrs
}

func (s *Server) transactWriteItems(r *request) ([]byte, *apiError) {
	how, err := r.in.capacity()
	if err != nil {
		return nil, err
	}
	name, err := r.in.text("ClientRequestToken")
	if err != nil {
		return nil, err
	}
	if len(name) > 36 {
		return nil, invalid("1 validation error detected: Value '%s' at 'clientRequestToken' failed to satisfy constraint: Member must have length less than or equal to 36", name)
	}
	writes, err := s.decodeTransaction(r)
	if err != nil {
		return nil, err
	}
	items := r.in.get("TransactItems")
	used, err := s.transact(r, writes, name, sha256.Sum256(items.appendJSON(nil)))
	if err != nil {
		return nil, err
	}
	b := appendAllConsumed([]byte{'{'}, how, used, true)
	return append(b, '}'), nil
}

// decodeTransaction reads all writes. What is wrong with one of them alone cancels
// the transaction.
func (s *Server) decodeTransaction(r *request) ([]*write, *apiError) {
	items := r.in.get("TransactItems")
	switch n := items.count(); {
	case items.absent() || n == 0:
		return nil, invalid("1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case n > maxTransactItems:
		return nil, invalid("1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100")
	}
	var writes []*write
	var reasons []cancellation
	wrong := false
	for in := range items.each {
		w, reason, err := s.decodeTransactItem(r, in)
		if err != nil {
			return nil, err
		}
		wrong = wrong || reason.code != ""
		writes, reasons = append(writes, w), append(reasons, reason)
	}
	if wrong {
		return nil, cancelled(reasons)
	}
	type target struct {
		table *table
		key   string
	}
	seen := map[target]bool{}
	bytes := 0
	for _, w := range writes {
		at := target{w.table, w.key}
		if seen[at] {
			return nil, invalid("Transaction request cannot include multiple operations on one item")
		}
		seen[at] = true
		bytes += w.own.size()
	}
	if bytes > maxTransactBytes {
		return nil, invalid("Collection size exceeded: the items of a transaction may have 4 MB")
	}
	return writes, nil
}

// decodeTransactItem reads one write.
func (s *Server) decodeTransactItem(r *request, in ref) (*write, cancellation, *apiError) {
	var found ref
	for _, k := range transactKinds {
		if m := in.get(k.name); !m.absent() {
			if !found.absent() {
				return nil, cancellation{}, invalid("TransactItems can only contain one of Check, Put, Update or Delete")
			}
			found = m
		}
	}
	if found.absent() {
		return nil, cancellation{}, invalid("Invalid Request: TransactWriteRequest should contain Delete or Put or Update request")
	}
	name, err := tableName(found)
	if err != nil {
		return nil, cancellation{}, err
	}
	t, err := s.find(name, r.now)
	if err != nil {
		return nil, cancellation{}, err
	}
	w := &write{table: t}
	kind := found.node().name
	w.remove, w.check = kind == "Delete", kind == "ConditionCheck"
	if err := w.decodeTransact(found, kind); err != nil {
		if err.reason {
			return w, cancellation{code: "ValidationError", message: err.message}, nil
		}
		return nil, cancellation{}, err
	}
	return w, cancellation{}, nil
}

func (w *write) decodeTransact(in ref, kind string) *apiError {
	if kind == "Put" {
		if err := w.decodePut(in); err != nil {
			return err
		}
	} else if err := w.decodeKey(in); err != nil {
		return err
	}
	for name, required := range map[string]bool{"UpdateExpression": kind == "Update", "ConditionExpression": kind == "ConditionCheck"} {
		if required && in.get(name).absent() {
			return invalid("1 validation error detected: Value null at 'transactItems.1.member.%s.%s' failed to satisfy constraint: Member must not be null", lowerFirst(kind), lowerFirst(name))
		}
	}
	if kind == "ConditionCheck" && !in.get("UpdateExpression").absent() {
		return malformed()
	}
	return w.decodeExpressions(in)
}

func cancelled(reasons []cancellation) *apiError {
	codes := make([]string, len(reasons))
	for i, r := range reasons {
		if codes[i] = r.code; r.code == "" {
			codes[i] = "None"
		}
	}
	err := fail("TransactionCanceledException", "Transaction cancelled, please refer cancellation reasons for specific reasons [%s]", strings.Join(codes, ", "))
	err.reasons = reasons
	return err
}

func appendReasons(b []byte, reasons []cancellation) []byte {
	b = append(b, '[')
	for i, r := range reasons {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		if r.code == "" {
			b = append(b, `"Code":"None"}`...)
			continue
		}
		b = appendString(appendName(b, "Code"), r.code)
		b = appendString(appendName(b, "Message"), r.message)
		if r.item != nil {
			b = r.item.appendJSON(appendName(b, "Item"))
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

// transact carries out all writes, or none.
func (s *Server) transact(r *request, writes []*write, name string, request [sha256.Size]byte) ([]consumed, *apiError) {
	s.data.Lock()
	defer s.data.Unlock()
	if t := s.tokens[name]; name != "" && t != nil && r.now.Before(t.until) {
		if t.request != request {
			return nil, fail("IdempotentParameterMismatchException", "Request parameters do not match those of the earlier request with this token")
		}
		return t.used, nil
	}
	changes := make([]change, len(writes))
	reasons := make([]cancellation, len(writes))
	var used []consumed
	wrong := false
	for i, w := range writes {
		if err := s.gone(w.table); err != nil {
			return nil, err
		}
		c, _, err := w.change()
		if err != nil {
			wrong = true
			reasons[i] = cancellation{map[string]string{"ConditionalCheckFailedException": "ConditionalCheckFailed", "ValidationException": "ValidationError"}[err.code], err.message, err.item}
			continue
		}
		changes[i] = c
		used = use(used, w.table.name, 2*c.cost())
	}
	if wrong {
		return nil, cancelled(reasons)
	}
	before := map[*table]bucket{}
	for i, c := range changes {
		t := writes[i].table
		if _, ok := before[t]; !ok {
			before[t] = t.writeBucket
		}
		if !t.writeBucket.take(2*c.cost(), r.now) {
			for t, b := range before {
				t.writeBucket = b
			}
			reasons[i] = cancellation{"ThrottlingError", throttled().message, nil}
			return nil, cancelled(reasons)
		}
	}
	for i, c := range changes {
		writes[i].table.commit(c, r.now)
	}
	if name != "" {
		s.remember(name, request, used, r.now)
	}
	return used, nil
}

// use adds units to those of a table.
func use(used []consumed, table string, units float64) []consumed {
	for i := range used {
		if used[i].table == table {
			used[i].write += units
			return used
		}
	}
	return append(used, consumed{table: table, write: units})
}

// remember keeps a token, and drops those that have expired. A repetition is
// charged as a read.
func (s *Server) remember(name string, request [sha256.Size]byte, used []consumed, now time.Time) {
	for n, t := range s.tokens {
		if !now.Before(t.until) {
			delete(s.tokens, n)
		}
	}
	again := make([]consumed, len(used))
	for i, u := range used {
		again[i] = consumed{table: u.table, read: u.write}
	}
	s.tokens[name] = &spent{request, again, now.Add(tokenAge)}
}
