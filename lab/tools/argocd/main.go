// Asks Argo CD's own code for the health of objects from stdin, or for what its actions make of them, with ours as an override;
// or has its engine sync an Application, as its application controller does.
//
// Usage: argocd health|actions KEY FILE <objects.json. KEY is that of the override, as in db.example.org/Kind; FILE is
// a health check in Lua, or actions as argocd-cm has them, in YAML; stdin is a JSON array of objects; stdout is an array with
// one answer for each, in order: {"status", "message"}, or by name {"disabled", "object"}.
//
// Or: argocd sync KUBECONFIG NAMESPACE <operations. A line of stdin is {"path", "prune", "syncOptions", "serverSideDiff"}: the
// YAML in the folder at path is what Git has from then on, and is synced. A line of stdout is a new state of the Application.
// It reads the ConfigMap argocd-cm in the namespace argocd, which needs the label that Argo CD's own manifests give it, and
// ends with stdin.
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
	if len(os.Args) != 4 {
		return fmt.Errorf("cannot ask Argo CD: found %d arguments; give a verb and what it needs", len(os.Args)-1)
	}
	if os.Args[1] == "sync" {
		return runSyncs(os.Args[2], os.Args[3])
	}
	key := os.Args[2]
	script, err := os.ReadFile(os.Args[3])
	if err != nil {
		return err
	}
	ask := func(object *unstructured.Unstructured) (any, error) {
		// The standard libraries stay off, as they are in Argo CD unless an administrator turns them on.
		overrides := lua.ResourceHealthOverrides{key: appv1.ResourceOverride{HealthLua: string(script)}}
		return health.GetResourceHealth(object, overrides)
	}
	if os.Args[1] == "actions" {
		vm := lua.VM{ResourceOverrides: map[string]appv1.ResourceOverride{key: {Actions: string(script)}}}
		ask = func(object *unstructured.Unstructured) (any, error) { return actions(vm, object) }
	}
	var objects []json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return err
	}
	answers := make([]any, 0, len(objects))
	for _, raw := range objects {
		var object unstructured.Unstructured
		// Numbers are read as a client of the API server reads them.
		if err := object.UnmarshalJSON(raw); err != nil {
			return err
		}
		answer, err := ask(&object)
		if err != nil {
			return err
		}
		answers = append(answers, answer)
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

type action struct {
	Disabled bool           `json:"disabled"`
	Object   map[string]any `json:"object"`
}

// actions gives what is offered for an object, and what each would make of it, as Argo CD's API server asks for them.
func actions(vm lua.VM, object *unstructured.Unstructured) (map[string]action, error) {
	discovery, err := vm.GetResourceActionDiscovery(object)
	if err != nil {
		return nil, err
	}
	offered, err := vm.ExecuteResourceActionDiscovery(object, discovery)
	if err != nil {
		return nil, err
	}
	answers := map[string]action{}
	for _, each := range offered {
		if each.Disabled {
			answers[each.Name] = action{Disabled: true}
			continue
		}
		definition, err := vm.GetResourceAction(object, each.Name)
		if err != nil {
			return nil, err
		}
		impacted, err := vm.ExecuteResourceAction(object, definition.ActionLua, nil)
		if err != nil {
			return nil, err
		}
		if len(impacted) != 1 || impacted[0].K8SOperation != lua.PatchOperation {
			return nil, fmt.Errorf("the action %s changes %d objects, and should patch one", each.Name, len(impacted))
		}
		answers[each.Name] = action{Object: impacted[0].UnstructuredObj.Object}
	}
	return answers, nil
}
