package s3fake

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// LargestPage returns how many entries the largest page had that was listed.
func (s *Server) LargestPage() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.largest
}

// page is the answer to ListObjectsV2.
type page struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	IsTruncated           bool
	NextContinuationToken string `xml:",omitempty"`
	EncodingType          string `xml:",omitempty"`
	Contents              []entry
	CommonPrefixes        []folder
}

type entry struct {
	Key          string
	Size         int64
	ETag         string
	LastModified time.Time
}

type folder struct{ Prefix string }

// list answers ListObjectsV2; s.mu is held.
func (s *Server) list(r *http.Request, bucket string) *http.Response {
	q := r.URL.Query()
	size := s.PageSize
	if size == 0 {
		size = 1000
	}
	if n, err := strconv.Atoi(q.Get("max-keys")); err == nil {
		size = min(size, n)
	}
	base := strings.TrimSuffix(bucket, "/") + "/"
	p := page{EncodingType: q.Get("encoding-type")}
	encode := func(s string) string { return s }
	if p.EncodingType == "url" {
		encode = func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "%2F", "/") }
	}
	last := q.Get("continuation-token")
	for _, name := range s.names(base + q.Get("prefix")) {
		key := strings.TrimPrefix(name, base)
		item := key
		rest := strings.TrimPrefix(key, q.Get("prefix"))
		first, _, cut := strings.Cut(rest, q.Get("delimiter"))
		if cut = cut && q.Get("delimiter") != ""; cut {
			item = q.Get("prefix") + first + "/"
		}
		if item <= last {
			continue
		}
		if len(p.Contents)+len(p.CommonPrefixes) == size {
			p.IsTruncated, p.NextContinuationToken = true, last
			break
		}
		last = item
		if cut {
			p.CommonPrefixes = append(p.CommonPrefixes, folder{encode(item)})
			continue
		}
		o := s.objects[name]
		p.Contents = append(p.Contents, entry{encode(key), o.size, o.etag, o.time.UTC().Truncate(time.Second)})
	}
	s.largest = max(s.largest, len(p.Contents)+len(p.CommonPrefixes))
	return answerXML(r, p)
}
