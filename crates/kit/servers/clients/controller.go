package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// part is the label of what the controller makes.
const part = "clients.drover.io/part-of"

const finalizer = "clients.drover.io/finalizer"

// reconciler gives each widget a ConfigMap with the widget's value, and tells in its status what it saw.
type reconciler struct {
	client    client.Client
	finalized atomic.Int64
}

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	object := &Widget{}
	if err := r.client.Get(ctx, request.NamespacedName, object); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !object.DeletionTimestamp.IsZero() {
		if controllerutil.RemoveFinalizer(object, finalizer) {
			r.finalized.Add(1)
			return ctrl.Result{}, client.IgnoreNotFound(r.client.Update(ctx, object))
		}
		return ctrl.Result{}, nil
	}
	if controllerutil.AddFinalizer(object, finalizer) {
		if err := r.client.Update(ctx, object); err != nil {
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
	}
	child := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: object.Namespace, Name: "of-" + object.Name}}
	_, err := controllerutil.CreateOrUpdate(ctx, r.client, child, func() error {
		child.Labels = map[string]string{part: object.Name}
		child.Data = map[string]string{"value": object.Spec.Value}
		return controllerutil.SetControllerReference(object, child, r.client.Scheme())
	})
	if err != nil {
		return ctrl.Result{}, err
	}
	if object.Status.Observed == object.Spec.Value {
		return ctrl.Result{}, nil
	}
	before := object.DeepCopy()
	object.Status.Observed = object.Spec.Value
	return ctrl.Result{}, client.IgnoreNotFound(r.client.Status().Patch(ctx, object, client.MergeFrom(before)))
}

// newManager makes a manager with the widgets' controller, over one namespace.
func newManager(configuration *rest.Config, namespace string, lead bool) (manager.Manager, *reconciler, error) {
	made, err := ctrl.NewManager(configuration, manager.Options{
		Scheme:                        newScheme(),
		Cache:                         cache.Options{DefaultNamespaces: map[string]cache.Config{namespace: {}}},
		Metrics:                       metricsserver.Options{BindAddress: "0"},
		LeaderElection:                lead,
		LeaderElectionID:              "widgets",
		LeaderElectionNamespace:       namespace,
		LeaderElectionReleaseOnCancel: true,
		// Longer than the server is ever away.
		LeaseDuration: ptr.To(60 * time.Second), RenewDeadline: ptr.To(40 * time.Second), RetryPeriod: ptr.To(time.Second),
		Controller: config.Controller{SkipNameValidation: ptr.To(true), MaxConcurrentReconciles: 4},
	})
	if err != nil {
		return nil, nil, err
	}
	err = made.GetFieldIndexer().IndexField(context.Background(), &Widget{}, "byValue", func(object client.Object) []string {
		return []string{object.(*Widget).Spec.Value}
	})
	if err != nil {
		return nil, nil, err
	}
	reconciler := &reconciler{client: made.GetClient()}
	// A server that is killed again and again makes the pause after a failure double each time: unbounded it would be a minute soon.
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](5*time.Millisecond, time.Second)
	err = ctrl.NewControllerManagedBy(made).Named("widgets").For(&Widget{}).Owns(&corev1.ConfigMap{}).
		WithOptions(controller.Options{RateLimiter: limiter}).Complete(reconciler)
	return made, reconciler, err
}

// A manager with a controller over a custom kind, a cache and leader election.
var controllerChecks = []check{
	{"a controller follows its kind and what it owns", func(ctx context.Context, t *tools) error {
		made, reconciler, err := newManager(t.config, t.namespace, true)
		if err != nil {
			return err
		}
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- made.Start(running) }()
		if !made.GetCache().WaitForCacheSync(ctx) {
			stop()
			return fmt.Errorf("the cache does not come in sync: %w", <-ended)
		}
		err = follow(ctx, t, made, reconciler)
		stop()
		if stopped := <-ended; err == nil {
			err = stopped
		}
		return err
	}},
	{"a cache of metadata alone, and one by selectors, come in sync", func(ctx context.Context, t *tools) error {
		for at, colour := range []string{"red", "green", "green"} {
			object := widget(t.namespace, fmt.Sprintf("w-%d", at), "v")
			object.Spec.Colour = colour
			if err := t.client.Create(ctx, object); err != nil {
				return err
			}
		}
		made, err := cache.New(t.config, cache.Options{
			Scheme:            newScheme(),
			DefaultNamespaces: map[string]cache.Config{t.namespace: {}},
			ByObject: map[client.Object]cache.ByObject{
				&Widget{}: {Field: oneField("spec.colour", "green")},
			},
		})
		if err != nil {
			return err
		}
		running, stop := context.WithCancel(ctx)
		defer stop()
		go func() { _ = made.Start(running) }()
		if !made.WaitForCacheSync(ctx) {
			return errors.New("the cache does not start")
		}
		typed, metadata := &WidgetList{}, &metav1.PartialObjectMetadataList{}
		metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
		return steps(
			func() error { return made.List(ctx, typed) },
			func() error { return want(len(typed.Items) == 2, "%d widgets", len(typed.Items)) },
			func() error { return made.List(ctx, metadata) },
		)
	}},
}

// follow changes widgets and waits for what the controller makes of it.
func follow(ctx context.Context, t *tools, made manager.Manager, reconciler *reconciler) error {
	object, child := widget(t.namespace, "a", "one"), &corev1.ConfigMap{}
	key, childKey := client.ObjectKeyFromObject(object), client.ObjectKey{Namespace: t.namespace, Name: "of-a"}
	settled := func(value string) error {
		return until(ctx, "the controller", func(ctx context.Context) error {
			return steps(
				func() error { return made.GetClient().Get(ctx, key, object) },
				func() error { return want(object.Status.Observed == value, "observed %q", object.Status.Observed) },
				func() error { return t.client.Get(ctx, childKey, child) },
				func() error { return want(child.Data["value"] == value, "the child has %v", child.Data) },
			)
		})
	}
	return steps(
		func() error { return t.client.Create(ctx, object) },
		func() error { return settled("one") },
		func() error {
			return t.client.Patch(ctx, object, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"value":"two"}}`)))
		},
		func() error { return settled("two") },
		func() error { child.Data = map[string]string{"value": "other"}; return t.client.Update(ctx, child) },
		func() error { return settled("two") },
		func() error { return t.client.Delete(ctx, child) },
		func() error { return settled("two") },
		func() error {
			found := &WidgetList{}
			if err := made.GetClient().List(ctx, found, client.MatchingFields{"byValue": "two"}); err != nil {
				return err
			}
			return want(len(found.Items) == 1, "%d by index", len(found.Items))
		},
		func() error { return t.client.Delete(ctx, object) },
		func() error {
			return until(ctx, "widget and child to go", func(ctx context.Context) error {
				return steps(
					func() error { return wantError(t.client.Get(ctx, key, object), apierrors.IsNotFound, "not found") },
					func() error { return wantError(t.client.Get(ctx, childKey, child), apierrors.IsNotFound, "not found") },
				)
			})
		},
		func() error { return want(reconciler.finalized.Load() > 0, "nothing was finalized") },
	)
}
