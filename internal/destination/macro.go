package destination

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
)

// macro matches whatever looks like a macro, known or not.
var macro = regexp.MustCompile(`\$\{?[A-Za-z]+\}?`)

// CheckMacros reports a macro in url that nobody knows.
func CheckMacros(url string) error {
	for _, m := range macro.FindAllString(url, -1) {
		if m != "$UUID" && m != "$TimePath" {
			return fmt.Errorf("unknown macro %s: there are $UUID and $TimePath", m)
		}
	}
	return nil
}

// Expand replaces the macros in url: $UUID by a random one, $TimePath by start
// (by default now) as yyyy/MM/dd/HH, UTC.
func Expand(url string, start time.Time) (string, error) {
	if start.IsZero() {
		start = time.Now()
	}
	if strings.Contains(url, "$UUID") {
		id, err := uuid.NewRandom()
		if err != nil {
			return "", fmt.Errorf("expand $UUID: %w", err)
		}
		url = strings.ReplaceAll(url, "$UUID", id.String())
	}
	return strings.ReplaceAll(url, "$TimePath", start.UTC().Format("2006/01/02/15")), nil
}
