package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Items that there are: all, and those that have their result.
const (
	stored   = "attribute_exists(transaction_id)"
	finished = "attribute_exists(net)"
)

// count returns how many items there are of a kind.
func (c *chain) count(ctx context.Context, kind string) (n int, err error) {
	err = c.scan(ctx, &awsdynamodb.ScanInput{
		TableName: awssdk.String(tableName), Select: types.SelectCount, FilterExpression: &kind,
	}, func(page *awsdynamodb.ScanOutput) { n += int(page.Count) })
	return n, err
}

// await waits until there are so many items of a kind.
func (c *chain) await(ctx context.Context, kind string, items int) error {
	for {
		start := time.Now()
		n, err := c.count(ctx, kind)
		if err != nil || n >= items {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d items: %w", n, items, context.Cause(ctx))
		case <-time.After(max(time.Second/4, 4*time.Since(start))): // a look reads the whole table
		}
	}
}

// scan reads the table.
func (c *chain) scan(ctx context.Context, in *awsdynamodb.ScanInput, each func(*awsdynamodb.ScanOutput)) error {
	in.ConsistentRead = awssdk.Bool(true)
	pages := awsdynamodb.NewScanPaginator(c.table, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		each(page)
	}
	return nil
}

// check compares what is stored with what had to be: each row that was clean, or could
// be mended, once, with its result, and nothing else.
func (c *chain) check(ctx context.Context, want *truth) error {
	var faults []error
	fault := func(format string, args ...any) {
		if len(faults) < 10 {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	seen := make(map[int]bool, len(want.nets))
	err := c.scan(ctx, &awsdynamodb.ScanInput{
		TableName: awssdk.String(tableName), ProjectionExpression: awssdk.String("transaction_id, net, #object, #record"),
		ExpressionAttributeNames: map[string]string{"#object": "object", "#record": "record"},
	}, func(page *awsdynamodb.ScanOutput) {
		for _, item := range page.Items {
			id := text(item["transaction_id"])
			number, err := strconv.Atoi(id[min(2, len(id)):])
			net, wanted := want.nets[number]
			switch {
			case err != nil || !wanted || id != transactionID(number):
				fault("%q is stored, which is no transaction that had to be", id)
			case text(item["net"]) != strconv.FormatInt(net, 10):
				fault("%s: its result is %q, want %d", id, text(item["net"]), net)
			case text(item["object"]) != csvFile || text(item["record"]) == "":
				fault("%s: it does not tell where it comes from", id)
			}
			seen[number] = true
		}
	})
	for number := range want.nets {
		if !seen[number] {
			fault("%s is lost", transactionID(number))
		}
	}
	return errors.Join(append(faults, err)...)
}

// text returns a string or a number.
func text(v types.AttributeValue) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	}
	return ""
}
