package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/cache"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync"
	synccommon "github.com/argoproj/argo-cd/gitops-engine/pkg/sync/common"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/argo-cd/v3/common"
	appv1 "github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/argo"
	argodiff "github.com/argoproj/argo-cd/v3/util/argo/diff"
	"github.com/argoproj/argo-cd/v3/util/argo/normalizers"
	argokube "github.com/argoproj/argo-cd/v3/util/kube"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/argo-cd/v3/util/settings"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// What is tracked as the Application's own carries this name, in Argo CD's annotation.
	appName         = "glance"
	argoCDNamespace = "argocd"
	// The engine checks again so often where no event tells of a change.
	refreshInterval = time.Second
)

// A line of stdin: what Git has from now on, and how it is synced.
type operation struct {
	Path           string            `json:"path"`
	Prune          bool              `json:"prune"`
	SyncOptions    appv1.SyncOptions `json:"syncOptions"`
	ServerSideDiff bool              `json:"serverSideDiff"`
}

// A line of stdout: the operation, by its number, and what the Application was found as before its last step.
type state struct {
	Operation int                       `json:"operation"`
	Phase     synccommon.OperationPhase `json:"phase"`
	Message   string                    `json:"message"`
	Results   []result                  `json:"results"`
	Sync      appv1.SyncStatusCode      `json:"sync"`
	Health    health.HealthStatusCode   `json:"health"`
	Resources []resource                `json:"resources"`
}

// What the operation has done about an object.
type result struct {
	Kind    string                `json:"kind"`
	Status  synccommon.ResultCode `json:"status"`
	Message string                `json:"message"`
}

type resource struct {
	Kind    string                  `json:"kind"`
	Sync    appv1.SyncStatusCode    `json:"sync"`
	Health  health.HealthStatusCode `json:"health"`
	Message string                  `json:"message"`
}

type application struct {
	operation
	number  int
	targets []*unstructured.Unstructured
	started metav1.Time
	phase   synccommon.OperationPhase
	message string
	results []synccommon.ResourceSyncResult
}

type controller struct {
	raw       *rest.Config
	config    *rest.Config
	namespace string
	kubectl   kube.Kubectl
	cluster   cache.ClusterCache
	tracking  argo.ResourceTracking

	// Of argocd-cm.
	overrides      map[string]appv1.ResourceOverride
	compareOptions settings.ArgoCDDiffOptions
	trackingMethod string
	labelKey       string
}

func runSyncs(kubeconfig, namespace string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	changed := make(chan struct{}, 1)
	c, err := newController(ctx, kubeconfig, namespace, changed)
	if err != nil {
		return err
	}
	operations, ended := readOperations()
	var app *application
	var printed []byte
	for {
		select {
		case err := <-ended:
			return err
		case next := <-operations:
			if app, err = c.begin(next, app); err != nil {
				return err
			}
		case <-changed:
		case <-time.After(refreshInterval):
		}
		if app == nil {
			continue
		}
		found, err := c.reconcile(ctx, app)
		if err != nil {
			return err
		}
		line, err := json.Marshal(found)
		if err != nil {
			return err
		}
		if !bytes.Equal(line, printed) {
			fmt.Println(string(line))
			printed = line
		}
	}
}

func readOperations() (<-chan operation, <-chan error) {
	operations := make(chan operation)
	ended := make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			var next operation
			if err := json.Unmarshal(lines.Bytes(), &next); err != nil {
				ended <- err
				return
			}
			operations <- next
		}
		ended <- lines.Err()
	}()
	return operations, ended
}

