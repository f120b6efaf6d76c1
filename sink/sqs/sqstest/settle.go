package sqstest

import "time"

// settleRequest is the request of DeleteMessage, ChangeMessageVisibility and
// their batches.
type settleRequest struct {
	QueueUrl string
	settleEntry
	Entries *[]settleEntry

	faults map[int]string // codes of entries that are to fail, by index
}

// settleEntry is one message of a settleRequest.
type settleEntry struct {
	ID                *string `json:"Id"`
	ReceiptHandle     *string
	VisibilityTimeout *int
}

// maxHidden is how long a message can stay invisible after it was received,
// whatever is asked for.
const maxHidden = 12 * time.Hour

// settled is the result of an entry that was carried out.
type settled struct {
	ID string `json:"Id"`
}

// settle carries out a single operation on a message.
func (s *Server) settle(in *settleRequest, act func(*queue, settleEntry, time.Time) *apiError) (any, *apiError) {
	q, err := s.resolve(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := act(q, in.settleEntry, s.front.Now()); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

// settleBatch carries out a batch of them; kind is the name of its entries.
func (s *Server) settleBatch(in *settleRequest, kind string, act func(*queue, settleEntry, time.Time) *apiError) (any, *apiError) {
	q, err := s.resolve(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if in.Entries == nil {
		return nil, fail("MissingParameter", "The request must contain the parameter Entries.")
	}
	ids := make([]batchID, len(*in.Entries))
	for i, e := range *in.Entries {
		if e.ID != nil {
			ids[i] = batchID{*e.ID, true}
		}
	}
	if err := checkIDs(kind, ids); err != nil {
		return nil, err
	}
	var out batchResult[settled]
	now := s.front.Now()
	for i, e := range *in.Entries {
		if code, ok := in.faults[i]; ok {
			out.Failed = append(out.Failed, refused(ids[i].id, fail(code, "Injected.")))
			continue
		}
		if err := act(q, e, now); err != nil {
			out.Failed = append(out.Failed, refused(ids[i].id, err))
			continue
		}
		out.Successful = append(out.Successful, settled{ids[i].id})
	}
	return out, nil
}

// remove deletes a message. On a standard queue an outdated handle succeeds and
// deletes nothing; on a FIFO queue a handle has to be current.
func (q *queue) remove(e settleEntry, now time.Time) *apiError {
	if e.ReceiptHandle == nil {
		return fail("MissingParameter", "The request must contain the parameter ReceiptHandle.")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	m, latest, err := q.holder(*e.ReceiptHandle)
	if err != nil || m.Deleted {
		return err
	}
	if q.fifo && (!latest || !now.Before(m.visible)) {
		return fail("InvalidParameterValue", "Value %s for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.", *e.ReceiptHandle)
	}
	if latest {
		q.forget(m)
		q.wake() // the next of its group may be receivable
	}
	return nil
}

// hide changes how long a message in flight stays invisible.
func (q *queue) hide(e settleEntry, now time.Time) *apiError {
	switch {
	case e.ReceiptHandle == nil:
		return fail("MissingParameter", "The request must contain the parameter ReceiptHandle.")
	case e.VisibilityTimeout == nil:
		return fail("MissingParameter", "The request must contain the parameter VisibilityTimeout.")
	case *e.VisibilityTimeout < 0 || *e.VisibilityTimeout > 43_200:
		return fail("InvalidParameterValue", "Value %d for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must be an integer between 0 and 43200.", *e.VisibilityTimeout)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	m, latest, err := q.holder(*e.ReceiptHandle)
	if err != nil {
		return err
	}
	if m.Deleted {
		return fail("InvalidParameterValue", "Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", *e.ReceiptHandle)
	}
	if !latest || !now.Before(m.visible) {
		return fail("MessageNotInflight", "The specified message isn't in flight.")
	}
	until := now.Add(time.Duration(*e.VisibilityTimeout) * time.Second)
	if until.Sub(m.last) > maxHidden {
		return fail("InvalidParameterValue", "Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].", *e.VisibilityTimeout)
	}
	m.visible = until
	q.wake()
	return nil
}
