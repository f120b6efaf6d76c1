package dir

import "time"

// maxStamps is the most folders that are watched for changes.
const maxStamps = 1024

// settledAge is how long ago a folder must have changed for its times to tell
// the next change: file systems keep times in steps, of two seconds at most.
const settledAge = 3 * time.Second

// stamps are the folders of one listing, as they were before they were read.
type stamps struct {
	files    *files
	settled  time.Duration
	folders  []stamp
	unsure   bool // there is something that the folders would not tell
	complete bool // the listing came to its end
}

type stamp struct {
	path string
	was  version
}

func (s *stamps) reset() { *s = stamps{files: s.files, settled: s.settled, folders: s.folders[:0]} }

// add notes the folder whose key, with a slash at the end, is prefix.
func (s *stamps) add(prefix string) {
	if s.unsure || len(s.folders) == maxStamps {
		s.unsure = true
		return
	}
	path := "."
	if prefix != "" {
		path = prefix[:len(prefix)-1]
	}
	was, ok := s.files.version(path)
	if !ok || time.Since(was.changed()) < s.settled {
		s.unsure = true
		return
	}
	s.folders = append(s.folders, stamp{path, was})
}

// changed reports whether a listing made now may find more.
func (s *stamps) changed() bool {
	if !s.complete || s.unsure {
		return true
	}
	for _, f := range s.folders {
		if is, ok := s.files.version(f.path); !ok || is != f.was {
			return true
		}
	}
	return false
}
