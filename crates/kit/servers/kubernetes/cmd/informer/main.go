// Informer watches the ConfigMaps of one namespace with client-go's shared informer, as controllers do, and prints one
// JSON line an event: {"event": "add|update|delete|error", "name": …, "resourceVersion": …}. The cache's own view is
// printed once it is in sync, and again for every line read on standard input: {"event": "cache", "names": […]}.
//
// It runs until its standard input ends.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

type line struct {
	Event           string   `json:"event"`
	Name            string   `json:"name,omitempty"`
	ResourceVersion string   `json:"resourceVersion,omitempty"`
	Names           []string `json:"names,omitempty"`
	Message         string   `json:"message,omitempty"`
}

var out sync.Mutex

func say(l line) {
	out.Lock()
	defer out.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(l)
}

func event(kind string, object any) {
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	if configMap, ok := object.(*corev1.ConfigMap); ok {
		say(line{Event: kind, Name: configMap.Name, ResourceVersion: configMap.ResourceVersion})
	}
}

func run() error {
	kubeconfig := flag.String("kubeconfig", "", "the kubeconfig")
	namespace := flag.String("namespace", "default", "the namespace to watch")
	protobuf := flag.Bool("protobuf", true, "speak protobuf, as Kubernetes' own components do")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	if *protobuf {
		config.ContentType = "application/vnd.kubernetes.protobuf"
		config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(*namespace))
	informer := factory.Core().V1().ConfigMaps().Informer()
	err = informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		say(line{Event: "error", Message: err.Error()})
	})
	if err != nil {
		return err
	}
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { event("add", object) },
		UpdateFunc: func(_, object any) { event("update", object) },
		DeleteFunc: func(object any) { event("delete", object) },
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	factory.Start(ctx.Done())
	synced, giveUp := context.WithTimeout(ctx, time.Minute)
	defer giveUp()
	if !cache.WaitForCacheSync(synced.Done(), informer.HasSynced) {
		return fmt.Errorf("the cache did not come in sync within a minute")
	}
	show := func() {
		names := informer.GetStore().ListKeys()
		sort.Strings(names)
		say(line{Event: "cache", Names: names})
	}
	show()
	asked := bufio.NewScanner(os.Stdin)
	for asked.Scan() {
		show()
	}
	return asked.Err()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
