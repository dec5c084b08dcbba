package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	autoscaling "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// What controller-runtime's client does with objects of a custom kind, typed and not, and with metadata alone.
var objectChecks = []check{
	{"a typed object is created, read, changed and deleted", func(ctx context.Context, t *tools) error {
		made, read := widget(t.namespace, "a", "one"), &Widget{}
		return steps(
			func() error { return t.client.Create(ctx, made) },
			func() error {
				return want(made.UID != "" && made.Generation == 1, "no uid or generation: %v", made.ObjectMeta)
			},
			func() error { return want(made.Spec.Colour == "red", "no default: %v", made.Spec) },
			func() error { return t.client.Get(ctx, client.ObjectKeyFromObject(made), read) },
			func() error { return want(read.ResourceVersion == made.ResourceVersion, "another version") },
			func() error { read.Spec.Value = "two"; return t.client.Update(ctx, read) },
			func() error { return want(read.Generation == 2, "generation %d", read.Generation) },
			func() error { return t.client.Delete(ctx, read) },
			func() error {
				return wantError(t.client.Get(ctx, client.ObjectKeyFromObject(made), read), apierrors.IsNotFound, "not found")
			},
			func() error { return wantError(t.client.Delete(ctx, made), apierrors.IsNotFound, "not found") },
		)
	}},
	{"an object of no known type is created, read, changed and deleted", func(ctx context.Context, t *tools) error {
		object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"value": "one"}}}
		object.SetGroupVersionKind(widgetGVK)
		object.SetNamespace(t.namespace)
		object.SetName("a")
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(version.WithKind("WidgetList"))
		return steps(
			func() error { return t.client.Create(ctx, object) },
			func() error { return unstructured.SetNestedField(object.Object, "two", "spec", "value") },
			func() error { return t.client.Update(ctx, object) },
			func() error { return t.client.List(ctx, list, client.InNamespace(t.namespace)) },
			func() error { return want(len(list.Items) == 1, "%d items", len(list.Items)) },
			func() error {
				value, _, _ := unstructured.NestedString(list.Items[0].Object, "spec", "value")
				return want(value == "two", "value %q", value)
			},
			func() error { return t.client.Delete(ctx, object) },
		)
	}},
	{"metadata alone is read, listed and patched", func(ctx context.Context, t *tools) error {
		made := widget(t.namespace, "a", "one")
		read := &metav1.PartialObjectMetadata{}
		read.SetGroupVersionKind(widgetGVK)
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(version.WithKind("WidgetList"))
		return steps(
			func() error { return t.client.Create(ctx, made) },
			func() error { return t.client.Get(ctx, client.ObjectKeyFromObject(made), read) },
			func() error { return want(read.UID == made.UID, "another uid") },
			func() error {
				before := read.DeepCopy()
				read.Annotations = map[string]string{"by": "metadata"}
				return t.client.Patch(ctx, read, client.MergeFrom(before))
			},
			func() error { return t.client.List(ctx, list, client.InNamespace(t.namespace)) },
			func() error {
				return want(len(list.Items) == 1 && list.Items[0].Annotations["by"] == "metadata", "list: %v", list.Items)
			},
			func() error { return t.client.Get(ctx, client.ObjectKeyFromObject(made), made) },
			func() error { return want(made.Spec.Value == "one", "the spec is gone") },
		)
	}},
	{"lists are selected by labels and fields, and come in pieces", func(ctx context.Context, t *tools) error {
		for at := range 25 {
			object := widget(t.namespace, fmt.Sprintf("w-%02d", at), "v")
			object.Labels = map[string]string{"parity": []string{"even", "odd"}[at%2]}
			if at < 3 {
				object.Spec.Colour = "green"
			}
			if err := t.client.Create(ctx, object); err != nil {
				return err
			}
		}
		count := func(expected int, options ...client.ListOption) error {
			list := &WidgetList{}
			if err := t.client.List(ctx, list, append(options, client.InNamespace(t.namespace))...); err != nil {
				return err
			}
			return want(len(list.Items) == expected, "%d items, not %d", len(list.Items), expected)
		}
		return steps(
			func() error { return count(13, client.MatchingLabels{"parity": "even"}) },
			func() error { return count(25, client.HasLabels{"parity"}) },
			func() error { return count(3, client.MatchingFields{"spec.colour": "green"}) },
			func() error { return count(1, client.MatchingFields{"metadata.name": "w-07"}) },
			func() error {
				return count(1, client.MatchingFields{"spec.colour": "green"}, client.MatchingLabels{"parity": "odd"})
			},
			func() error {
				return wantError(count(0, client.MatchingFields{"spec.value": "v"}), apierrors.IsBadRequest, "a bad request")
			},
			func() error {
				seen, token := 0, ""
				for {
					list := &WidgetList{}
					err := t.client.List(ctx, list, client.InNamespace(t.namespace), client.Limit(10), client.Continue(token))
					if err != nil {
						return err
					}
					seen += len(list.Items)
					if token = list.Continue; token == "" {
						return want(seen == 25, "%d in pieces", seen)
					}
					if err := want(*list.RemainingItemCount == int64(25-seen), "%d remain", *list.RemainingItemCount); err != nil {
						return err
					}
				}
			},
			func() error {
				return t.client.DeleteAllOf(ctx, &Widget{}, client.InNamespace(t.namespace), client.MatchingLabels{"parity": "odd"})
			},
			func() error { return count(13) },
		)
	}},
	{"status is changed by its subresource alone", func(ctx context.Context, t *tools) error {
		made := widget(t.namespace, "a", "one")
		return steps(
			func() error { made.Status.Observed = "no"; return t.client.Create(ctx, made) },
			func() error { return want(made.Status.Observed == "", "a create wrote status") },
			func() error {
				made.Status.Observed = "one"
				made.Spec.Value = "no"
				return t.client.Status().Update(ctx, made)
			},
			func() error { return want(made.Status.Observed == "one" && made.Spec.Value == "one", "got %v", made) },
			func() error { return want(made.Generation == 1, "status changed the generation") },
			func() error {
				before := made.DeepCopy()
				meta.SetStatusCondition(&made.Status.Conditions, metav1.Condition{Type: "Ready", Status: "True", Reason: "Done"})
				return t.client.Status().Patch(ctx, made, client.MergeFrom(before))
			},
			func() error {
				return want(meta.IsStatusConditionTrue(made.Status.Conditions, "Ready"), "no condition: %v", made.Status)
			},
			func() error { made.Status.Observed = "two"; return t.client.Update(ctx, made) },
			func() error { return want(made.Status.Observed == "one", "an update wrote status") },
		)
	}},
	{"a stale update is a conflict, and one that is tried again is not", func(ctx context.Context, t *tools) error {
		made := widget(t.namespace, "a", "one")
		if err := t.client.Create(ctx, made); err != nil {
			return err
		}
		stale := made.DeepCopy()
		made.Spec.Value = "two"
		if err := t.client.Update(ctx, made); err != nil {
			return err
		}
		stale.Spec.Value = "three"
		if err := wantError(t.client.Update(ctx, stale), apierrors.IsConflict, "a conflict"); err != nil {
			return err
		}
		other := stale.DeepCopy()
		other.Labels = map[string]string{"a": "b"}
		optimistic := client.MergeFromWithOptions(stale, client.MergeFromWithOptimisticLock{})
		if err := wantError(t.client.Patch(ctx, other, optimistic), apierrors.IsConflict, "a conflict"); err != nil {
			return err
		}
		return retry.RetryOnConflict(retry.DefaultRetry, func() error {
			if err := t.client.Get(ctx, client.ObjectKeyFromObject(stale), stale); err != nil {
				return err
			}
			stale.Spec.Value = "three"
			return t.client.Update(ctx, stale)
		})
	}},
	{"an invalid object is refused with its fields", func(ctx context.Context, t *tools) error {
		made := widget(t.namespace, "a", "one")
		made.Spec.Colour, made.Spec.Replicas = "blue", -1
		err := t.client.Create(ctx, made)
		if err := wantError(err, apierrors.IsInvalid, "invalid"); err != nil {
			return err
		}
		causes := err.(apierrors.APIStatus).Status().Details.Causes
		// The schema's two, and the one that a scale's replicas have.
		return want(len(causes) == 3 && causes[2].Field == ".spec.replicas", "causes: %v", causes)
	}},
	{"unknown fields are refused, told or taken, as the client asks", func(ctx context.Context, t *tools) error {
		object := func(name string) *unstructured.Unstructured {
			object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"what": "is this"}}}
			object.SetGroupVersionKind(widgetGVK)
			object.SetNamespace(t.namespace)
			object.SetName(name)
			return object
		}
		return steps(
			func() error {
				err := client.WithFieldValidation(t.client, metav1.FieldValidationStrict).Create(ctx, object("a"))
				return wantError(err, apierrors.IsBadRequest, "a bad request")
			},
			func() error {
				return client.WithFieldValidation(t.client, metav1.FieldValidationWarn).Create(ctx, object("b"))
			},
			func() error {
				return client.WithFieldValidation(t.client, metav1.FieldValidationIgnore).Create(ctx, object("c"))
			},
		)
	}},
	{"a dry run changes nothing", func(ctx context.Context, t *tools) error {
		dry, made := client.NewDryRunClient(t.client), widget(t.namespace, "a", "one")
		return steps(
			func() error { return dry.Create(ctx, made.DeepCopy()) },
			func() error {
				return wantError(t.client.Get(ctx, client.ObjectKeyFromObject(made), &Widget{}), apierrors.IsNotFound, "not found")
			},
			func() error { return t.client.Create(ctx, made) },
			func() error { changed := made.DeepCopy(); changed.Spec.Value = "two"; return dry.Update(ctx, changed) },
			func() error { return dry.Delete(ctx, made) },
			func() error { return dry.DeleteAllOf(ctx, made, client.InNamespace(t.namespace)) },
			func() error {
				read := &Widget{}
				err := t.client.Get(ctx, client.ObjectKeyFromObject(made), read)
				return want(err == nil && read.ResourceVersion == made.ResourceVersion, "changed: %v %v", err, read)
			},
		)
	}},
	{"a deletion minds its preconditions", func(ctx context.Context, t *tools) error {
		made, other, old := widget(t.namespace, "a", "one"), types.UID("other"), "1"
		return steps(
			func() error { return t.client.Create(ctx, made) },
			func() error {
				err := t.client.Delete(ctx, made.DeepCopy(), client.Preconditions{UID: &other})
				return wantError(err, apierrors.IsConflict, "a conflict")
			},
			func() error {
				err := t.client.Delete(ctx, made.DeepCopy(), client.Preconditions{ResourceVersion: &old})
				return wantError(err, apierrors.IsConflict, "a conflict")
			},
			func() error {
				return t.client.Delete(ctx, made, client.Preconditions{UID: &made.UID, ResourceVersion: &made.ResourceVersion})
			},
		)
	}},
	{"a finalizer holds an object until it is taken off", func(ctx context.Context, t *tools) error {
		made := widget(t.namespace, "a", "one")
		controllerutil.AddFinalizer(made, "drover.io/hold")
		return steps(
			func() error { return t.client.Create(ctx, made) },
			func() error { return t.client.Delete(ctx, made) },
			func() error { return t.client.Get(ctx, client.ObjectKeyFromObject(made), made) },
			func() error { return want(!made.DeletionTimestamp.IsZero(), "no deletion timestamp") },
			func() error {
				changed := made.DeepCopy()
				controllerutil.AddFinalizer(changed, "drover.io/late")
				err := t.client.Update(ctx, changed)
				return want(apierrors.IsForbidden(err) || apierrors.IsInvalid(err), "a late finalizer: %v", err)
			},
			func() error {
				controllerutil.RemoveFinalizer(made, "drover.io/hold")
				return t.client.Update(ctx, made)
			},
			func() error {
				return wantError(t.client.Get(ctx, client.ObjectKeyFromObject(made), made), apierrors.IsNotFound, "not found")
			},
		)
	}},
	{"owners are set, and what they own goes with them", func(ctx context.Context, t *tools) error {
		owner := widget(t.namespace, "owner", "one")
		if err := t.client.Create(ctx, owner); err != nil {
			return err
		}
		child := func(name string) (*corev1.ConfigMap, error) {
			child := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: name}}
			if err := controllerutil.SetControllerReference(owner, child, t.client.Scheme()); err != nil {
				return nil, err
			}
			return child, t.client.Create(ctx, child)
		}
		first, err := child("first")
		if err != nil {
			return err
		}
		gone := func(object client.Object) error {
			return until(ctx, "the garbage collector", func(ctx context.Context) error {
				err := t.client.Get(ctx, client.ObjectKeyFromObject(object), object)
				return wantError(err, apierrors.IsNotFound, "not found")
			})
		}
		if err := t.client.Delete(ctx, owner, client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
			return err
		}
		if err := gone(first); err != nil {
			return err
		}
		if err := gone(owner); err != nil {
			return err
		}
		owner = widget(t.namespace, "owner", "two")
		if err := t.client.Create(ctx, owner); err != nil {
			return err
		}
		second, err := child("second")
		if err != nil {
			return err
		}
		if err := t.client.Delete(ctx, owner, client.PropagationPolicy(metav1.DeletePropagationOrphan)); err != nil {
			return err
		}
		if err := gone(owner); err != nil {
			return err
		}
		if err := t.client.Get(ctx, client.ObjectKeyFromObject(second), second); err != nil {
			return err
		}
		return want(len(second.OwnerReferences) == 0, "an orphan has an owner: %v", second.OwnerReferences)
	}},
	{"create or update, and create or patch, write only what differs", func(ctx context.Context, t *tools) error {
		object := widget(t.namespace, "a", "")
		set := func(value string) controllerutil.MutateFn {
			return func() error { object.Spec.Value = value; return nil }
		}
		expect := func(result, wanted controllerutil.OperationResult, err error) error {
			if err != nil {
				return err
			}
			return want(result == wanted, "%s, not %s", result, wanted)
		}
		return steps(
			func() error {
				result, err := controllerutil.CreateOrUpdate(ctx, t.client, object, set("one"))
				return expect(result, controllerutil.OperationResultCreated, err)
			},
			func() error {
				result, err := controllerutil.CreateOrUpdate(ctx, t.client, object, set("one"))
				return expect(result, controllerutil.OperationResultNone, err)
			},
			func() error {
				result, err := controllerutil.CreateOrUpdate(ctx, t.client, object, set("two"))
				return expect(result, controllerutil.OperationResultUpdated, err)
			},
			func() error {
				result, err := controllerutil.CreateOrPatch(ctx, t.client, object, func() error {
					object.Spec.Value, object.Status.Observed = "three", "three"
					return nil
				})
				return expect(result, controllerutil.OperationResultUpdatedStatus, err)
			},
			func() error {
				return want(object.Spec.Value == "three" && object.Status.Observed == "three", "got %v", object)
			},
		)
	}},
	{"an update that changes nothing leaves the version", func(ctx context.Context, t *tools) error {
		made := widget(t.namespace, "a", "one")
		return steps(
			func() error { return t.client.Create(ctx, made) },
			func() error {
				same := made.DeepCopy()
				if err := t.client.Update(ctx, same); err != nil {
					return err
				}
				return want(same.ResourceVersion == made.ResourceVersion, "another version")
			},
		)
	}},
	{"JSON patches and strategic merge patches are applied", func(ctx context.Context, t *tools) error {
		made := widget(t.namespace, "a", "one")
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "a"}}
		raw := func(kind types.PatchType, patch string) client.Patch { return client.RawPatch(kind, []byte(patch)) }
		return steps(
			func() error { return t.client.Create(ctx, made) },
			func() error {
				patch := `[{"op":"test","path":"/spec/value","value":"one"},{"op":"replace","path":"/spec/value","value":"two"}]`
				return t.client.Patch(ctx, made, raw(types.JSONPatchType, patch))
			},
			func() error { return want(made.Spec.Value == "two", "value %q", made.Spec.Value) },
			func() error {
				err := t.client.Patch(ctx, made, raw(types.JSONPatchType, `[{"op":"test","path":"/spec/value","value":"one"}]`))
				return wantError(err, apierrors.IsInvalid, "invalid")
			},
			func() error {
				err := t.client.Patch(ctx, made.DeepCopy(), raw(types.StrategicMergePatchType, `{}`))
				return wantError(err, apierrors.IsUnsupportedMediaType, "an unsupported media type")
			},
			func() error { return t.client.Create(ctx, account) },
			func() error {
				return t.client.Patch(ctx, account, raw(types.StrategicMergePatchType, `{"secrets":[{"name":"x"},{"name":"y"}]}`))
			},
			func() error {
				patch := `{"secrets":[{"name":"x","$patch":"delete"},{"name":"z"}]}`
				return t.client.Patch(ctx, account, raw(types.StrategicMergePatchType, patch))
			},
			func() error { return want(len(account.Secrets) == 2, "secrets: %v", account.Secrets) },
			func() error {
				before := account.DeepCopy()
				account.Secrets = account.Secrets[:1]
				return t.client.Patch(ctx, account, client.StrategicMergeFrom(before))
			},
			func() error { return want(len(account.Secrets) == 1, "secrets: %v", account.Secrets) },
		)
	}},
	{"a watch tells what happens, in order", func(ctx context.Context, t *tools) error {
		events, err := t.client.Watch(ctx, &WidgetList{}, client.InNamespace(t.namespace))
		if err != nil {
			return err
		}
		defer events.Stop()
		made := widget(t.namespace, "a", "one")
		if err := steps(
			func() error { return t.client.Create(ctx, made) },
			func() error { made.Spec.Value = "two"; return t.client.Update(ctx, made) },
			func() error { return t.client.Delete(ctx, made) },
		); err != nil {
			return err
		}
		for _, expected := range []watch.EventType{watch.Added, watch.Modified, watch.Deleted} {
			select {
			case event := <-events.ResultChan():
				if err := want(event.Type == expected, "%s, not %s: %v", event.Type, expected, event.Object); err != nil {
					return err
				}
			case <-time.After(10 * time.Second):
				return fmt.Errorf("no %s", expected)
			}
		}
		return nil
	}},
	{"a scale is read and changed", func(ctx context.Context, t *tools) error {
		made := widget(t.namespace, "a", "one")
		scale := &autoscaling.Scale{}
		return steps(
			func() error { return t.client.Create(ctx, made) },
			func() error { return t.client.SubResource("scale").Get(ctx, made, scale) },
			func() error {
				scale.Spec.Replicas = 5
				return t.client.SubResource("scale").Update(ctx, made, client.WithSubResourceBody(scale))
			},
			func() error { return t.client.Get(ctx, client.ObjectKeyFromObject(made), made) },
			func() error { return want(made.Spec.Replicas == 5, "%d replicas", made.Spec.Replicas) },
		)
	}},
	{"a name is generated, and an object is too large at three megabytes", func(ctx context.Context, t *tools) error {
		made := widget(t.namespace, "", "one")
		made.GenerateName = "generated-"
		large := widget(t.namespace, "large", strings.Repeat("a", 4<<20))
		return steps(
			func() error { return t.client.Create(ctx, made) },
			func() error { return want(len(made.Name) == len("generated-")+5, "name %q", made.Name) },
			func() error {
				return wantError(t.client.Create(ctx, large), apierrors.IsRequestEntityTooLargeError, "too large")
			},
		)
	}},
}
