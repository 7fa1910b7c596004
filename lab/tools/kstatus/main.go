// Asks kstatus, the library by which Flux and kpt wait, about objects from stdin.
//
// Usage: kstatus <objects.json. Stdin is a JSON array of objects; stdout is an array of one {"status", "message"} for
// each, in order.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type answer struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var objects []json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return err
	}
	answers := make([]answer, 0, len(objects))
	for _, raw := range objects {
		var object unstructured.Unstructured
		// Numbers are read as a client of the API server reads them.
		if err := object.UnmarshalJSON(raw); err != nil {
			return err
		}
		result, err := status.Compute(&object)
		if err != nil {
			return err
		}
		answers = append(answers, answer{result.Status.String(), result.Message})
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}
