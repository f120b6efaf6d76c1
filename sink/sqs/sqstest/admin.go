package sqstest

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// recently is how long a deleted queue's name stays taken, and how long one
// purge keeps the next away.
const recently = time.Minute

// named is what the operations on queues take.
type named struct {
	QueueName       string
	QueueNamePrefix string
	QueueUrl        string
	Attributes      map[string]string
	AttributeNames  []string
	MaxResults      *int
	NextToken       string
}

// resolve finds the queue of a URL.
func (s *Server) resolve(queueURL string) (*queue, *apiError) {
	if queueURL == "" {
		return nil, fail("MissingParameter", "The request must contain the parameter QueueUrl.")
	}
	u, err := url.Parse(queueURL)
	if err != nil {
		return nil, fail("InvalidAddress", "The address %s is not valid for this endpoint.", queueURL)
	}
	account, name, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if !ok || account != s.cfg.Account {
		return nil, noSuchQueue()
	}
	if q := s.queueNamed(name); q != nil {
		return q, nil
	}
	return nil, noSuchQueue()
}

// create makes a queue, or returns the one that exists with these attributes.
func (s *Server) create(name string, attrs map[string]string) (*queue, *apiError) {
	fifo := strings.HasSuffix(name, ".fifo")
	if !validQueueName(name) || fifo != (attrs["FifoQueue"] == "true") {
		return nil, fail("InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	spec := defaultSettings()
	if err := spec.apply(attrs, fifo); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.front.Now()
	if q, ok := s.queues[name]; ok {
		if !maps.Equal(attrs, q.createdWith) {
			return nil, fail("QueueNameExists", "A queue already exists with the same name and a different value for an attribute.")
		}
		return q, nil
	}
	if gone, ok := s.deleted[name]; ok && now.Sub(gone) < recently {
		return nil, fail("QueueDeletedRecently", "You must wait 60 seconds after deleting a queue before you can create another with the same name.")
	}
	if target := spec.deadLetter; target != "" {
		if dead, ok := s.queues[target]; !ok || dead.fifo != fifo {
			return nil, fail("InvalidParameterValue", "Value %s for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.", attrs["RedrivePolicy"])
		}
	}
	q := newQueue(name, s.front.URL(), s.cfg, spec, now)
	q.createdWith = maps.Clone(attrs)
	s.queues[name] = q
	return q, nil
}

func (s *Server) createQueue(in *named) (any, *apiError) {
	if in.QueueName == "" {
		return nil, fail("MissingParameter", "The request must contain the parameter QueueName.")
	}
	q, err := s.create(in.QueueName, in.Attributes)
	if err != nil {
		return nil, err
	}
	return map[string]string{"QueueUrl": q.url}, nil
}

func (s *Server) getQueueURL(in *named) (any, *apiError) {
	if in.QueueName == "" {
		return nil, fail("MissingParameter", "The request must contain the parameter QueueName.")
	}
	q := s.queueNamed(in.QueueName)
	if q == nil {
		return nil, noSuchQueue()
	}
	return map[string]string{"QueueUrl": q.url}, nil
}

func (s *Server) deleteQueue(in *named) (any, *apiError) {
	q, err := s.resolve(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.queues, q.name)
	s.deleted[q.name] = s.front.Now()
	return struct{}{}, nil
}

func (s *Server) listQueues(in *named) (any, *apiError) {
	limit := 1000
	if in.MaxResults != nil {
		limit = *in.MaxResults
		if limit < 1 || limit > 1000 {
			return nil, fail("InvalidParameterValue", "Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000.")
		}
	}
	s.mu.Lock()
	names := slices.Sorted(maps.Keys(s.queues))
	s.mu.Unlock()
	out := struct {
		QueueUrls []string `json:",omitempty"`
		NextToken string   `json:",omitempty"`
	}{}
	for _, name := range names {
		if !strings.HasPrefix(name, in.QueueNamePrefix) || name <= in.NextToken {
			continue
		}
		if len(out.QueueUrls) == limit {
			if in.MaxResults != nil { // without it AWS cuts the list off silently
				out.NextToken = lastName(out.QueueUrls)
			}
			break
		}
		out.QueueUrls = append(out.QueueUrls, s.front.URL()+"/"+s.cfg.Account+"/"+name)
	}
	return out, nil
}

// lastName is the name of the last queue listed; it serves as the token of the
// next page.
func lastName(urls []string) string {
	last := urls[len(urls)-1]
	return last[strings.LastIndexByte(last, '/')+1:]
}

func (s *Server) purgeQueue(in *named) (any, *apiError) {
	q, err := s.resolve(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	now := s.front.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.purged.IsZero() && now.Sub(q.purged) < recently {
		return nil, fail("PurgeQueueInProgress", "Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.name)
	}
	q.purged = now
	for _, m := range q.live {
		q.forget(m)
	}
	q.live = nil
	return struct{}{}, nil
}

func (s *Server) setQueueAttributes(in *named) (any, *apiError) {
	q, err := s.resolve(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if len(in.Attributes) == 0 {
		return nil, fail("MissingParameter", "The request must contain the parameter Attribute.Name.")
	}
	if _, ok := in.Attributes["FifoQueue"]; ok {
		return nil, fail("InvalidAttributeName", "Unknown Attribute FifoQueue.")
	}
	now := s.front.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	spec := q.spec
	if err := spec.apply(in.Attributes, q.fifo); err != nil {
		return nil, err
	}
	q.spec, q.modified = spec, now
	return struct{}{}, nil
}

func (s *Server) getQueueAttributes(in *named) (any, *apiError) {
	q, err := s.resolve(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	all := q.attributes(s.front.Now())
	out := map[string]string{}
	for _, name := range in.AttributeNames {
		if name == "All" {
			return map[string]any{"Attributes": all}, nil
		}
		if !slices.Contains(kept, name) && !slices.Contains(computed, name) && !slices.Contains(settable, name) && name != "FifoQueue" {
			return nil, fail("InvalidAttributeName", "Unknown Attribute %s.", name)
		}
		if v, ok := all[name]; ok {
			out[name] = v
		}
	}
	if len(out) == 0 {
		return struct{}{}, nil
	}
	return map[string]any{"Attributes": out}, nil
}

// attributes are all attributes of the queue.
func (q *queue) attributes(now time.Time) map[string]string {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.prune(now)
	var visible, delayed, inFlight int
	for _, m := range q.live {
		switch {
		case m.Deleted:
		case !now.Before(m.visible):
			visible++
		case m.inFlight:
			inFlight++
		default:
			delayed++
		}
	}
	attrs := map[string]string{
		"QueueArn":                              q.arn,
		"CreatedTimestamp":                      strconv.FormatInt(q.created.Unix(), 10),
		"LastModifiedTimestamp":                 strconv.FormatInt(q.modified.Unix(), 10),
		"ApproximateNumberOfMessages":           strconv.Itoa(visible),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(inFlight),
		"ApproximateNumberOfMessagesDelayed":    strconv.Itoa(delayed),
		"DelaySeconds":                          seconds(q.spec.delay),
		"MaximumMessageSize":                    strconv.Itoa(q.spec.maxBytes),
		"MessageRetentionPeriod":                seconds(q.spec.retention),
		"ReceiveMessageWaitTimeSeconds":         seconds(q.spec.wait),
		"VisibilityTimeout":                     seconds(q.spec.visibility),
		"SqsManagedSseEnabled":                  "true",
	}
	if q.fifo {
		attrs["FifoQueue"] = "true"
		attrs["ContentBasedDeduplication"] = strconv.FormatBool(q.spec.contentDedup)
		attrs["DeduplicationScope"] = "queue"
		if q.spec.perGroupDedup {
			attrs["DeduplicationScope"] = "messageGroup"
		}
		attrs["FifoThroughputLimit"] = "perQueue"
	}
	maps.Copy(attrs, q.spec.other)
	return attrs
}
