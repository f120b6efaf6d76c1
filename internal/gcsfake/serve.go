package gcsfake

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// query is a request taken apart.
type query struct {
	op           string
	bucket, name string
	toBucket, to string // of a rewrite
	garbled      bool   // what is uploaded or copied arrives as something else
	url.Values
}

// parse takes a request apart. Names are one segment of the path, escaped.
func parse(r *http.Request) query {
	q := query{Values: r.URL.Query()}
	path, upload := strings.CutPrefix(r.URL.EscapedPath(), "/upload")
	path, api := strings.CutPrefix(path, "/storage/v1/b/")
	if !api { // the XML API
		q.op = "read"
		bucket, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		q.bucket, q.name = bucket, name
		q.Values.Set("userProject", r.Header.Get("X-Goog-User-Project"))
		q.Values.Set("ifGenerationMatch", r.Header.Get("X-Goog-If-Generation-Match"))
		return q
	}
	part := strings.Split(path, "/")
	at := func(i int) string {
		if i >= len(part) {
			return ""
		}
		text, err := url.PathUnescape(part[i])
		if err != nil {
			return ""
		}
		return text
	}
	q.bucket, q.name = at(0), at(2)
	switch {
	case upload && q.Has("upload_id"):
		q.op = "chunk"
	case upload && q.Get("uploadType") == "resumable":
		q.op = "begin"
	case upload:
		q.op = "insert"
	case at(3) == "rewriteTo":
		q.op, q.toBucket, q.to = "rewrite", at(5), at(7)
	case r.Method == http.MethodDelete:
		q.op = "delete"
	case q.name == "":
		q.op = "list"
	default:
		q.op = "get"
	}
	return q
}

// serve carries out a request; s.mu is held.
func (s *Server) serve(q query, r *http.Request, sent []byte) *http.Response {
	switch {
	case s.Missing != "" && q.bucket == s.Missing:
		return refuse(r, http.StatusNotFound, "notFound")
	case s.RequesterPays && q.Get("userProject") == "" && q.op != "chunk":
		return refuse(r, http.StatusBadRequest, "userProjectMissing")
	}
	there := s.objects[q.bucket+"/"+q.name]
	switch q.op {
	case "list":
		return s.list(q, r)
	case "insert":
		return s.insert(q, r, sent)
	case "begin":
		return s.begin(q, r, sent)
	case "chunk":
		return s.chunk(q, r, sent)
	case "rewrite":
		return s.rewrite(q, r, there)
	}
	if there == nil || q.Has("generation") && q.Get("generation") != there.mark() {
		return refuse(r, http.StatusNotFound, "notFound")
	}
	if match := q.Get("ifGenerationMatch"); match != "" && match != there.mark() {
		return refuse(r, http.StatusPreconditionFailed, "conditionNotMet")
	}
	switch q.op {
	case "delete":
		delete(s.objects, q.bucket+"/"+q.name)
		return answer(r, http.StatusNoContent, nil)
	case "read":
		return there.read(r)
	}
	return answerJSON(r, there.resource(q.bucket, q.name))
}

func (o *object) mark() string { return strconv.FormatInt(o.generation, 10) }

// read answers with the stored bytes, or a range of them. Like the service it
// decompresses what is stored with an encoding that the client does not accept.
func (o *object) read(r *http.Request) *http.Response {
	body, status := o.body, http.StatusOK
	from, to, ranged := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
	start, err := strconv.ParseInt(from, 10, 64)
	end := o.size
	if ranged = ranged && err == nil; ranged {
		if last, err := strconv.ParseInt(to, 10, 64); err == nil {
			end = min(end, last+1)
		}
		if start >= o.size {
			return refuse(r, http.StatusRequestedRangeNotSatisfiable, "requestedRangeNotSatisfiable")
		}
		body, status = body[start:end], http.StatusPartialContent
	}
	if o.encoding == "gzip" && r.Header.Get("Accept-Encoding") != "gzip" {
		body = []byte("decompressed by the service")
	}
	resp := answer(r, status, body)
	if ranged {
		resp.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, end-1, o.size))
	}
	h := resp.Header
	h.Set("X-Goog-Generation", o.mark())
	h.Set("X-Goog-Metageneration", "1")
	h.Set("X-Goog-Stored-Content-Length", strconv.FormatInt(o.size, 10))
	h.Set("X-Goog-Hash", "crc32c="+encodeCRC(o.crc))
	h.Set("Last-Modified", o.created.Format(http.TimeFormat))
	if o.encoding != "" {
		h.Set("Content-Encoding", o.encoding)
		h.Set("X-Goog-Stored-Content-Encoding", o.encoding)
	}
	return resp
}

// resource is an object as the JSON API describes it.
type resource struct {
	Kind            string            `json:"kind,omitempty"`
	Bucket          string            `json:"bucket,omitempty"`
	Name            string            `json:"name,omitempty"`
	Generation      string            `json:"generation,omitempty"`
	Metageneration  string            `json:"metageneration,omitempty"`
	Size            string            `json:"size,omitempty"`
	TimeCreated     string            `json:"timeCreated,omitempty"`
	Updated         string            `json:"updated,omitempty"`
	CRC32C          string            `json:"crc32c,omitempty"`
	MD5             string            `json:"md5Hash,omitempty"`
	ContentEncoding string            `json:"contentEncoding,omitempty"`
	Metadata        map[string]string `json:"metadata,omitempty"`
}

