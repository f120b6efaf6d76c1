package web

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ask sends a request with headers, name by name, and returns the status of the
// answer.
func (d *DAV) ask(ctx context.Context, method string, to *url.URL, headers ...string) (code int, err error) {
	resp, err := d.request(ctx, method, to, "", headers...)
	if err != nil {
		return 0, err
	}
	discard(resp)
	return resp.StatusCode, nil
}

// request is ask with a content, for who wants the answer and closes its body.
func (d *DAV) request(ctx context.Context, method string, to *url.URL, content string, headers ...string) (*http.Response, error) {
	h := d.header.Clone()
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return d.inSlot(ctx, func() (*http.Response, error) {
		return d.sendTo(ctx, d.reads, method, to, h, content)
	})
}

// codeError says what a status means, as statusError does.
func codeError(code int) error { return statusError(&http.Response{StatusCode: code}) }

// properties are what a server knows of a file.
type properties struct {
	size    int64 // -1 for unknown
	etag    string
	strong  bool // of etag
	modTime time.Time
	created time.Time // since when it has its name, as was proven
}

// wanted asks for just these.
const wanted = `<?xml version="1.0" encoding="utf-8"?>` +
	`<propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><getetag/><getlastmodified/><creationdate/></prop></propfind>`

// maxProperties bounds an answer to that, in bytes.
const maxProperties = 64 << 10

// multistatus is the answer.
type multistatus struct {
	XMLName   xml.Name `xml:"DAV: multistatus"`
	Responses []struct {
		Propstats []propstat `xml:"DAV: propstat"`
	} `xml:"DAV: response"`
}

type propstat struct {
	Status string `xml:"DAV: status"`
	Prop   struct {
		Type struct {
			Collection *struct{} `xml:"DAV: collection"`
		} `xml:"DAV: resourcetype"`
		Length   string `xml:"DAV: getcontentlength"`
		ETag     string `xml:"DAV: getetag"`
		Modified string `xml:"DAV: getlastmodified"`
		Created  string `xml:"DAV: creationdate"`
	} `xml:"DAV: prop"`
}

var (
	errNoFile       = errors.New("not a file")
	errNoProperties = errors.New("the server tells no properties of it")
)

// find asks for the properties of a file.
func (d *DAV) find(ctx context.Context, at *url.URL) (properties, error) {
	resp, err := d.request(ctx, "PROPFIND", at, wanted, "Depth", "0", "Content-Type", "application/xml")
	if err != nil {
		return properties{}, err
	}
	if resp.StatusCode != http.StatusMultiStatus {
		discard(resp)
		return properties{}, statusError(resp)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxProperties))
	if err != nil {
		return properties{}, err
	}
	return parseProperties(text)
}

// parseProperties reads an answer about one file.
func parseProperties(text []byte) (properties, error) {
	var all multistatus
	if err := xml.Unmarshal(text, &all); err != nil || len(all.Responses) != 1 {
		return properties{}, errNoProperties
	}
	for _, s := range all.Responses[0].Propstats {
		if _, code, _ := strings.Cut(s.Status, " "); !strings.HasPrefix(code, "200") {
			continue
		}
		if s.Prop.Type.Collection != nil {
			return properties{}, errNoFile
		}
		m := marksOf("", http.Header{"Etag": {strings.TrimSpace(s.Prop.ETag)}}, parseSize(strings.TrimSpace(s.Prop.Length)))
		created, err := time.Parse(time.RFC3339, strings.TrimSpace(s.Prop.Created))
		if err != nil || m.object.Version == "" {
			return properties{}, errNoProperties
		}
		return properties{
			size: m.object.Size, etag: m.object.Version, strong: m.ifRange != "",
			modTime: parseTime(strings.TrimSpace(s.Prop.Modified)), created: created.UTC(),
		}, nil
	}
	return properties{}, errNoProperties
}

// quoted is an ETag as it stands in a header.
func quoted(etag string) string { return `"` + etag + `"` }

// belowURL returns the URL of what stands under a path below a folder.
func belowURL(folder *url.URL, path string) *url.URL {
	u := *folder
	u.Path += path
	u.RawPath = string(appendEscaped([]byte(u.RawPath), path))
	return &u
}
