package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const stormNamespace = "storm"

// plan is how much goes on in a storm.
type plan struct {
	lasts   time.Duration
	objects int
	writers int
}

// tally is what happened.
type tally struct {
	Acknowledged atomic.Int64
	Unsure       atomic.Int64
	Leaders      atomic.Int64
	Events       atomic.Int64
}

// storm lets writers, informers, a controller and candidates for one lease work at once while the server is killed and
// started again, and then checks that nothing acknowledged is lost, that every informer has what a list has, that the
// controller did its work, and that there was one leader at a time.
func storm(ctx context.Context, config *rest.Config, plan plan) error {
	if err := install(ctx, config); err != nil {
		return err
	}
	kube, err := kubernetes.NewForConfig(protobuf(config))
	if err != nil {
		return err
	}
	byName, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	custom, err := client.New(config, client.Options{Scheme: newScheme()})
	if err != nil {
		return err
	}
	// It runs niced, beside everything else.
	patience = 45 * time.Second
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: stormNamespace}}
	if _, err := kube.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return err
	}
	var tally tally
	followers, err := startFollowers(ctx, config, kube, byName, &tally)
	if err != nil {
		return err
	}
	manager, _, err := newManager(config, stormNamespace, true)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(running) }()

	raging, over := context.WithTimeout(ctx, plan.lasts)
	defer over()
	var busy sync.WaitGroup
	election := &election{tally: &tally}
	for at := range 3 {
		busy.Go(func() { election.stand(raging, config, fmt.Sprintf("candidate-%d", at)) })
	}
	writers := make([]*writer, plan.writers)
	for at := range writers {
		writers[at] = newWriter(at, plan.objects/plan.writers/2, kube, custom, &tally)
		busy.Go(func() { writers[at].write(raging, rand.New(rand.NewPCG(uint64(at), 1))) })
	}
	busy.Wait()
	calm, giveUp := context.WithTimeout(ctx, 2*time.Minute)
	defer giveUp()
	verdicts := []struct {
		name string
		why  error
	}{
		{"no acknowledged write is lost", checkWriters(calm, writers)},
		{"there is one leader at a time", election.verdict()},
		{"the controller does its work", checkController(calm, custom)},
		{"every informer has what a list has", checkFollowers(calm, byName, followers)},
	}
	stop()
	var failed error
	if err := <-ended; err != nil {
		fmt.Printf("FAIL the manager lives: %v\n", err)
		failed = errors.New("the storm did harm")
	}
	for _, verdict := range verdicts {
		if verdict.why != nil {
			fmt.Printf("FAIL %s: %v\n", verdict.name, verdict.why)
			failed = errors.New("the storm did harm")
			continue
		}
		fmt.Printf("ok %s\n", verdict.name)
	}
	figures, _ := json.Marshal(map[string]int64{
		"acknowledged": tally.Acknowledged.Load(), "unsure": tally.Unsure.Load(), "leaders": tally.Leaders.Load(),
		"events": tally.Events.Load(),
	})
	fmt.Printf("storm %s\n", figures)
	return failed
}

// checkController waits until every widget is seen by the controller, and every child is of a widget.
func checkController(ctx context.Context, reader client.Reader) error {
	return until(ctx, "the controller", func(ctx context.Context) error {
		list, children := &WidgetList{}, &corev1.ConfigMapList{}
		if err := reader.List(ctx, list, client.InNamespace(stormNamespace)); err != nil {
			return err
		}
		if err := reader.List(ctx, children, client.InNamespace(stormNamespace), client.HasLabels{part}); err != nil {
			return err
		}
		values := map[string]string{}
		for _, child := range children.Items {
			values[child.Labels[part]] = child.Data["value"]
		}
		for _, object := range list.Items {
			if object.Status.Observed != object.Spec.Value || values[object.Name] != object.Spec.Value {
				return fmt.Errorf("%s is %q, seen as %q, its child has %q", object.Name, object.Spec.Value, object.Status.Observed, values[object.Name])
			}
		}
		return want(len(list.Items) > 0 && len(children.Items) == len(list.Items), "%d widgets, %d children", len(list.Items), len(children.Items))
	})
}