func (o *object) resource(bucket, name string) resource {
	when := o.created.Format("2006-01-02T15:04:05.000Z")
	return resource{
		Kind: "storage#object", Bucket: bucket, Name: name, Generation: o.mark(), Metageneration: "1",
		Size: strconv.FormatInt(o.size, 10), TimeCreated: when, Updated: when, CRC32C: encodeCRC(o.crc),
		MD5: base64.StdEncoding.EncodeToString(o.md5), ContentEncoding: o.encoding, Metadata: o.meta,
	}
}

func encodeCRC(crc uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc))
}

// list answers a page of a listing; s.mu is held. A token is the last item of the
// page before.
func (s *Server) list(q query, r *http.Request) *http.Response {
	size := s.PageSize
	if size == 0 {
		size = 1000
	}
	if n, err := strconv.Atoi(q.Get("maxResults")); err == nil {
		size = min(size, n)
	}
	var page struct {
		Kind     string     `json:"kind"`
		Next     string     `json:"nextPageToken,omitempty"`
		Prefixes []string   `json:"prefixes,omitempty"`
		Items    []resource `json:"items,omitempty"`
	}
	page.Kind = "storage#objects"
	prefix, delimiter, last := q.Get("prefix"), q.Get("delimiter"), q.Get("pageToken")
	for _, full := range s.names(q.bucket + "/" + prefix) {
		name := strings.TrimPrefix(full, q.bucket+"/")
		item, folder := name, false
		if delimiter != "" {
			var first string
			if first, _, folder = strings.Cut(strings.TrimPrefix(name, prefix), delimiter); folder {
				item = prefix + first + delimiter
			}
		}
		if item <= last {
			continue
		}
		if len(page.Items)+len(page.Prefixes) == size {
			page.Next = last
			break
		}
		if last = item; folder {
			page.Prefixes = append(page.Prefixes, item)
			continue
		}
		page.Items = append(page.Items, s.objects[full].resource(q.bucket, name))
	}
	return answerJSON(r, page)
}

// rewrite copies an object; s.mu is held.
func (s *Server) rewrite(q query, r *http.Request, from *object) *http.Response {
	if from == nil || q.Has("sourceGeneration") && q.Get("sourceGeneration") != from.mark() {
		return refuse(r, http.StatusNotFound, "notFound")
	}
	if match := q.Get("ifSourceGenerationMatch"); match != "" && match != from.mark() {
		return refuse(r, http.StatusPreconditionFailed, "conditionNotMet")
	}
	if !s.free(q.toBucket, q.to, q) {
		return refuse(r, http.StatusPreconditionFailed, "conditionNotMet")
	}
	body := from.body
	if q.garbled {
		body = slices.Clone(body)
		garble(body)
	}
	to := s.newObject(body)
	to.encoding, to.meta = from.encoding, from.meta
	if from.md5 == nil {
		to.md5 = nil
	}
	s.objects[q.toBucket+"/"+q.to] = to
	return answerJSON(r, map[string]any{
		"kind": "storage#rewriteResponse", "done": true, "objectSize": strconv.FormatInt(to.size, 10),
		"totalBytesRewritten": strconv.FormatInt(to.size, 10), "resource": to.resource(q.toBucket, q.to),
	})
}

// free reports whether the condition of a request that creates holds; s.mu is
// held.
func (s *Server) free(bucket, name string, q query) bool {
	match := q.Get("ifGenerationMatch")
	there := s.objects[bucket+"/"+name]
	switch {
	case match == "":
		return true
	case there == nil:
		return match == "0"
	}
	return match == there.mark()
}

// refuse answers with an error, in the form of the API that was asked.
func refuse(r *http.Request, status int, reason string) *http.Response {
	if path := r.URL.Path; !strings.HasPrefix(path, "/storage/v1/") && !strings.HasPrefix(path, "/upload/") {
		code := strings.ToUpper(reason[:min(1, len(reason))]) + reason[min(1, len(reason)):]
		return answer(r, status, fmt.Appendf(nil, "<?xml version='1.0'?><Error><Code>%s</Code><Message>no</Message></Error>", code))
	}
	type item struct {
		Reason  string `json:"reason"`
		Message string `json:"message"`
	}
	resp := answerJSON(r, map[string]any{"error": map[string]any{
		"code": status, "message": "no", "errors": []item{{reason, "no"}},
	}})
	resp.StatusCode = status
	return resp
}

func answerJSON(r *http.Request, v any) *http.Response {
	text, err := json.Marshal(v)
	if err != nil {
		return answer(r, http.StatusInternalServerError, nil)
	}
	resp := answer(r, http.StatusOK, text)
	resp.Header.Set("Content-Type", "application/json; charset=UTF-8")
	return resp
}

func answer(r *http.Request, status int, body []byte) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Length": {strconv.Itoa(len(body))}, "Date": {time.Now().UTC().Format(http.TimeFormat)}},
		Body:   io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
}
