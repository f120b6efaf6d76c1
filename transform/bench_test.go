package transform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/internal/jsonscan"
	"github.com/unspool-go/unspool/source"
)

var (
	benchFields = []string{"id", "created_at", "text", "user=user.screen_name", "followers=user.followers_count", "tags=entities.hashtags.#.text"}
	benchPaths  = []string{"id", "created_at", "text", "user.screen_name", "user.followers_count", "entities.hashtags.#.text"}
)

// tweets returns n records with the shape of tweets, always the same: of about
// 2.4 KB, or with a brief user and no entities but hashtags, of about 500 B.
func tweets(n int, long bool) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("the of and to go queue worker lambda 日本語 café \\u2764\\ufe0f don't \\\"quoted\\\" https:\\/\\/t.co\\/Qx8Zb0 😀 records spool drain @user_name #topic")
	pick := func() string { return words[r.IntN(len(words))] }
	text := func(n int) string {
		var b strings.Builder
		for b.Len() < n {
			b.WriteString(pick() + " ")
		}
		return b.String()
	}
	var out [][]byte
	for range n {
		var b bytes.Buffer
		id := 1_000_000_000_000_000_000 + r.Int64N(1e17)
		user := 10_000_000 + r.IntN(1e9)
		var tags []string
		for range r.IntN(4) {
			at := r.IntN(100)
			tags = append(tags, fmt.Sprintf(`{"text":"%s%d","indices":[%d,%d]}`, "topic", r.IntN(1000), at, at+9))
		}
		fmt.Fprintf(&b, `{"created_at":"Mon Nov 23 %02d:%02d:%02d +0000 2026","id":%d,"id_str":"%d","text":"%s",`, r.IntN(24), r.IntN(60), r.IntN(60), id, id, text(110))
		if long {
			fmt.Fprintf(&b, `"source":"<a href=\"http:\/\/example.com\/download\/app\" rel=\"nofollow\">Example for Phones<\/a>","truncated":false,"in_reply_to_status_id":null,"in_reply_to_status_id_str":null,"in_reply_to_user_id":%d,"in_reply_to_user_id_str":"%d","in_reply_to_screen_name":"someone_else",`, user+7, user+7)
		}
		fmt.Fprintf(&b, `"user":{"id":%d,"id_str":"%d","name":"%s","screen_name":"user_%d","followers_count":%d`, user, user, text(12), user, r.IntN(100_000))
		if long {
			fmt.Fprintf(&b, `,"location":"%s","url":null,"description":"%s","protected":false,"verified":false,"friends_count":%d,"listed_count":%d,"favourites_count":%d,"statuses_count":%d,"created_at":"Sat Apr 12 11:02:24 +0000 2014","utc_offset":-14400,"time_zone":"Eastern Time (US & Canada)","geo_enabled":true,"lang":"en","contributors_enabled":false,"is_translator":false,"profile_background_color":"C0DEED","profile_background_image_url":"http:\/\/abs.example.com\/images\/themes\/theme1\/bg.png","profile_background_image_url_https":"https:\/\/abs.example.com\/images\/themes\/theme1\/bg.png","profile_background_tile":false,"profile_link_color":"0084B4","profile_sidebar_border_color":"C0DEED","profile_text_color":"333333","profile_use_background_image":true,"profile_image_url":"http:\/\/pbs.example.com\/profile_images\/%d\/normal.jpeg","default_profile":true,"default_profile_image":false,"following":null,"follow_request_sent":null,"notifications":null`,
				text(15), text(90), r.IntN(3000), r.IntN(100), r.IntN(9000), r.IntN(50_000), user)
		}
		b.WriteString(`},`)
		if long {
			fmt.Fprintf(&b, `"geo":{"type":"Point","coordinates":[%.6f,%.6f]},"coordinates":null,"place":null,"contributors":null,`, r.Float64()*90, -r.Float64()*180)
		}
		fmt.Fprintf(&b, `"retweet_count":%d,"favorite_count":%d,"entities":{"hashtags":[%s]`, r.IntN(100), r.IntN(100), strings.Join(tags, ","))
		if long {
			fmt.Fprintf(&b, `,"trends":[],"urls":[{"url":"https:\/\/t.co\/%x","expanded_url":"http:\/\/example.com\/%x","display_url":"example.com\/x","indices":[52,75]}],"user_mentions":[{"screen_name":"other","name":"Other One","id":%d,"id_str":"%d","indices":[0,6]}],"symbols":[]`, id, id, user+1, user+1)
		}
		b.WriteString(`},"favorited":false,"retweeted":false`)
		if long {
			fmt.Fprintf(&b, `,"possibly_sensitive":false,"filter_level":"low"`)
		}
		fmt.Fprintf(&b, `,"lang":"en","timestamp_ms":"%d"}`, 1_700_000_000_000+r.Int64N(1e9))
		out = append(out, b.Bytes())
	}
	return out
}

