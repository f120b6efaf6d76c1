package main

import (
	"fmt"
	"strings"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/quorum"
)

// Options that say when files may be read, and what is to be done before.
var markerOptions = []option{
	{"marker", "NAME", "take files only once one of this name lies beside them, and not that one: _SUCCESS, or '*.done', for all of " +
		"its folder. STEM.done is for the files whose names begin as its own",
		setMarker},
	{"merge", "", "make one file of all that a marker stands for, of the name of the marker",
		toggle(func(s *settings) *bool { return &s.Merge })},
}

var mirrorOption = option{"mirror", "URL", "copy each file to this folder before it is read: a path, file:// or s3:// URL outside the source",
	text(func(s *settings) *string { return &s.Mirror })}

// stem is what stands in --marker for the beginning of a name.
const stem = "STEM"

// setMarker is --marker.
func setMarker(s *settings, value string) error {
	name := strings.TrimPrefix(strings.TrimPrefix(value, "*"), stem)
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/*?[") {
		return fmt.Errorf("%q is neither a name, nor *.EXT, nor STEM.EXT", value)
	}
	s.Marker = value
	return nil
}

func markerConfig(value string) quorum.Config {
	if ext, ok := strings.CutPrefix(value, stem); ok {
		return quorum.Config{Ext: ext, ByStem: true}
	}
	if ext, ok := strings.CutPrefix(value, "*"); ok {
		return quorum.Config{Ext: ext}
	}
	return quorum.Config{Name: value}
}

// awaitMarkers wraps a source for --marker.
func awaitMarkers(src source.Source, set settings) (source.Source, error) {
	if set.Merge {
		return quorum.New(src, markerConfig(set.Marker))
	}
	return quorum.NewEach(src, markerConfig(set.Marker))
}
