package sqstest

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of one message, beside MaxMessageBytes.
const (
	maxEntries    = 10
	maxEntryID    = 80
	maxAttributes = 10
	maxAttribute  = 256 // name or type
	maxFIFOID     = 128 // group or deduplication id
	maxDelay      = 900 // seconds
)

// traceHeader is the only system attribute that can be sent.
const traceHeader = "AWSTraceHeader"

// checkBatch finds what is wrong with a batch as a whole.
func (r *sendRequest) checkBatch() *apiError {
	if !r.hasEntries {
		return fail("MissingParameter", "The request must contain the parameter Entries.")
	}
	ids := make([]batchID, len(r.entries))
	total := 0
	for i := range r.entries {
		ids[i] = batchID{r.entries[i].id, r.entries[i].hasID}
		total += r.entries[i].size()
	}
	if err := checkIDs("SendMessageBatchRequestEntry", ids); err != nil {
		return err
	}
	if total > MaxMessageBytes {
		return fail("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", MaxMessageBytes, total)
	}
	return nil
}

// batchID is the Id of an entry of a batch.
type batchID struct {
	id  string
	has bool
}

// checkIDs checks the number and the Ids of the entries of any batch.
func checkIDs(kind string, ids []batchID) *apiError {
	if len(ids) == 0 {
		return fail("EmptyBatchRequest", "There should be at least one %s in the request.", kind)
	}
	if len(ids) > maxEntries {
		return fail("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", maxEntries, len(ids))
	}
	for i, e := range ids {
		if !e.has {
			return fail("MissingParameter", "The request must contain the parameter %s.%d.Id.", kind, i+1)
		}
		if e.id == "" || len(e.id) > maxEntryID || strings.IndexFunc(e.id, notIDChar) >= 0 {
			return fail("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
	}
	for i, e := range ids {
		if slices.Contains(ids[:i], e) {
			return fail("BatchEntryIdsNotDistinct", "Id %s repeated.", e.id)
		}
	}
	return nil
}

func alphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

func notIDChar(r rune) bool { return !alphanumeric(r) && r != '-' && r != '_' }

// checkFIFO checks what only FIFO queues take or refuse. Any of it fails the
// whole call, also in a batch; missing is the code of a missing group, which
// differs between SendMessage and SendMessageBatch. Both are as recorded from
// AWS for ids that are missing; ids that are malformed, and delays, follow.
func (e *entry) checkFIFO(q *queue, spec settings, missing string) *apiError {
	switch {
	case !q.fifo:
		return nil
	case e.group == nil:
		return fail(missing, "The request must contain the parameter MessageGroupId.")
	case e.dedup == nil && !spec.contentDedup:
		return fail("InvalidParameterValue", "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	case e.delay != nil && *e.delay != 0:
		return fail("InvalidParameterValue", "Value %d for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.", *e.delay)
	case e.dedup != nil && !validFIFOID(*e.dedup):
		return fail("InvalidParameterValue", "Value %s for parameter MessageDeduplicationId is invalid. Reason: MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to 128 in length.", *e.dedup)
	}
	return e.checkGroup()
}

// checkGroup checks a group, which standard queues take too.
func (e *entry) checkGroup() *apiError {
	if e.group != nil && !validFIFOID(*e.group) {
		return fail("InvalidParameterValue", "Value %s for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.", *e.group)
	}
	return nil
}

// check finds what is wrong with one message.
func (e *entry) check(q *queue, spec settings) *apiError {
	if err := e.checkGroup(); err != nil {
		return err
	}
	switch {
	case e.dedup != nil && !q.fifo:
		return fail("InvalidParameterValue", "Value %s for parameter MessageDeduplicationId is invalid. Reason: The request includes a parameter that is not valid for this queue type.", *e.dedup)
	case e.delay != nil && (*e.delay < 0 || *e.delay > maxDelay):
		return fail("InvalidParameterValue", "Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.", *e.delay)
	case len(e.body) == 0:
		return fail("MissingParameter", "The request must contain the parameter MessageBody.")
	case e.listValues:
		return fail("UnsupportedOperation", "Message attribute list values in SendMessage operation are not supported.")
	}
	if err := e.checkAttributes(); err != nil {
		return err
	}
	if e.size() > spec.maxBytes {
		return fail("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", spec.maxBytes)
	}
	if !validChars(e.body) {
		return invalidChars()
	}
	return nil
}

func invalidChars() *apiError {
	return fail("InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF.")
}

func validFIFOID(s string) bool {
	if s == "" || len(s) > maxFIFOID {
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// checkAttributes checks message and system attributes.
func (e *entry) checkAttributes() *apiError {
	if len(e.attrs) > maxAttributes {
		return fail("InvalidParameterValue", "Number of message attributes [%d] exceeds the allowed maximum [%d].", len(e.attrs), maxAttributes)
	}
	for name, a := range e.attrs {
		if err := checkAttributeName(name); err != nil {
			return err
		}
		if err := e.checkAttribute(name, a); err != nil {
			return err
		}
	}
	for name, a := range e.system {
		if name != traceHeader {
			return fail("InvalidParameterValue", "Message system attribute name '%s' is invalid.", name)
		}
		if a.Type != "String" {
			return fail("InvalidParameterValue", "The type of message (system) attribute '%s' is invalid. You must use only the following supported type prefixes: String.", name)
		}
		if err := e.checkAttribute(name, a); err != nil {
			return err
		}
	}
	return nil
}

func checkAttributeName(name string) *apiError {
	lower := strings.ToLower(name)
	var reason string
	switch {
	case name == "":
		reason = "The request must contain non-empty message (user) attribute names."
	case len(name) > maxAttribute:
		reason = "Message (user) attribute name must be shorter than 256 bytes."
	case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
		reason = "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use."
	case name[0] == '.':
		reason = "Message (user) attribute name must not begin with character '.'."
	case name[len(name)-1] == '.':
		reason = "Message (user) attribute name must not end with character '.'."
	case strings.Contains(name, ".."):
		reason = "Message (user) attribute name must not have successive '.' characters."
	case strings.IndexFunc(name, func(r rune) bool { return notIDChar(r) && r != '.' }) >= 0:
		reason = "Message (user) attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-) and period (.)."
	default:
		return nil
	}
	return fail("InvalidParameterValue", "%s", reason)
}

// checkAttribute checks type and value.
func (e *entry) checkAttribute(name string, a Attribute) *apiError {
	kind, custom, labelled := strings.Cut(a.Type, ".")
	switch {
	case a.Type == "":
		return fail("InvalidParameterValue", "The message (user) attribute '%s' must contain a non-empty message attribute type.", name)
	case len(a.Type) > maxAttribute:
		return fail("InvalidParameterValue", "Message (user) attribute type must be shorter than 256 bytes.")
	case kind != "String" && kind != "Number" && kind != "Binary" || labelled && custom == "":
		return fail("InvalidParameterValue", "The type of message (user) attribute '%s' is invalid. You must use only the following supported type prefixes: Binary, Number, String.", name)
	case e.attrTwice:
		return fail("InvalidParameterValue", "Message (user) attribute '%s' must have a single value.", name)
	case a.Value == "" && len(a.Binary) == 0:
		return fail("InvalidParameterValue", "Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, a.Type)
	case kind == "Binary" && a.Binary == nil:
		return fail("InvalidParameterValue", "Message (user) attribute '%s' with type 'Binary' must use field 'Binary'.", name)
	case kind != "Binary" && a.Binary != nil:
		return fail("InvalidParameterValue", "Message (user) attribute '%s' with type '%s' must use field 'String'.", name, kind)
	case kind == "Number" && !isNumber(a.Value):
		return fail("InvalidParameterValue", "Can't cast the value of message (user) attribute '%s' to a number.", name)
	case kind != "Binary" && !validChars([]byte(a.Value)):
		return invalidChars()
	}
	return nil
}

// isNumber reports whether s is a decimal number of at most 38 digits.
func isNumber(s string) bool {
	digits := 0
	for _, c := range []byte(s) {
		if !number[c] {
			return false
		}
		if '0' <= c && c <= '9' {
			digits++
		}
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil && digits <= 38
}

// validChars reports whether b holds only the characters of XML 1.0.
func validChars(b []byte) bool {
	for len(b) > 0 {
		if len(b) >= 8 {
			if w := binary.LittleEndian.Uint64(b); (w|(w-' '*ones))&highs == 0 {
				b = b[8:]
				continue
			}
		}
		if c := b[0]; c < utf8.RuneSelf {
			if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
				return false
			}
			b = b[1:]
			continue
		}
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 || r == 0xFFFE || r == 0xFFFF {
			return false
		}
		b = b[size:]
	}
	return true
}
