// Asks Argo CD's own code for the health of objects from stdin, with one health check in Lua as an override.
//
// Usage: argocd-health KEY FILE.lua <objects.json. KEY is that of the override, as in db.example.org/Kind; stdin is a JSON
// array of objects; stdout is an array of one {"status", "message"} for each, in order.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	appv1 "github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 3 {
		return fmt.Errorf("cannot tell health: found %d arguments, do give a key and a file of Lua", len(os.Args)-1)
	}
	script, err := os.ReadFile(os.Args[2])
	if err != nil {
		return err
	}
	// The standard libraries stay off, as they are in Argo CD unless an administrator turns them on.
	overrides := lua.ResourceHealthOverrides{os.Args[1]: appv1.ResourceOverride{HealthLua: string(script)}}
	var objects []json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return err
	}
	answers := make([]*health.HealthStatus, 0, len(objects))
	for _, raw := range objects {
		var object unstructured.Unstructured
		// Numbers are read as a client of the API server reads them.
		if err := object.UnmarshalJSON(raw); err != nil {
			return err
		}
		answer, err := health.GetResourceHealth(&object, overrides)
		if err != nil {
			return err
		}
		answers = append(answers, answer)
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}
