package s3fake

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"time"
)

// DropUploads aborts all multipart uploads, as a lifecycle rule may.
func (s *Server) DropUploads() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.uploads)
}

// smallest is the least that a piece must have, unless it is the last.
const smallest = 5 << 20

// multipart carries out the requests of multipart uploads; s.mu is held.
func (s *Server) multipart(op string, r *http.Request, name string, sent content) *http.Response {
	q := r.URL.Query()
	if op == "CreateMultipartUpload" {
		s.serial++
		id := "upload-" + strconv.Itoa(s.serial)
		s.uploads[id] = &upload{name: name, meta: newObject(sent, r.Header).meta, pieces: map[int]*object{}}
		return answerXML(r, struct {
			XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
			UploadID string   `xml:"UploadId"`
		}{UploadID: id})
	}
	id := q.Get("uploadId")
	u := s.uploads[id]
	if u == nil || u.name != name {
		return refuse(r, http.StatusNotFound, "NoSuchUpload")
	}
	switch op {
	case "UploadPart":
		number, err := strconv.Atoi(q.Get("partNumber"))
		if err != nil || number < 1 || number > 10_000 {
			return refuse(r, http.StatusBadRequest, "InvalidArgument")
		}
		o := newObject(sent, r.Header)
		u.pieces[number] = o
		return answer(r, http.StatusOK, nil, o.etag)
	case "AbortMultipartUpload":
		delete(s.uploads, id)
		return answer(r, http.StatusNoContent, nil, "")
	}
	return s.complete(r, id, u, sent.body)
}

func (s *Server) complete(r *http.Request, id string, u *upload, body []byte) *http.Response {
	var list struct {
		Part []struct {
			PartNumber int
			ETag       string
		}
	}
	if err := xml.Unmarshal(body, &list); err != nil || len(list.Part) == 0 {
		return refuse(r, http.StatusBadRequest, "MalformedXML")
	}
	whole := &object{meta: u.meta, time: time.Now()}
	for i, part := range list.Part {
		p := u.pieces[part.PartNumber]
		switch {
		case i > 0 && part.PartNumber <= list.Part[i-1].PartNumber:
			return refuse(r, http.StatusBadRequest, "InvalidPartOrder")
		case p == nil || p.etag != part.ETag:
			return refuse(r, http.StatusBadRequest, "InvalidPart")
		case p.size < smallest && i < len(list.Part)-1:
			return refuse(r, http.StatusBadRequest, "EntityTooSmall")
		}
		whole.body = append(whole.body, p.body...)
		whole.size += p.size
	}
	whole.etag = list.Part[0].ETag[:33] + "-" + strconv.Itoa(len(list.Part)) + `"`
	s.objects[u.name] = whole
	delete(s.uploads, id)
	return answerXML(r, struct {
		XMLName xml.Name `xml:"CompleteMultipartUploadResult"`
		ETag    string
	}{ETag: whole.etag})
}
