package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/unspool-go/unspool/processor"
)

func TestSummaryObeysNoFileName(t *testing.T) {
	r := processor.Response{Status: processor.StatusOK, Errors: []string{`a "plain" reason`, "nl\nbad.json: broken", "\x1b[2J\xff: broken"}}
	text := summaryText(r)
	assert.Contains(t, text, `a "plain" reason`)
	assert.Contains(t, text, `nl\nbad.json: broken`)
	assert.Contains(t, text, `\x1b[2J\xff: broken`)
	assert.NotContains(t, text, "\x1b")
}
