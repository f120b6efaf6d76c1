package emf_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws/emf"
)

func Example() {
	var log strings.Builder // os.Stdout in a Lambda function
	metrics, err := emf.New(&log, emf.Config{Function: os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), Only: []string{emf.Loaded, emf.CorruptRatio, emf.LagMs}})
	if err != nil {
		fmt.Println(err)
		return
	}
	report := processor.NewReporter() // from service.Run(ctx)
	report.BaseResponse().Loaded, report.BaseResponse().CorruptionErrors = 200, 50
	if err := metrics.Run(report); err != nil {
		fmt.Println(err)
		return
	}
	var line struct {
		AWS struct {
			CloudWatchMetrics []struct{ Metrics json.RawMessage }
		} `json:"_aws"`
		Loaded       int
		CorruptRatio float64
	}
	if err := json.Unmarshal([]byte(log.String()), &line); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(line.AWS.CloudWatchMetrics[0].Metrics))
	fmt.Println(line.Loaded, line.CorruptRatio)
	// Output:
	// [{"Name":"CorruptRatio","Unit":"None"},{"Name":"LagMs","Unit":"Milliseconds"},{"Name":"Loaded","Unit":"Count"}]
	// 200 0.25
}
