package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	applycore "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// none stands for an object that is not there.
const none = ""

// writer alone writes some objects, so that it knows what must be there.
type writer struct {
	number int
	kube   *kubernetes.Clientset
	custom client.Client
	tally  *tally
	// The value that was last acknowledged or read, by kind and name.
	known map[object]string
	lost  error
}

// object is a config map, or a widget.
type object struct {
	widget bool
	name   string
}

func newWriter(number, each int, kube *kubernetes.Clientset, custom client.Client, tally *tally) *writer {
	made := &writer{number: number, kube: kube, custom: custom, tally: tally, known: map[object]string{}}
	for at := range each {
		made.known[object{false, fmt.Sprintf("m-%d-%d", number, at)}] = none
		made.known[object{true, fmt.Sprintf("w-%d-%d", number, at)}] = none
	}
	return made
}

// write writes until the context ends. What it did not hear of is read again before it goes on.
func (w *writer) write(ctx context.Context, random *rand.Rand) {
	all := make([]object, 0, len(w.known))
	for object := range w.known {
		all = append(all, object)
	}
	for turn := 0; ctx.Err() == nil && w.lost == nil; turn++ {
		object := all[random.IntN(len(all))]
		before, after := w.known[object], fmt.Sprintf("v-%d-%d", w.number, turn)
		if before != none && random.IntN(4) == 0 {
			after = none
		}
		// Not of the storm's context: an answer that nobody waits for would leave a doubt at the end.
		limited, stop := context.WithTimeout(context.Background(), 10*time.Second)
		err := w.set(limited, object, before, after, random)
		stop()
		if err == nil {
			w.tally.Acknowledged.Add(1)
			w.known[object] = after
			continue
		}
		w.tally.Unsure.Add(1)
		found, err := w.read(object)
		if err != nil {
			w.lost = fmt.Errorf("%v cannot be read: %w", object, err)
			return
		}
		if found != before && found != after {
			w.lost = fmt.Errorf("%v was %q, then perhaps %q, and is %q", object, before, after, found)
			return
		}
		w.known[object] = found
	}
}

// set brings an object from one value to another.
func (w *writer) set(ctx context.Context, object object, before, after string, random *rand.Rand) error {
	if object.widget {
		return w.setWidget(ctx, object.name, before, after)
	}
	maps := w.kube.CoreV1().ConfigMaps(stormNamespace)
	made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: object.name}, Data: map[string]string{"value": after}}
	var err error
	switch {
	case before == none:
		_, err = maps.Create(ctx, made, metav1.CreateOptions{})
	case after == none:
		err = maps.Delete(ctx, object.name, metav1.DeleteOptions{})
	case random.IntN(2) == 0:
		_, err = maps.Update(ctx, made, metav1.UpdateOptions{})
	default:
		wanted := applycore.ConfigMap(object.name, stormNamespace).WithData(made.Data)
		_, err = maps.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "storm", Force: true})
	}
	return err
}

func (w *writer) setWidget(ctx context.Context, name, before, after string) error {
	made := widget(stormNamespace, name, after)
	switch {
	case before == none:
		// The one before may still wait for its finalizer.
		for {
			err := w.custom.Create(ctx, made)
			if !apierrors.IsAlreadyExists(err) {
				return err
			}
			found := &Widget{}
			if err := w.custom.Get(ctx, client.ObjectKeyFromObject(made), found); err == nil && found.DeletionTimestamp.IsZero() {
				return errors.New("it is there already")
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(20 * time.Millisecond):
			}
		}
	case after == none:
		return w.custom.Delete(ctx, made)
	}
	patch := fmt.Sprintf(`{"spec":{"value":%q}}`, after)
	return w.custom.Patch(ctx, made, client.RawPatch(types.MergePatchType, []byte(patch)))
}

// read gives an object's value, as soon as the server says it.
func (w *writer) read(object object) (string, error) {
	var value string
	err := until(context.Background(), "the server", func(ctx context.Context) error {
		limited, stop := context.WithTimeout(ctx, 5*time.Second)
		defer stop()
		value = none
		if object.widget {
			found := &Widget{}
			err := w.custom.Get(limited, client.ObjectKey{Namespace: stormNamespace, Name: object.name}, found)
			if err == nil && found.DeletionTimestamp.IsZero() {
				value = found.Spec.Value
			}
			return client.IgnoreNotFound(err)
		}
		found, err := w.kube.CoreV1().ConfigMaps(stormNamespace).Get(limited, object.name, metav1.GetOptions{})
		if err == nil {
			value = found.Data["value"]
		}
		return client.IgnoreNotFound(err)
	})
	return value, err
}

// checkWriters compares what the writers know with what the server has.
func checkWriters(ctx context.Context, writers []*writer) error {
	known := map[object]string{}
	for _, writer := range writers {
		if writer.lost != nil {
			return writer.lost
		}
		for object, value := range writer.known {
			known[object] = value
		}
	}
	maps, list := &corev1.ConfigMapList{}, &WidgetList{}
	reader := writers[0].custom
	if err := reader.List(ctx, maps, client.InNamespace(stormNamespace)); err != nil {
		return err
	}
	if err := reader.List(ctx, list, client.InNamespace(stormNamespace)); err != nil {
		return err
	}
	found := map[object]string{}
	for _, made := range maps.Items {
		if made.Labels[part] == "" {
			found[object{false, made.Name}] = made.Data["value"]
		}
	}
	for _, made := range list.Items {
		if made.DeletionTimestamp.IsZero() {
			found[object{true, made.Name}] = made.Spec.Value
		}
	}
	for object, value := range known {
		if found[object] != value {
			return fmt.Errorf("%v is %q and should be %q", object, found[object], value)
		}
		delete(found, object)
	}
	return want(len(found) == 0, "too much: %v", found)
}
