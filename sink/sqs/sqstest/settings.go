package sqstest

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxMessageBytes is the most that a message, and the messages of a
// SendMessageBatch together, may count.
const MaxMessageBytes = 1 << 20

// QueueConfig describes a queue for [Server.AddQueue]. A name that ends in
// ".fifo" makes it a FIFO queue.
type QueueConfig struct {
	// MaximumMessageSize is 1,024 to 1,048,576 bytes. Defaults to the latter.
	MaximumMessageSize int
	// VisibilityTimeout defaults to 30 s.
	VisibilityTimeout time.Duration
	// Delay is how long new messages stay invisible, at most 15 minutes.
	Delay time.Duration
	// ContentBasedDeduplication lets a FIFO queue take a hash of the body where
	// the sender gives no id.
	ContentBasedDeduplication bool
	// DeadLetter names the queue that takes messages received more often than
	// MaxReceives (1 to 1,000).
	DeadLetter  string
	MaxReceives int
	// Attributes are further attributes, as CreateQueue takes them.
	Attributes map[string]string
}

// AddQueue creates a queue, as CreateQueue does, and returns its URL.
func (s *Server) AddQueue(name string, cfg QueueConfig) (url string, err error) {
	attrs := map[string]string{}
	if strings.HasSuffix(name, ".fifo") {
		attrs["FifoQueue"] = "true"
	}
	if cfg.MaximumMessageSize != 0 {
		attrs["MaximumMessageSize"] = strconv.Itoa(cfg.MaximumMessageSize)
	}
	if cfg.VisibilityTimeout != 0 {
		attrs["VisibilityTimeout"] = seconds(cfg.VisibilityTimeout)
	}
	if cfg.Delay != 0 {
		attrs["DelaySeconds"] = seconds(cfg.Delay)
	}
	if cfg.ContentBasedDeduplication {
		attrs["ContentBasedDeduplication"] = "true"
	}
	if cfg.DeadLetter != "" {
		policy, _ := json.Marshal(redrive{Target: "arn:aws:sqs:" + s.cfg.Region + ":" + s.cfg.Account + ":" + cfg.DeadLetter, MaxReceives: receives(cfg.MaxReceives)})
		attrs["RedrivePolicy"] = string(policy)
	}
	maps.Copy(attrs, cfg.Attributes)
	q, fault := s.create(name, attrs)
	if fault != nil {
		return "", fault
	}
	return q.url, nil
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// settings are the attributes of a queue that can be set.
type settings struct {
	maxBytes      int
	visibility    time.Duration
	delay         time.Duration
	retention     time.Duration
	wait          time.Duration
	contentDedup  bool
	perGroupDedup bool
	deadLetter    string // name of the queue, empty for none
	maxReceives   int
	other         map[string]string // kept and given back
}

func defaultSettings() settings {
	return settings{
		maxBytes:   MaxMessageBytes,
		visibility: 30 * time.Second,
		retention:  4 * 24 * time.Hour,
		other:      map[string]string{},
	}
}

// redrive is a RedrivePolicy.
type redrive struct {
	Target      string   `json:"deadLetterTargetArn"`
	MaxReceives receives `json:"maxReceiveCount"`
}

// receives is a number that may come as a string.
type receives int

func (r *receives) UnmarshalJSON(b []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(b), `"`))
	*r = receives(n)
	return err
}

// kept are attributes that are stored and returned but change nothing here.
var kept = []string{"Policy", "RedriveAllowPolicy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled", "FifoThroughputLimit"}

// computed are attributes that can be read but not set.
var computed = []string{"QueueArn", "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed", "CreatedTimestamp", "LastModifiedTimestamp"}

// settable are attributes with a meaning here.
var settable = []string{"DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds", "VisibilityTimeout", "RedrivePolicy", "ContentBasedDeduplication", "DeduplicationScope"}

// apply sets attributes; on an error nothing is to be used.
func (st *settings) apply(attrs map[string]string, fifo bool) *apiError {
	st.other = maps.Clone(st.other)
	for name, value := range attrs {
		if err := st.set(name, value, fifo); err != nil {
			return err
		}
	}
	return nil
}

func (st *settings) set(name, value string, fifo bool) *apiError {
	invalid := fail("InvalidAttributeValue", "Invalid value for the parameter %s.", name)
	span := func(dst *time.Duration, low, high int) *apiError {
		n, err := strconv.Atoi(value)
		if err != nil || n < low || n > high {
			return invalid
		}
		*dst = time.Duration(n) * time.Second
		return nil
	}
	switch name {
	case "DelaySeconds":
		return span(&st.delay, 0, 900)
	case "VisibilityTimeout":
		return span(&st.visibility, 0, 43_200)
	case "MessageRetentionPeriod":
		return span(&st.retention, 60, 1_209_600)
	case "ReceiveMessageWaitTimeSeconds":
		return span(&st.wait, 0, 20)
	case "MaximumMessageSize":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1_024 || n > MaxMessageBytes {
			return invalid
		}
		st.maxBytes = n
		return nil
	case "RedrivePolicy":
		return st.setRedrive(value)
	case "FifoQueue":
		if !fifo || value != "true" {
			return fail("InvalidAttributeName", "Unknown Attribute FifoQueue.")
		}
		return nil
	case "ContentBasedDeduplication":
		return st.setFIFO(name, value, fifo, &st.contentDedup, "false", "true")
	case "DeduplicationScope":
		return st.setFIFO(name, value, fifo, &st.perGroupDedup, "queue", "messageGroup")
	}
	if !slices.Contains(kept, name) {
		return fail("InvalidAttributeName", "Unknown Attribute %s.", name)
	}
	st.other[name] = value
	return nil
}

// setFIFO sets a two-valued attribute that only FIFO queues have.
func (st *settings) setFIFO(name, value string, fifo bool, dst *bool, off, on string) *apiError {
	switch {
	case !fifo:
		return fail("InvalidAttributeName", "Unknown Attribute %s.", name)
	case value != off && value != on:
		return fail("InvalidAttributeValue", "Invalid value for the parameter %s.", name)
	}
	*dst = value == on
	return nil
}

func (st *settings) setRedrive(value string) *apiError {
	if value == "" {
		st.deadLetter, st.maxReceives = "", 0
		return nil
	}
	var r redrive
	if json.Unmarshal([]byte(value), &r) != nil {
		return fail("InvalidParameterValue", "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map.")
	}
	part := strings.Split(r.Target, ":")
	if len(part) != 6 || part[0] != "arn" || part[2] != "sqs" {
		return fail("InvalidParameterValue", "Value %s for parameter RedrivePolicy is invalid. Reason: Invalid value for deadLetterTargetArn.", value)
	}
	if r.MaxReceives < 1 || r.MaxReceives > 1000 {
		return fail("InvalidParameterValue", "Value %s for parameter RedrivePolicy is invalid. Reason: Invalid value for maxReceiveCount: %d, valid values are from 1 to 1000 both inclusive.", value, r.MaxReceives)
	}
	st.deadLetter, st.maxReceives = part[5], int(r.MaxReceives)
	st.other["RedrivePolicy"] = value
	return nil
}

// queueName is what a queue may be called, ".fifo" aside.
var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

func validQueueName(name string) bool {
	return len(name) <= 80 && queueName.MatchString(strings.TrimSuffix(name, ".fifo"))
}
