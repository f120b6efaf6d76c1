package source

import (
	"context"
	"iter"
	"path"
)

// FolderLister is an optional part of a [Source] that can list one folder without
// going through all others.
type FolderLister interface {
	// Folder lists the objects in a folder, and none of the folders in it, under the
	// rules of [Source.Objects]. folder is the part of their keys before the last
	// slash, empty for what has none. A folder that does not exist is empty.
	Folder(ctx context.Context, folder string) iter.Seq2[Object, error]
}

// Folder lists the objects in one folder of src, as [FolderLister] has it. If
// neither src nor the source that it decodes is one, all of src is listed for that.
func Folder(ctx context.Context, src Source, folder string) iter.Seq2[Object, error] {
	if l, ok := src.(FolderLister); ok {
		return l.Folder(ctx, folder)
	}
	if d, ok := src.(Decoder); ok {
		if l, ok := d.Stored().(FolderLister); ok {
			return l.Folder(ctx, folder)
		}
	}
	return func(yield func(Object, error) bool) {
		for o, err := range src.Objects(ctx) {
			if (err != nil || FolderOf(o.Key) == folder) && !yield(o, err) {
				return
			}
		}
	}
}

// FolderOf returns the part of a key before the last slash, empty where there is
// none.
func FolderOf(key string) string {
	if dir := path.Dir(key); dir != "." {
		return dir
	}
	return ""
}
