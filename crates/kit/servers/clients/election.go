package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// election counts leaders of one lease.
type election struct {
	tally *tally

	mutex   sync.Mutex
	leading string
	wrong   error
}

// stand stands for election again and again. A leader leads for two seconds and gives the lease back: less than it may go
// without renewing, so that it never leads longer than it is allowed to.
func (e *election) stand(ctx context.Context, config *rest.Config, name string) {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		e.fail(err)
		return
	}
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: stormNamespace, Name: "leader"},
		Client:     kube.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: name},
	}
	for ctx.Err() == nil {
		term, resign := context.WithCancel(ctx)
		leaderelection.RunOrDie(term, leaderelection.LeaderElectionConfig{
			Lock: lock, ReleaseOnCancel: true,
			LeaseDuration: 6 * time.Second, RenewDeadline: 4 * time.Second, RetryPeriod: 250 * time.Millisecond,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) {
					e.starts(name)
					select {
					case <-term.Done():
					case <-time.After(2 * time.Second):
					}
					// Before the lease is given back, and not after.
					e.stops()
					resign()
				},
				OnStoppedLeading: func() {},
			},
		})
		resign()
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (e *election) starts(name string) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.tally.Leaders.Add(1)
	if e.leading != "" {
		e.wrong = fmt.Errorf("%s leads beside %s", name, e.leading)
	}
	e.leading = name
}

func (e *election) stops() {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.leading = ""
}

func (e *election) fail(err error) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.wrong = err
}

func (e *election) verdict() error {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if e.wrong != nil {
		return e.wrong
	}
	return want(e.tally.Leaders.Load() > 1, "%d leaders", e.tally.Leaders.Load())
}
