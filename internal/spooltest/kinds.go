package spooltest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

const (
	// FirstID is below every id. It is beyond 2^53, as the ids of real feeds are.
	FirstID = 1_500_000_000_000_000_000
	// maxRecords is the most records one file may hold.
	maxRecords = 16
)

// maker fills one file.
type maker struct {
	*rand.Rand
	file *File
	next int64 // id of the next record
}

// kind is one sort of file.
type kind struct {
	name string
	fill func(*maker)
}

// oddKinds are legal, and every record in them must be delivered.
var oddKinds = []kind{
	{"array", (*maker).array},
	{"lines", (*maker).lines},
	{"concatenated", (*maker).concatenated},
	{"pretty-printed", (*maker).pretty},
	{"crlf", (*maker).crlf},
	{"repeated key", (*maker).repeatedKey},
	{"missing fields", (*maker).missing},
	{"nested", (*maker).nested},
}

// corruptKinds hold at least one record that must go to the corruption
// destination. Where good records stand on lines of their own beside it, they
// must be delivered.
var corruptKinds = []kind{
	{"truncated", (*maker).truncated},
	{"broken line", (*maker).brokenLine},
	{"noise", (*maker).noise},
	{"bad UTF-8", (*maker).badUTF8},
	{"trailing comma", (*maker).trailingComma},
}

func (m *maker) make(k kind) {
	m.file.Kind = k.name
	k.fill(m)
}

func (m *maker) write(parts ...string) {
	for _, p := range parts {
		m.file.Data = append(m.file.Data, p...)
	}
}

// good writes a record that must be delivered.
func (m *maker) good(id int64, text []byte) {
	at := len(m.file.Data)
	m.file.Data = append(m.file.Data, text...)
	m.file.Records = append(m.file.Records, Record{ID: id, JSON: m.file.Data[at:len(m.file.Data):len(m.file.Data)]})
}

// newID returns an id that no other record has.
func (m *maker) newID() int64 {
	m.next++
	return m.next
}

// newRecord returns a record and its id.
func (m *maker) newRecord() (int64, []byte) {
	id := m.newID()
	return id, appendTweet(nil, m.Rand, id)
}

func (m *maker) plain() {
	m.preamble()
	id, text := m.newRecord()
	m.good(id, text)
	m.write([]string{"", "\n", "\n\n"}[m.IntN(3)])
}

// preamble writes what exporters like to put before the JSON. Some of it holds
// braces and quotes, which must not be taken for the value.
func (m *maker) preamble() {
	switch m.IntN(10) {
	case 0:
	case 1:
		m.write("\ufeff")
	case 2:
		m.write("// exported 2026-11-21T23:59:59Z\n// see [1] {x} for \"the format\"\n")
	case 3:
		m.write("# feed dump, part ", fmt.Sprint(m.IntN(1000)), "\n#\n\n")
	case 4:
		m.write("-- host=loader-", fmt.Sprint(m.IntN(64)), "\n; retention=7d\n")
	case 5:
		m.write("/* {\"id\": 1} is an example,\n * not data */\n")
	case 6:
		m.write("<!-- generated, do not edit: {} -->\n\n")
	case 7:
		m.write(")]}',\n")
	case 8:
		m.write("Dump of {feed} taken at midnight\nContent-Type: application/json\n\n")
	case 9:
		m.write("while(1);")
	}
}

func (m *maker) array() {
	m.preamble()
	m.write("[")
	for i := range 2 + m.IntN(4) {
		if i > 0 {
			m.write(",\n ")
		}
		m.good(m.newRecord())
	}
	m.write("]\n")
}

func (m *maker) lines() {
	m.preamble()
	for range 2 + m.IntN(4) {
		m.good(m.newRecord())
		m.write("\n")
	}
}

func (m *maker) concatenated() {
	for range 2 + m.IntN(2) {
		m.good(m.newRecord())
	}
}

func (m *maker) pretty() {
	m.preamble()
	id, text := m.newRecord()
	var out bytes.Buffer
	// The record is valid by construction; Indent keeps every value as it is.
	if err := json.Indent(&out, text, "", "  "); err != nil {
		out.Reset()
		out.Write(text)
	}
	m.good(id, out.Bytes())
	m.write("\n")
}

func (m *maker) crlf() {
	m.write("\ufeff// Windows was here\r\n\r\n")
	m.good(m.newRecord())
	m.write("\r\n")
}

func (m *maker) repeatedKey() {
	m.preamble()
	id, text := m.newRecord()
	text = append(text[:len(text)-1], `,"id":0,"lang":"zz"}`...)
	m.good(id, text)
}

func (m *maker) missing() {
	m.preamble()
	id := m.newID()
	m.good(id, fmt.Appendf(nil, `{"id":%d,"delete":{"status":{"id":%d},"timestamp_ms":"%d"}}`, id, id, id>>20))
}

func (m *maker) nested() {
	id := m.newID()
	const depth = 200
	m.good(id, fmt.Appendf(nil, `{"id":%d,"user":{"screen_name":"deep"},"thread":%s"}"%s}`,
		id, strings.Repeat("[", depth), strings.Repeat("]", depth)))
	m.write("\n")
}

func (m *maker) truncated() {
	m.preamble()
	_, text := m.newRecord()
	m.write(string(text[:len(text)/4+m.IntN(len(text)/2)]))
	m.file.Corrupt++
}

func (m *maker) brokenLine() {
	m.good(m.newRecord())
	m.write("\n")
	_, text := m.newRecord()
	m.write(strings.Replace(string(text), `":`, `" `, 1), "\n")
	m.file.Corrupt++
	m.good(m.newRecord())
	m.write("\n")
}

func (m *maker) noise() {
	m.write("{")
	for range 2000 {
		// Neither a newline nor anything that could begin a record.
		m.file.Data = append(m.file.Data, "\x00\x01\x7f\x80\xc3\xfe\xff\x1b"[m.IntN(8)])
	}
	m.file.Corrupt++
}

func (m *maker) badUTF8() {
	m.preamble()
	_, text := m.newRecord()
	m.write(strings.Replace(string(text), `"text":"`, "\"text\":\"\xc3\x28", 1), "\n")
	m.file.Corrupt++
}

func (m *maker) trailingComma() {
	m.preamble()
	_, text := m.newRecord()
	m.write(string(text[:len(text)-1]), ",}\n")
	m.file.Corrupt++
}
