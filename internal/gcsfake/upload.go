package gcsfake

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
)

// session is a resumable upload.
type session struct {
	query
	want resource // as announced
	body []byte
	size int64
	crc  uint32
	done *object
}

// Sessions returns how many resumable uploads were begun and not completed.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, u := range s.sessions {
		if u.done == nil {
			n++
		}
	}
	return n
}

// insert answers an upload in one request; s.mu is held.
func (s *Server) insert(q query, r *http.Request, sent []byte) *http.Response {
	want, body, err := multipartOf(r, sent)
	if err != nil {
		return refuse(r, http.StatusBadRequest, errQuery.Error())
	}
	if want.Name == "" {
		want.Name = q.Get("name")
	}
	if q.garbled {
		garble(body)
	}
	return s.create(q, r, want, s.newObject(body))
}

// create stores an object that was uploaded, if it is what was announced and its
// condition holds; s.mu is held.
func (s *Server) create(q query, r *http.Request, want resource, o *object) *http.Response {
	name := want.Name
	if name == "" {
		name = q.Get("name")
	}
	switch {
	case want.CRC32C != "" && want.CRC32C != encodeCRC(o.crc),
		want.MD5 != "" && o.md5 != nil && want.MD5 != base64.StdEncoding.EncodeToString(o.md5):
		return refuse(r, http.StatusBadRequest, "invalid")
	case !s.free(q.bucket, name, q):
		return refuse(r, http.StatusPreconditionFailed, "conditionNotMet")
	}
	o.meta, o.encoding = want.Metadata, want.ContentEncoding
	s.objects[q.bucket+"/"+name] = o
	return answerJSON(r, o.resource(q.bucket, name))
}

// multipartOf takes the body of an upload apart: the resource, and the content.
func multipartOf(r *http.Request, sent []byte) (want resource, body []byte, err error) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return want, nil, err
	}
	parts := multipart.NewReader(bytes.NewReader(sent), params["boundary"])
	first, err := parts.NextPart()
	if err != nil {
		return want, nil, err
	}
	if err := json.NewDecoder(first).Decode(&want); err != nil {
		return want, nil, err
	}
	second, err := parts.NextPart()
	if err != nil {
		return want, nil, err
	}
	body, err = io.ReadAll(second)
	return want, body, err
}

// garble changes a bit.
func garble(body []byte) {
	if len(body) > 0 {
		body[0] ^= 1
	}
}

// begin answers the beginning of a resumable upload; s.mu is held.
func (s *Server) begin(q query, r *http.Request, sent []byte) *http.Response {
	u := &session{query: q}
	if err := json.Unmarshal(sent, &u.want); err != nil {
		return refuse(r, http.StatusBadRequest, errQuery.Error())
	}
	name := u.want.Name
	if name == "" {
		name = q.Get("name")
	}
	if !s.free(q.bucket, name, q) {
		return refuse(r, http.StatusPreconditionFailed, "conditionNotMet")
	}
	s.serial++
	id := strconv.FormatInt(s.serial, 10)
	s.sessions[id] = u
	resp := answer(r, http.StatusOK, nil)
	resp.Header.Set("Location", fmt.Sprintf("%s://%s%s?uploadType=resumable&upload_id=%s", scheme(r), host(r), r.URL.EscapedPath(), id))
	return resp
}

func scheme(r *http.Request) string {
	if r.URL.Scheme != "" {
		return r.URL.Scheme
	}
	return "http"
}

func host(r *http.Request) string {
	if r.URL.Host != "" {
		return r.URL.Host
	}
	return r.Host
}

// unit is what all chunks but the last are a multiple of.
const unit = 256 << 10

// chunk answers a chunk of a resumable upload, or the question how far it is;
// s.mu is held.
func (s *Server) chunk(q query, r *http.Request, sent []byte) *http.Response {
	u := s.sessions[q.Get("upload_id")]
	if u == nil {
		return refuse(r, http.StatusNotFound, "notFound")
	}
	if u.done != nil {
		return answerJSON(r, u.done.resource(u.bucket, u.want.Name))
	}
	stretch, total, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Content-Range"), "bytes "), "/")
	first, _, _ := strings.Cut(stretch, "-")
	if q.garbled {
		garble(sent)
	}
	if from, err := strconv.ParseInt(first, 10, 64); err == nil {
		if from > u.size || total == "*" && len(sent)%unit != 0 {
			return refuse(r, http.StatusBadRequest, errQuery.Error())
		}
		if skip := u.size - from; skip < int64(len(sent)) { // what was repeated is known
			u.append(sent[skip:], s.Forget)
		}
	}
	if n, err := strconv.ParseInt(total, 10, 64); err == nil && n == u.size {
		return s.complete(u, r)
	}
	resp := answer(r, http.StatusOK, nil)
	resp.Header.Set("X-Http-Status-Code-Override", "308")
	if u.size > 0 {
		resp.Header.Set("Range", fmt.Sprintf("bytes=0-%d", u.size-1))
	}
	return resp
}

func (u *session) append(p []byte, forget bool) {
	u.crc = crc32.Update(u.crc, castagnoli, p)
	u.size += int64(len(p))
	if !forget {
		u.body = append(u.body, p...)
	}
}

// complete makes an object of a session; s.mu is held. The checksum may be
// announced with the last chunk only.
func (s *Server) complete(u *session, r *http.Request) *http.Response {
	want := u.want
	for part := range strings.SplitSeq(r.Header.Get("X-Goog-Hash"), ",") {
		if sum, ok := strings.CutPrefix(strings.TrimSpace(part), "crc32c="); ok {
			want.CRC32C = sum
		}
	}
	o := s.newObject(u.body)
	o.size, o.crc, o.md5 = u.size, u.crc, nil
	resp := s.create(u.query, r, want, o)
	if resp.StatusCode == http.StatusOK {
		u.done = o
	}
	return resp
}