// BenchmarkProject compares the projection to six fields with what a user would
// write instead; all of them reject invalid JSON.
func BenchmarkProject(b *testing.B) {
	for _, size := range []struct {
		name string
		long bool
	}{{"2400B", true}, {"500B", false}} {
		records := tweets(256, size.long)
		bytes := 0
		for _, r := range records {
			bytes += len(r)
		}
		each := func(name string, work func(record []byte)) {
			b.Run(size.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(bytes / len(records)))
				for i := 0; b.Loop(); i++ {
					work(records[i%len(records)])
				}
			})
		}

		p := MustProject(benchFields...)
		ctx := b.Context()
		var out Output
		each("own", func(record []byte) {
			out.Reset()
			if err := p.Apply(ctx, source.Record{Data: record}, &out); err != nil {
				b.Fatal(err)
			}
		})
		each("ownprefix", func(record []byte) {
			out.Reset()
			if _, ok, err := p.ApplyPrefix(ctx, source.Record{}, record, 10_000, &out); err != nil || !ok {
				b.Fatal(err)
			}
		})
		var dst []byte
		each("gjson", func(record []byte) {
			if !gjson.ValidBytes(record) {
				b.Fatal("invalid")
			}
			dst = append(dst[:0], '{')
			for i, res := range gjson.GetManyBytes(record, benchPaths...) {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = append(append(append(dst, '"'), benchPaths[i]...), `":`...)
				dst = append(dst, res.Raw...)
			}
			dst = append(dst, '}')
		})
		type tweet struct {
			ID        json.Number `json:"id"`
			CreatedAt string      `json:"created_at"`
			Text      string      `json:"text"`
			User      struct {
				ScreenName string `json:"screen_name"`
				Followers  int    `json:"followers_count"`
			} `json:"user"`
			Entities struct {
				Hashtags []struct {
					Text string `json:"text"`
				} `json:"hashtags"`
			} `json:"entities"`
		}
		each("encodingjson", func(record []byte) {
			var t tweet
			if err := json.Unmarshal(record, &t); err != nil {
				b.Fatal(err)
			}
			tags := make([]string, len(t.Entities.Hashtags))
			for i, h := range t.Entities.Hashtags {
				tags[i] = h.Text
			}
			var err error
			dst, err = json.Marshal(struct {
				ID        json.Number `json:"id"`
				CreatedAt string      `json:"created_at"`
				Text      string      `json:"text"`
				User      string      `json:"user"`
				Followers int         `json:"followers"`
				Tags      []string    `json:"tags"`
			}{t.ID, t.CreatedAt, t.Text, t.User.ScreenName, t.User.Followers, tags})
			if err != nil {
				b.Fatal(err)
			}
		})
		each("validonly", func(record []byte) {
			if err := jsonscan.Valid(record, 10_000); err != nil {
				b.Fatal(err)
			}
		})
		each("gjsonvalidonly", func(record []byte) {
			if !gjson.ValidBytes(record) {
				b.Fatal("invalid")
			}
		})
	}
}
