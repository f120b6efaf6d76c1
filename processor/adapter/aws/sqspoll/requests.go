package sqspoll

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// answerTime is how long an answer may take that is not waited for on purpose.
const answerTime = 10 * time.Second

// hide has messages hidden for a time from now on, and returns those for which it
// was done.
func (r *run) hide(ctx context.Context, messages []*held, d time.Duration) (done []*held) {
	seconds := int32((d + time.Second - 1) / time.Second)
	for some := range slices.Chunk(messages, batchSize) {
		entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(some))
		for i, h := range some {
			entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{Id: awssdk.String(strconv.Itoa(i)), ReceiptHandle: &h.receipt, VisibilityTimeout: seconds}
		}
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		out, err := r.api.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &r.url, Entries: entries})
		cancel()
		if err != nil {
			r.cfg.OnError(fmt.Errorf("sqspoll: change the visibility of %d messages: %w", len(some), err))
			continue
		}
		r.tell("change the visibility of message", some, out.Failed)
		for _, ok := range out.Successful {
			if h := entry(some, ok.Id); h != nil {
				done = append(done, h)
			}
		}
	}
	return done
}

// entry returns the message of an entry of a batch.
func entry(some []*held, id *string) *held {
	i, err := strconv.Atoi(awssdk.ToString(id))
	if err != nil || i < 0 || i >= len(some) {
		return nil
	}
	return some[i]
}

// tell tells of the entries of a batch that failed.
func (r *run) tell(what string, some []*held, failed []types.BatchResultErrorEntry) {
	for _, f := range failed {
		if h := entry(some, f.Id); h != nil {
			r.cfg.OnError(fmt.Errorf("sqspoll: %s %s: %s", what, h.id, awssdk.ToString(f.Code)))
		}
	}
}

// giveBack lets go of messages, which become visible after d. Where that fails
// they become visible by themselves, later.
func (r *run) giveBack(messages []*held, d time.Duration) {
	if len(messages) > 0 && !r.left(messages) {
		r.hide(r.io, messages, d)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range messages {
		r.drop(h)
	}
}

// left reports whether the run was over before these messages were let go of.
func (r *run) left(messages []*held) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(messages, func(h *held) bool { return h.abandoned })
}

// heartbeat extends the visibility of what is worked on, or waits for that, when a
// third of it is over. What could not be extended is tried again soon. It ends with
// ctx.
func (r *run) heartbeat(ctx context.Context) {
	ticker := time.NewTicker(r.cfg.Visibility / 12)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		var due []*held
		r.mu.Lock()
		for h := range r.held {
			if h.expires.Sub(now) <= r.cfg.Visibility*2/3 && !h.settled && !h.abandoned && now.Before(r.stopAt(h)) {
				due = append(due, h)
			}
		}
		r.mu.Unlock()
		for some := range slices.Chunk(due, batchSize) {
			began := time.Now() // it counts from before the request leaves
			for _, h := range r.hide(ctx, some, r.cfg.Visibility) {
				r.extended(h, began.Add(r.cfg.Visibility))
			}
		}
	}
}

// extended notes that a message is hidden until expires.
func (r *run) extended(h *held, expires time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h.handling && !h.stop.Stop() {
		return // too late: it is being stopped
	}
	h.expires = expires
	if h.handling {
		h.stop.Reset(time.Until(r.stopAt(h)))
	}
}

// gather is how long deletions wait for others to share their request.
const gather = 50 * time.Millisecond

// deleteAll deletes what is settled, until done is closed and nothing is left.
func (r *run) deleteAll(done <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	pause := gather
	for last := false; ; {
		pending := r.deleteOnce()
		switch {
		case pending == 0 && last:
			return
		case pending == 0:
			pause = gather
			select {
			case <-r.wake:
			case <-done:
				last, done = true, nil
				continue
			}
			if r.full() {
				continue
			}
		default: // they failed: not at once again
			pause = min(2*pause, 2*time.Second)
		}
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-done:
			last, done = true, nil
		}
	}
}

// full reports whether there is a whole batch to delete.
func (r *run) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.settled) >= batchSize
}

// deleteOnce tries to delete everything that is settled, and returns how much is
// left to be tried again.
func (r *run) deleteOnce() (pending int) {
	r.mu.Lock()
	all := r.settled
	r.settled = nil
	r.mu.Unlock()
	var left []*held
	for some := range slices.Chunk(all, batchSize) {
		left = append(left, r.delete(some)...)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range left {
		if r.io.Err() != nil || !time.Now().Before(h.expires) {
			r.stats.Undeleted++
			r.drop(h)
			continue
		}
		r.settled = append(r.settled, h)
		pending++
	}
	return pending
}

// delete deletes up to ten messages, and returns those that are to be tried again.
func (r *run) delete(some []*held) (left []*held) {
	entries := make([]types.DeleteMessageBatchRequestEntry, len(some))
	for i, h := range some {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: awssdk.String(strconv.Itoa(i)), ReceiptHandle: &h.receipt}
	}
	ctx, cancel := context.WithTimeout(r.io, answerTime)
	defer cancel()
	out, err := r.api.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &r.url, Entries: entries})
	if err != nil {
		r.cfg.OnError(fmt.Errorf("sqspoll: delete %d messages: %w", len(some), err))
		return some
	}
	r.tell("delete message", some, out.Failed)
	gone := map[*held]bool{}
	for _, ok := range out.Successful {
		if h := entry(some, ok.Id); h != nil {
			gone[h] = true
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range some {
		if !gone[h] {
			left = append(left, h)
			continue
		}
		r.stats.Deleted++
		r.drop(h)
	}
	return left
}

// hopeless are the codes of requests that no repetition mends, less what their
// two protocols put around them.
var hopeless = []string{
	"QueueDoesNotExist", "NonExistentQueue", "QueueDeletedRecently", "UnsupportedOperation", "InvalidAddress", "InvalidSecurity",
	"AccessDenied", "NotAuthorized", "InvalidClientTokenId", "UnrecognizedClient", "SignatureDoesNotMatch", "InvalidSignature",
	"IncompleteSignature", "MissingAuthenticationToken", "KmsDisabled", "KmsNotFound", "KmsAccessDenied", "KmsInvalidState", "KmsInvalidKeyUsage", "KmsOptInRequired",
}

// isHopeless reports whether an error of the queue ends the run.
func isHopeless(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	code := strings.TrimPrefix(api.ErrorCode(), "AWS.SimpleQueueService.")
	if slices.Contains(hopeless, code) || slices.Contains(hopeless, strings.TrimSuffix(code, "Exception")) {
		return true
	}
	resp, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && resp.HTTPStatusCode() == http.StatusUnauthorized
}