func newController(ctx context.Context, kubeconfig, namespace string, changed chan<- struct{}) (*controller, error) {
	raw, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	// The engine writes a kubeconfig of it for kubectl's code, which takes no file beside its content.
	if err := rest.LoadTLSFiles(raw); err != nil {
		return nil, err
	}
	raw.CAFile = ""
	config := rest.CopyConfig(raw)
	if err := appv1.SetK8SConfigDefaults(config); err != nil {
		return nil, err
	}
	c := &controller{
		raw:       raw,
		config:    config,
		namespace: namespace,
		kubectl:   argokube.NewKubectl(),
		tracking:  argo.NewResourceTracking(),
	}
	filter, err := c.readSettings(ctx)
	if err != nil {
		return nil, err
	}
	c.cluster = cache.NewClusterCache(config,
		cache.SetKubectl(c.kubectl),
		cache.SetNamespaces([]string{namespace}),
		cache.SetSettings(cache.Settings{
			ResourceHealthOverride: lua.ResourceHealthOverrides(c.overrides),
			ResourcesFilter:        filter,
		}),
		cache.SetPopulateResourceInfoHandler(func(object *unstructured.Unstructured, isRoot bool) (any, bool) {
			tracked := isRoot && c.tracking.GetAppName(object, c.labelKey, appv1.TrackingMethod(c.trackingMethod), "") == appName
			return tracked, tracked
		}),
	)
	c.cluster.OnResourceUpdated(func(now, before *cache.Resource, _ map[kube.ResourceKey]*cache.Resource) {
		if (now != nil && isTracked(now)) || (before != nil && isTracked(before)) {
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	})
	return c, c.cluster.EnsureSynced()
}

func isTracked(object *cache.Resource) bool {
	tracked, ok := object.Info.(bool)
	return ok && tracked
}

// readSettings has Argo CD's own code read argocd-cm, the health check of ours in it.
func (c *controller) readSettings(ctx context.Context) (*settings.ResourcesFilter, error) {
	clientset, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return nil, err
	}
	manager := settings.NewSettingsManager(ctx, clientset, argoCDNamespace)
	if c.overrides, err = manager.GetResourceOverrides(); err != nil {
		return nil, err
	}
	if c.compareOptions, err = manager.GetResourceCompareOptions(); err != nil {
		return nil, err
	}
	if c.trackingMethod, err = manager.GetTrackingMethod(); err != nil {
		return nil, err
	}
	if c.labelKey, err = manager.GetAppInstanceLabelKey(); err != nil {
		return nil, err
	}
	return manager.GetResourcesFilter()
}

