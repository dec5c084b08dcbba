package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

var configMaps = corev1.SchemeGroupVersion.WithResource("configmaps")

// follower is an informer that looks at what it is told.
type follower struct {
	name     string
	resource schema.GroupVersionResource
	informer cache.SharedIndexInformer

	mutex sync.Mutex
	seen  map[types.UID]uint64
	wrong error
}

func oneField(name, value string) fields.Selector { return fields.OneTermEqualSelector(name, value) }

// startFollowers starts informers of every sort, typed, dynamic and of metadata, all with WatchList where client-go has it on.
func startFollowers(
	ctx context.Context, config *rest.Config, kube *kubernetes.Clientset, byName dynamic.Interface, tally *tally,
) ([]*follower, error) {
	about, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	typed := informers.NewSharedInformerFactoryWithOptions(kube, 0, informers.WithNamespace(stormNamespace))
	untyped := dynamicinformer.NewFilteredDynamicSharedInformerFactory(byName, 0, stormNamespace, nil)
	partial := metadatainformer.NewFilteredSharedInformerFactory(about, 0, stormNamespace, nil)
	all := []*follower{
		{name: "typed", resource: configMaps, informer: typed.Core().V1().ConfigMaps().Informer()},
		{name: "dynamic", resource: widgets, informer: untyped.ForResource(widgets).Informer()},
		{name: "dynamic", resource: configMaps, informer: untyped.ForResource(configMaps).Informer()},
		{name: "metadata", resource: widgets, informer: partial.ForResource(widgets).Informer()},
		{name: "metadata", resource: configMaps, informer: partial.ForResource(configMaps).Informer()},
	}
	for _, follower := range all {
		follower.seen = map[types.UID]uint64{}
		told := func(object any) { tally.Events.Add(1); follower.told(object) }
		_, err := follower.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: told, UpdateFunc: func(_, object any) { told(object) }, DeleteFunc: func(any) { tally.Events.Add(1) },
		})
		if err != nil {
			return nil, err
		}
	}
	typed.Start(ctx.Done())
	untyped.Start(ctx.Done())
	partial.Start(ctx.Done())
	for _, follower := range all {
		if !cache.WaitForCacheSync(ctx.Done(), follower.informer.HasSynced) {
			return nil, fmt.Errorf("the %s informer of %s is not in sync", follower.name, follower.resource.Resource)
		}
	}
	return all, nil
}

// told checks that an object never becomes an older one.
func (f *follower) told(object any) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return
	}
	version, err := strconv.ParseUint(accessor.GetResourceVersion(), 10, 64)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if last := f.seen[accessor.GetUID()]; err != nil || version < last {
		f.wrong = fmt.Errorf("%s went from %d to %q", accessor.GetName(), last, accessor.GetResourceVersion())
	}
	f.seen[accessor.GetUID()] = version
}

// checkFollowers waits until every informer has what a list has, in the same versions.
func checkFollowers(ctx context.Context, byName dynamic.Interface, followers []*follower) error {
	for _, follower := range followers {
		err := until(ctx, fmt.Sprintf("the %s informer of %s", follower.name, follower.resource.Resource), func(ctx context.Context) error {
			list, err := byName.Resource(follower.resource).Namespace(stormNamespace).List(ctx, metav1.ListOptions{})
			if err != nil {
				return err
			}
			store := follower.informer.GetStore()
			for at := range list.Items {
				listed := &list.Items[at]
				object, exists, err := store.GetByKey(stormNamespace + "/" + listed.GetName())
				if err != nil || !exists {
					return fmt.Errorf("%s is missing: %w", listed.GetName(), err)
				}
				accessor, err := meta.Accessor(object)
				if err != nil {
					return err
				}
				has, wanted := accessor.GetResourceVersion(), listed.GetResourceVersion()
				if err := want(has == wanted, "%s is %s, not %s", listed.GetName(), has, wanted); err != nil {
					return err
				}
			}
			has := len(store.ListKeys())
			return want(has == len(list.Items), "%d objects, not %d", has, len(list.Items))
		})
		if err != nil {
			return err
		}
		follower.mutex.Lock()
		wrong := follower.wrong
		follower.mutex.Unlock()
		if wrong != nil {
			return wrong
		}
	}
	return nil
}
