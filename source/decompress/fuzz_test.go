package decompress

import (
	"bytes"
	stdbzip2 "compress/bzip2"
	stdgzip "compress/gzip"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Whatever is stored, reading ends in EOF or in a defect; both ways of reading
// agree; and what is taken for sound is what other decoders make of it.
func FuzzDecode(f *testing.F) {
	for _, name := range append([]string{"records.none.xz", "records.json"}, checked...) {
		for c := range byte(numCodecs) {
			f.Add(c, vector(f, name))
		}
		f.Add(byte(0), append(vector(f, name), vector(f, name)...))
	}
	names := [numCodecs]string{"a", "a.gz", "a.zst", "a.bz2", "a.xz"}
	f.Fuzz(func(t *testing.T, name byte, data []byte) {
		key := names[name%byte(numCodecs)]
		s, _ := over(t, Config{MaxBytes: 1 << 20, MaxWindowBytes: 1 << 20}, key, data)
		got, err := readAll(s, key)
		if err != nil {
			require.True(t, fault.Is(err, fault.ClassCorrupt), "%v", err)
		}
		again, againErr := readSizes(s, key, 333)
		require.Equal(t, got, again)
		require.Equal(t, err == nil, againErr == nil)
		small, _, smallErr := s.(source.SmallReader).ReadObject(t.Context(), source.Object{Key: key, Size: -1}, nil, 2<<20)
		if err != nil {
			require.ErrorIs(t, smallErr, source.ErrTooLarge)
			return
		}
		require.NoError(t, smallErr)
		require.Equal(t, got, string(small))
		if other := decodeOtherwise(DetectAuto.codec(key, data[:min(len(data), headBytes)]), data); other != nil {
			want, err := io.ReadAll(other)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
		}
	})
}

// decodeOtherwise is another decoder: nil where there is none.
func decodeOtherwise(c codec, data []byte) io.Reader {
	switch c {
	case plain:
		return bytes.NewReader(data)
	case gzipped: // which knows no padding
		if r, err := stdgzip.NewReader(bytes.NewReader(bytes.TrimRight(data, "\x00"))); err == nil && data[len(data)-1] != 0 {
			return r
		}
	case bzipped:
		return stdbzip2.NewReader(bytes.NewReader(data))
	case xzipped:
		if r, err := xz.NewReader(bytes.NewReader(data)); err == nil {
			return r
		}
	}
	return nil
}
