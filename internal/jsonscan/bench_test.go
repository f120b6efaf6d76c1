package jsonscan

import (
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// BenchmarkValid compares the scanner with gjson's on documents that are
// mostly short keys and values, mostly text, and mostly numbers, and on
// indented ones.
func BenchmarkValid(b *testing.B) {
	for _, c := range []struct{ name, data string }{
		{"members", `{"created_at":"Mon Nov 23 10:00:00 +0000 2026","id":1068574316932927488,"truncated":false,"user":{` +
			strings.Repeat(`"screen_name":"user_1234","followers_count":1234,"url":null,"profile_image_url":"http:\/\/pbs.example.com\/profile_images\/12\/normal.jpeg","protected":false,`, 14) +
			`"lang":"en"}}`},
		{"indented", "{" + strings.Repeat("\n    \"screen_name\": \"user_1234\",\n    \"followers_count\": 1234,\n    \"url\": null,", 20) + "\n    \"lang\": \"en\"\n}"},
		{"text", `["` + strings.Repeat("It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife. ", 20) + `"]`},
		{"numbers", `[` + strings.Repeat(`-73.987654,40.7512345,17,1700000000000,`, 60) + `0]`},
	} {
		data := []byte(c.data)
		b.Run(c.name+"/own", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := Valid(data, 10_000); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/gjson", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if !gjson.ValidBytes(data) {
					b.Fatal("invalid")
				}
			}
		})
	}
}
