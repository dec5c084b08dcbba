package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// tools is what a check has: a namespace of its own and clients of every sort.
type tools struct {
	config    *rest.Config
	namespace string
	// client is controller-runtime's: protobuf for built-in kinds, JSON for custom ones.
	client client.WithWatch
	// kube is client-go's, with protobuf both ways where the server has it.
	kube *kubernetes.Clientset
	// json is client-go's, as programs use it that say nothing.
	json    *kubernetes.Clientset
	dynamic dynamic.Interface
}

type check struct {
	name string
	run  func(context.Context, *tools) error
}

// suite runs every check in a namespace of its own.
func suite(ctx context.Context, config *rest.Config) error {
	if err := install(ctx, config); err != nil {
		return err
	}
	withWatch, err := client.NewWithWatch(config, client.Options{Scheme: newScheme()})
	if err != nil {
		return err
	}
	kube, err := kubernetes.NewForConfig(protobuf(config))
	if err != nil {
		return err
	}
	json, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	byName, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	failed := 0
	for _, list := range [][]check{objectChecks, applyChecks, kindChecks, discoveryChecks, controllerChecks} {
		for _, check := range list {
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "suite-"}}
			if err := withWatch.Create(ctx, namespace); err != nil {
				return fmt.Errorf("a namespace: %w", err)
			}
			limited, stop := context.WithTimeout(ctx, 30*time.Second)
			err := check.run(limited, &tools{config, namespace.Name, withWatch, kube, json, byName})
			stop()
			if err != nil {
				failed++
				fmt.Printf("FAIL %s: %v\n", check.name, err)
				continue
			}
			fmt.Printf("ok %s\n", check.name)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}

// want fails unless it holds.
func want(holds bool, format string, arguments ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, arguments...)
}

// wantError fails unless the error is of this sort.
func wantError(err error, is func(error) bool, sort string) error {
	return want(err != nil && is(err), "wanted %s, got %v", sort, err)
}

// steps runs one after the other, up to the first that fails.
func steps(all ...func() error) error {
	for at, step := range all {
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", at+1, err)
		}
	}
	return nil
}

// patience is how long anything is waited for.
var patience = 15 * time.Second

// until asks again and again; what it was told last is part of the error.
func until(ctx context.Context, what string, holds func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		err := holds(ctx)
		if err == nil || ctx.Err() == nil {
			// Cut off at the end it says no more than that.
			last = err
		}
		return err == nil, nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("waited in vain for %s", what), last)
	}
	return nil
}
