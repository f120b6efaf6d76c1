package benchtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

// What people write by hand for the job: list the folder, read each file whole,
// drop the comment lines, take six fields, join the results to messages. None of
// it claims, retries, accounts or looks for what SQS would refuse.

var (
	fields = []string{"id", "created=created_at", "text", "user=user.screen_name", "followers=user.followers_count", "tags=entities.hashtags.#.text"}
	names  = []string{"id", "created", "text", "user", "followers", "tags"}
	paths  = []string{"id", "created_at", "text", "user.screen_name", "user.followers_count", "entities.hashtags.#.text"}
)

var errInvalid = errors.New("invalid JSON")

// project appends what is taken from one record.
type project func(dst, record []byte) ([]byte, error)

// withGJSON takes the fields with gjson, which does not validate unless it is asked.
func withGJSON(dst, record []byte) ([]byte, error) {
	if !gjson.ValidBytes(record) {
		return dst, errInvalid
	}
	for i, value := range gjson.GetManyBytes(record, paths...) {
		c := byte(',')
		if i == 0 {
			c = '{'
		}
		dst = append(append(append(dst, c, '"'), names[i]...), `":`...)
		if value.Raw == "" {
			dst = append(dst, "null"...)
		}
		dst = append(dst, value.Raw...)
	}
	return append(dst, '}'), nil
}

// withMap decodes the whole record with encoding/json. Long numbers are rounded.
func withMap(dst, record []byte) ([]byte, error) {
	var doc map[string]any
	if err := json.Unmarshal(record, &doc); err != nil {
		return dst, err
	}
	user, _ := doc["user"].(map[string]any)
	entities, _ := doc["entities"].(map[string]any)
	hashtags, _ := entities["hashtags"].([]any)
	tags := make([]any, 0, len(hashtags))
	for _, h := range hashtags {
		tag, _ := h.(map[string]any)
		tags = append(tags, tag["text"])
	}
	out, err := json.Marshal(map[string]any{
		"id": doc["id"], "created": doc["created_at"], "text": doc["text"],
		"user": user["screen_name"], "followers": user["followers_count"], "tags": tags,
	})
	return append(dst, out...), err
}

// withStruct decodes what is wanted with encoding/json.
func withStruct(dst, record []byte) ([]byte, error) {
	var doc struct {
		ID        json.Number `json:"id"`
		CreatedAt string      `json:"created_at"`
		Text      string      `json:"text"`
		User      struct {
			ScreenName string `json:"screen_name"`
			Followers  int    `json:"followers_count"`
		} `json:"user"`
		Entities struct {
			Hashtags []struct {
				Text string `json:"text"`
			} `json:"hashtags"`
		} `json:"entities"`
	}
	if err := json.Unmarshal(record, &doc); err != nil {
		return dst, err
	}
	tags := make([]string, len(doc.Entities.Hashtags))
	for i, h := range doc.Entities.Hashtags {
		tags[i] = h.Text
	}
	out, err := json.Marshal(struct {
		ID        json.Number `json:"id"`
		CreatedAt string      `json:"created"`
		Text      string      `json:"text"`
		User      string      `json:"user"`
		Followers int         `json:"followers"`
		Tags      []string    `json:"tags"`
	}{doc.ID, doc.CreatedAt, doc.Text, doc.User.ScreenName, doc.User.Followers, tags})
	return append(dst, out...), err
}

// stripComments drops the comment lines at the start of a file.
func stripComments(data []byte) []byte {
	for bytes.HasPrefix(data, []byte("//")) {
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	return data
}

// packer joins records to messages of up to size bytes, each a JSON array.
type packer struct {
	size int
	body []byte
	send func(body []byte) error
}

func (p *packer) add(record []byte, how project) error {
	start := len(p.body)
	body, err := how(append(p.body, ','), record)
	if err != nil {
		return err
	}
	if p.body = body; len(body) < p.size {
		return nil
	}
	last := bytes.Clone(body[start:])
	p.body = body[:start]
	if err := p.flush(); err != nil {
		return err
	}
	p.body = append(p.body, last...)
	return nil
}

func (p *packer) flush() error {
	if len(p.body) == 0 {
		return nil
	}
	p.body[0] = '['
	err := p.send(append(p.body, ']'))
	p.body = p.body[:0]
	return err
}

// byHand does the job on so many goroutines.
func byHand(tb testing.TB, folder string, goroutines, size int, how project, send func(body []byte) error) {
	entries, err := os.ReadDir(folder)
	require.NoError(tb, err)
	work := make(chan string)
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			p := packer{size: size, send: send}
			for name := range work {
				data, err := os.ReadFile(filepath.Join(folder, name))
				if err == nil {
					err = p.add(stripComments(data), how)
				}
				if err != nil {
					tb.Error(name, err)
				}
			}
			if err := p.flush(); err != nil {
				tb.Error(err)
			}
		})
	}
	for _, e := range entries {
		work <- e.Name()
	}
	close(work)
	wg.Wait()
}

// byHandOne does the job on one goroutine, without a channel.
func byHandOne(tb testing.TB, folder string, size int, how project) {
	entries, err := os.ReadDir(folder)
	require.NoError(tb, err)
	p := packer{size: size, send: discard}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		require.NoError(tb, err)
		require.NoError(tb, p.add(stripComments(data), how))
	}
	require.NoError(tb, p.flush())
}

func discard([]byte) error { return nil }

// byHandLarge takes the fields of every line of a file, on two goroutines that
// read one half of it each.
func byHandLarge(tb testing.TB, name string, size int, how project) {
	file, err := os.Open(name)
	require.NoError(tb, err)
	defer file.Close()
	info, err := file.Stat()
	require.NoError(tb, err)
	middle := info.Size() / 2
	line, err := bufio.NewReader(io.NewSectionReader(file, middle, info.Size()-middle)).ReadSlice('\n')
	require.NoError(tb, err)
	middle += int64(len(line))
	var wg sync.WaitGroup
	for _, half := range []*io.SectionReader{io.NewSectionReader(file, 0, middle), io.NewSectionReader(file, middle, info.Size()-middle)} {
		wg.Go(func() {
			p := packer{size: size, send: discard}
			lines := bufio.NewScanner(half)
			lines.Buffer(make([]byte, 1<<20), 1<<20)
			for lines.Scan() {
				if err := p.add(lines.Bytes(), how); err != nil {
					tb.Error(err)
					return
				}
			}
			if err := lines.Err(); err != nil {
				tb.Error(err)
			}
		})
	}
	wg.Wait()
}
