package standin

import (
	"net/http"
	"regexp"
	"strings"
)

// Signature is how a request is signed.
type Signature int

const (
	// Signed is a signature of the right form, region, service and date.
	Signed Signature = iota
	// Unsigned is a request without a signature.
	Unsigned
	// Incomplete is no whole Signature Version 4.
	Incomplete
	// OutOfScope is the signature for another region, service or date.
	OutOfScope
)

// authorization is a SigV4 header.
var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=[^/, ]+/(\d{8})/([a-z0-9-]+)/([a-z0-9]+)/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=[0-9a-f]{64}$`)

// CheckSignature looks at the form of a signature. It is not verified: any
// credentials do.
func CheckSignature(h http.Header, region, service string) Signature {
	auth := h.Get("Authorization")
	if auth == "" {
		return Unsigned
	}
	date := h.Get("X-Amz-Date")
	m := authorization.FindStringSubmatch(auth)
	if m == nil || date == "" || !includes(m[4], "host") || !includes(m[4], "x-amz-date") {
		return Incomplete
	}
	if !strings.HasPrefix(date, m[1]) || m[2] != region || m[3] != service {
		return OutOfScope
	}
	return Signed
}

// includes reports whether a header is among those that are signed.
func includes(signed, header string) bool {
	return strings.Contains(";"+signed+";", ";"+header+";")
}
