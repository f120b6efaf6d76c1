package csv_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/csv"
	"github.com/unspool-go/unspool/source/decompress"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
)

// Compressed CSV from a folder to a queue: each sound row comes once, of a large
// object and of a small one, and the text of each flawed one is in the corruption
// destination.
func TestPipeline(t *testing.T) {
	root := t.TempDir()
	in, corrupted := filepath.Join(root, "in"), filepath.Join(root, "corrupted")
	require.NoError(t, os.Mkdir(in, 0o755))
	sound, flaws := map[string]int{}, map[string]int{}
	put := func(name string, n int) {
		var b strings.Builder
		b.WriteString("id,text,amount\n")
		for i := range n {
			id := fmt.Sprintf("%s-%d", name, i)
			switch {
			case i%101 == 7:
				row := id + ",too few"
				flaws[row]++
				b.WriteString(row + "\n")
			case i%103 == 9:
				row := fmt.Sprintf("%s,\"over\ntwo \"\"lines\"\"\",no number", id)
				flaws[row]++
				b.WriteString(row + "\r\n")
			default:
				sound[id] = 0
				fmt.Fprintf(&b, "%s,\"some, \"\"text\"\"\nof row %d\",%d.50\n", id, i, i)
			}
		}
		require.NoError(t, os.WriteFile(filepath.Join(in, name+".csv.gz"), gzipped(t, b.String()), 0o600))
	}
	large := 40_000
	if testing.Short() {
		large = 8_000
	}
	put("large", large)
	put("small", 300)

	files, err := dir.Open(in, dir.Config{})
	require.NoError(t, err)
	defer files.Close()
	unpacked, err := decompress.New(files, decompress.Config{})
	require.NoError(t, err)
	rows, err := csv.New(unpacked, csv.Config{Columns: []csv.Column{{Name: "id"}, {Name: "amount", Type: csv.TypeNumber}}, Others: true})
	require.NoError(t, err)
	queue := sinkmemory.New(sinkmemory.Config{})
	service, err := processor.New(processor.Config{
		Source: rows, Claimer: memory.New(), Sink: queue, Concurrency: 4,
		Split:     source.Split{Format: source.FormatLines},
		Transform: transform.MustProject("id", "amount"),
		RetryURL:  filepath.Join(root, "retry"), FailedURL: filepath.Join(root, "failed"), CorruptionURL: corrupted,
	})
	require.NoError(t, err)
	report, err := service.Run(t.Context())
	require.NoError(t, err)
	resp := report.BaseResponse()
	assert.EqualValues(t, len(sound), resp.Delivered)
	assert.EqualValues(t, 2, resp.Finished)

	for _, m := range queue.Messages() {
		gjson.ParseBytes(m.Body).ForEach(func(_, row gjson.Result) bool {
			id := row.Get("id").String()
			sound[id]++
			_, number, _ := strings.Cut(id, "-")
			assert.Equal(t, number+".50", row.Get("amount").Raw)
			return true
		})
	}
	for id, n := range sound {
		require.Equal(t, 1, n, id)
	}
	parts, err := filepath.Glob(filepath.Join(corrupted, "*"))
	require.NoError(t, err)
	for _, name := range parts {
		f, err := os.Open(name)
		require.NoError(t, err)
		for e, err := range destination.ReadEnvelopes(f, 1<<20) {
			require.NoError(t, err)
			flaws[string(e.Data)]--
		}
		require.NoError(t, f.Close())
	}
	for row, n := range flaws {
		require.Zero(t, n, "%q", row)
	}
}