func (c *controller) begin(next operation, before *application) (*application, error) {
	app := &application{operation: next, number: 1, started: metav1.Now(), phase: synccommon.OperationRunning}
	if before != nil {
		app.number = before.number + 1
	}
	files, err := filepath.Glob(filepath.Join(next.Path, "*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		objects, err := kube.SplitYAML(text)
		if err != nil {
			return nil, err
		}
		app.targets = append(app.targets, objects...)
	}
	for _, object := range app.targets {
		if object.GetNamespace() == "" && kube.IsNamespacedOrUnknown(c.cluster, object.GroupVersionKind().GroupKind()) {
			object.SetNamespace(c.namespace)
		}
		method := appv1.TrackingMethod(c.trackingMethod)
		if err := c.tracking.SetAppInstance(object, c.labelKey, appName, c.namespace, method, ""); err != nil {
			return nil, err
		}
	}
	return app, nil
}

// reconcile compares, and takes the next step of an operation that has not ended.
func (c *controller) reconcile(ctx context.Context, app *application) (*state, error) {
	live, err := c.liveObjects(ctx, app)
	if err != nil {
		return nil, err
	}
	reconciliation := sync.Reconcile(app.targets, live, c.namespace, c.cluster)
	diffs, failure := c.diff(app, reconciliation)
	found, err := c.compare(reconciliation, diffs)
	if err != nil {
		return nil, err
	}
	switch {
	case app.phase.Completed():
	case failure != nil:
		// As SyncAppState of Argo CD's controller ends an operation before its first step.
		message := "Failed to compare desired state to live state: " + failure.Error()
		condition := appv1.ApplicationCondition{Type: appv1.ApplicationConditionComparisonError, Message: message}
		app.phase, app.message = synccommon.OperationError, argo.FormatAppConditions([]appv1.ApplicationCondition{condition})
	default:
		if err := c.step(app, reconciliation, diffs); err != nil {
			return nil, err
		}
	}
	found.Operation, found.Phase, found.Message = app.number, app.phase, app.message
	found.Results = make([]result, 0, len(app.results))
	for _, each := range app.results {
		found.Results = append(found.Results, result{each.ResourceKey.Kind, each.Status, each.Message})
	}
	return found, nil
}

// liveObjects gives what the cluster has, as it is now. Argo CD takes it from its cache, and gives that 2 s for each wave.
func (c *controller) liveObjects(ctx context.Context, app *application) (map[kube.ResourceKey]*unstructured.Unstructured, error) {
	live, err := c.cluster.GetManagedLiveObjs(app.targets, isTracked)
	if err != nil {
		return nil, err
	}
	for key, cached := range live {
		now, err := c.kubectl.GetResource(ctx, c.config, cached.GroupVersionKind(), key.Name, key.Namespace)
		switch {
		case apierrors.IsNotFound(err):
			delete(live, key)
		case err != nil:
			return nil, err
		default:
			live[key] = now
		}
	}
	return live, nil
}

// diff finds what differs between the live objects and those of Git, as CompareAppState of Argo CD's controller does. It fails
// where it asks the API server, which refuses what is in Git.
func (c *controller) diff(app *application, reconciliation sync.ReconciliationResult) (*diff.DiffResultList, error) {
	builder := argodiff.NewDiffConfigBuilder().
		WithDiffSettings(nil, c.overrides, c.compareOptions.IgnoreAggregatedRoles, normalizers.IgnoreNormalizerOpts{}).
		WithTracking(c.labelKey, c.trackingMethod).
		WithNoCache().
		WithGVKParser(c.cluster.GetGVKParser()).
		WithManager(common.ArgoCDSSAManager).
		WithStructuredMergeDiff(app.SyncOptions.HasOption(synccommon.SyncOptionServerSideApply)).
		WithServerSideDiff(app.ServerSideDiff)
	if app.ServerSideDiff {
		applier, cleanup, err := argokube.ManageServerSideDiffDryRuns(c.raw, nil)
		if err != nil {
			return nil, err
		}
		defer cleanup()
		builder.WithServerSideDryRunner(diff.NewK8sServerSideDryRunner(applier))
	}
	diffConfig, err := builder.Build()
	if err != nil {
		return nil, err
	}
	return argodiff.StateDiffs(reconciliation.Live, reconciliation.Target, diffConfig)
}

// compare gives the state of each object, and from these that of the Application. Without differences it is unknown.
func (c *controller) compare(reconciliation sync.ReconciliationResult, diffs *diff.DiffResultList) (*state, error) {
	found := &state{Sync: appv1.SyncStatusCodeSynced, Health: health.HealthStatusHealthy, Resources: []resource{}}
	for i, target := range reconciliation.Target {
		live := reconciliation.Live[i]
		each := resource{Sync: appv1.SyncStatusCodeSynced, Health: health.HealthStatusMissing}
		switch {
		case diffs == nil:
			each.Sync = appv1.SyncStatusCodeUnknown
		case target == nil || live == nil || diffs.Diffs[i].Modified:
			each.Sync = appv1.SyncStatusCodeOutOfSync
		}
		if each.Sync != appv1.SyncStatusCodeSynced {
			found.Sync = each.Sync
		}
		if live == nil {
			each.Kind = target.GetKind()
		} else {
			each.Kind = live.GetKind()
			each.Health = ""
			status, err := health.GetResourceHealth(live, lua.ResourceHealthOverrides(c.overrides))
			if err != nil {
				return nil, err
			}
			// Some kinds have none, as Secret.
			if status != nil {
				each.Health, each.Message = status.Status, status.Message
				if health.IsWorse(found.Health, status.Status) {
					found.Health = status.Status
				}
			}
		}
		found.Resources = append(found.Resources, each)
	}
	// Objects that are not in Git come in any order.
	slices.SortFunc(found.Resources, func(one, other resource) int { return strings.Compare(one.Kind, other.Kind) })
	return found, nil
}

// step does what SyncAppState of Argo CD's controller does, with the same options. There is no delay between waves.
func (c *controller) step(app *application, reconciliation sync.ReconciliationResult, diffs *diff.DiffResultList) error {
	has := app.SyncOptions.HasOption
	propagation := metav1.DeletePropagationForeground
	for i := range app.results {
		app.results[i].Order = i + 1
	}
	syncContext, cleanup, err := sync.NewSyncContext("", reconciliation, c.config, c.raw, c.kubectl, c.namespace,
		sync.WithHealthOverride(lua.ResourceHealthOverrides(c.overrides)),
		sync.WithOperationSettings(false, app.Prune, false, false),
		sync.WithInitialState(app.phase, app.message, app.results, app.started),
		sync.WithManifestValidation(!has(synccommon.SyncOptionsDisableValidation)),
		sync.WithPruneLast(has(synccommon.SyncOptionPruneLast)),
		sync.WithResourceModificationChecker(has(synccommon.SyncOptionApplyOutOfSyncOnly), diffs),
		sync.WithPrunePropagationPolicy(&propagation),
		sync.WithReplace(has(synccommon.SyncOptionReplace)),
		sync.WithServerSideApply(has(synccommon.SyncOptionServerSideApply)),
		sync.WithServerSideApplyManager(common.ArgoCDSSAManager),
	)
	if err != nil {
		return err
	}
	defer cleanup()
	syncContext.Sync()
	app.phase, app.message, app.results = syncContext.GetState()
	return nil
}
