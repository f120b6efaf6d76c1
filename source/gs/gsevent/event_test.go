package gsevent_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/gs/gsevent"
)

// data is an object as events have it, from the documentation of Cloud Storage.
const data = `{"kind":"storage#object","id":"b/folder/x y.json/1587627537231057","name":"folder/x y.json","bucket":"b",
	"generation":"1587627537231057","metageneration":"1","contentType":"text/plain","timeCreated":"2020-04-23T07:38:57.230Z",
	"updated":"2020-04-23T07:38:57.231Z","storageClass":"STANDARD","size":"352","md5Hash":"xx","crc32c":"rTVTeQ==","etag":"CNHZkbuF/ugCEAE="}`

var object = source.Object{
	Key: "folder/x y.json", Version: "1587627537231057", Size: 352, ModTime: time.Date(2020, 4, 23, 7, 38, 57, 230e6, time.UTC),
}

func TestParse(t *testing.T) {
	for kind, created := range map[string]bool{
		"": true, "google.cloud.storage.object.v1.finalized": true, "google.storage.object.finalize": true, "OBJECT_FINALIZE": true,
		"google.cloud.storage.object.v1.deleted": false, "google.storage.object.archive": false, "OBJECT_METADATA_UPDATE": false,
		"google.cloud.audit.log.v1.written": false,
	} {
		e, err := gsevent.Parse(kind, []byte(data))
		require.NoError(t, err)
		assert.Equal(t, gsevent.Event{Type: kind, Bucket: "b", Object: object, Time: time.Date(2020, 4, 23, 7, 38, 57, 231e6, time.UTC)}, e)
		assert.Equal(t, created, e.Created(), kind)
		assert.EqualValues(t, 1587627537231057, e.Generation())
	}
}

// The rule of JSON for numbers of 64 bits is that whoever reads them takes texts and
// numbers.
func TestNumbersThatAreNoTexts(t *testing.T) {
	text := strings.NewReplacer(`"1587627537231057"`, "1587627537231057", `"352"`, "352").Replace(data)
	require.NotContains(t, text, `"352"`)
	e, err := gsevent.Parse("", []byte(text))
	require.NoError(t, err)
	assert.Equal(t, object, e.Object)
}

func TestWhatIsNoEvent(t *testing.T) {
	for _, text := range []string{
		"", "null", "{}", "[]", `"secret"`, `{"bucket":"secret","name":"n"}`, `{"bucket":"b","name":"secret","generation":"x"}`,
		`{"bucket":"b","name":"n","generation":"0"}`, `{"bucket":"b","name":"n","generation":"1","size":"-1"}`,
		`{"bucket":"b","name":"n","generation":"1","size":"secret"}`, `{"bucket":"b","name":"n","generation":1e9}`,
		`{"bucket":"b","name":"n","generation":"1","size":1.5}`, `{"bucket":"b","name":"n","generation":"01"}`, `{"bucket":"b","name":"n","generation":"1","updated":"secret"}`,
	} {
		_, err := gsevent.Parse("", []byte(text))
		require.Error(t, err, text)
		assert.True(t, fault.Is(err, fault.ClassCorrupt), text)
		assert.NotContains(t, err.Error(), "secret")
		var e gsevent.Event
		if text != "null" { // json leaves that alone
			require.Error(t, json.Unmarshal([]byte(text), &e), text)
		}
	}
}

func TestFromAttributes(t *testing.T) {
	attributes := map[string]string{
		"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": "folder/x y.json", "objectGeneration": "1587627537231057",
		"payloadFormat": "JSON_API_V1", "eventTime": "2020-04-23T07:38:57.230752Z",
	}
	e, ok, err := gsevent.FromAttributes(attributes, []byte(data))
	require.NoError(t, err)
	require.True(t, ok)
	assert.Equal(t, object, e.Object)
	assert.Equal(t, 230752*time.Microsecond, e.Time.Sub(e.Time.Truncate(time.Second)))

	attributes["payloadFormat"] = "NONE"
	e, ok, err = gsevent.FromAttributes(attributes, nil)
	require.NoError(t, err)
	require.True(t, ok)
	assert.Equal(t, source.Object{Key: object.Key, Version: object.Version, Size: -1}, e.Object)

	for name, value := range map[string]string{"objectGeneration": "x", "eventTime": "x"} {
		old := attributes[name]
		attributes[name] = value
		_, ok, err = gsevent.FromAttributes(attributes, nil)
		require.True(t, ok)
		assert.True(t, fault.Is(err, fault.ClassCorrupt), name)
		attributes[name] = old
	}
	for _, name := range []string{"eventType", "bucketId", "objectId"} {
		old := attributes[name]
		delete(attributes, name)
		_, ok, err = gsevent.FromAttributes(attributes, nil)
		require.NoError(t, err)
		assert.False(t, ok, name)
		attributes[name] = old
	}
}

func FuzzParse(f *testing.F) {
	f.Add("OBJECT_FINALIZE", data)
	f.Add("", `{"bucket":"b","name":"n","generation":"1"}`)
	f.Fuzz(func(t *testing.T, kind, text string) {
		e, err := gsevent.Parse(kind, []byte(text))
		if err != nil {
			require.True(t, fault.Is(err, fault.ClassCorrupt))
			return
		}
		require.NotEmpty(t, e.Bucket)
		require.NotEmpty(t, e.Object.Key)
		require.Positive(t, e.Generation())
		require.GreaterOrEqual(t, e.Object.Size, int64(-1))
		e2, ok, err := gsevent.FromAttributes(map[string]string{
			"eventType": "OBJECT_FINALIZE", "bucketId": e.Bucket, "objectId": e.Object.Key, "objectGeneration": e.Object.Version,
			"payloadFormat": "JSON_API_V1",
		}, []byte(text))
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, e.Object, e2.Object)
	})
}

func ExampleParse() {
	e, err := gsevent.Parse("google.cloud.storage.object.v1.finalized", []byte(data))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Created(), e.Bucket, e.Object.Key, e.Object.Size)
	// Output: true b folder/x y.json 352
}
