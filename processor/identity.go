package processor

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strconv"

	"github.com/unspool-go/unspool/source"
)

// RecordID returns the identity of a record: the same in every pass over the
// same content, and different for any other record. It is made of a hash of
// the object's key and identity, the record's offset in the decoded stream and,
// for the second and further outputs of one record, the number of the output:
// "jz1cJ8tSCJFEmPD01nKBDg.2048" or "jz1cJ8tSCJFEmPD01nKBDg.2048.1".
//
// The decoded stream is that of the source: whoever decodes an object in another
// way, such as in another order (source/sorted) or with other columns
// (source/csv), gives other records the same identities.
func RecordID(o source.Object, offset int64, output int) string {
	return string(appendRecordID(nil, objectHash(o.Key, o.Identity()), offset, output))
}

// objectHash is 128 bits of SHA-256 in 22 characters.
func objectHash(key, identity string) string {
	h := sha256.New()
	h.Write([]byte(key))
	h.Write([]byte{0})
	h.Write([]byte(identity))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

func appendRecordID(dst []byte, hash string, offset int64, output int) []byte {
	dst = append(dst, hash...)
	dst = append(dst, '.')
	dst = strconv.AppendInt(dst, offset, 10)
	if output > 0 {
		dst = append(dst, '.')
		dst = strconv.AppendInt(dst, int64(output), 10)
	}
	return dst
}

// stableMessageID names a message of one object by the records in it: two
// messages with the same name have the same body.
func stableMessageID(hash, fingerprint string, recs []entry) string {
	h := sha256.New()
	h.Write([]byte(hash))
	h.Write([]byte{0})
	h.Write([]byte(fingerprint))
	var n [16]byte
	for _, e := range recs {
		binary.BigEndian.PutUint64(n[:8], uint64(e.offset))
		binary.BigEndian.PutUint64(n[8:], uint64(e.output))
		h.Write(n[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:20])
}

// newRunID returns 12 random characters that may stand in a message id.
func newRunID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return hex.EncodeToString(b[:])
}
