package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	applycore "k8s.io/client-go/applyconfigurations/core/v1"
	applymeta "k8s.io/client-go/applyconfigurations/meta/v1"
	applyrbac "k8s.io/client-go/applyconfigurations/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Server-side apply, as typed clients and as controller-runtime's have it.
var applyChecks = []check{
	{"a typed configuration is applied, and what a manager owns is extracted", func(ctx context.Context, t *tools) error {
		maps := t.kube.CoreV1().ConfigMaps(t.namespace)
		wanted := applycore.ConfigMap("a", t.namespace).WithData(map[string]string{"one": "1", "two": "2"})
		var made *corev1.ConfigMap
		return steps(
			func() (err error) {
				made, err = maps.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "first"})
				return err
			},
			func() error {
				made, err := maps.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "first"})
				if err != nil {
					return err
				}
				return want(made.ResourceVersion == made.ResourceVersion && len(made.ManagedFields) == 1, "managers: %v", made.ManagedFields)
			},
			func() error {
				other := applycore.ConfigMap("a", t.namespace).WithData(map[string]string{"three": "3"})
				_, err := maps.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "second"})
				return err
			},
			func() error {
				other := applycore.ConfigMap("a", t.namespace).WithData(map[string]string{"one": "one"})
				_, err := maps.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "third"})
				if err := wantError(err, apierrors.IsConflict, "a conflict"); err != nil {
					return err
				}
				causes := err.(apierrors.APIStatus).Status().Details.Causes
				if err := want(len(causes) == 1 && causes[0].Field == ".data.one", "causes: %v", causes); err != nil {
					return err
				}
				made, err = maps.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "third", Force: true})
				return err
			},
			func() error {
				owned, err := applycore.ExtractConfigMap(made, "first")
				if err != nil {
					return err
				}
				return want(len(owned.Data) == 1 && owned.Data["two"] == "2", "the first owns %v", owned.Data)
			},
			func() (err error) {
				made, err = maps.Apply(ctx, applycore.ConfigMap("a", t.namespace), metav1.ApplyOptions{FieldManager: "first"})
				return err
			},
			func() error { return want(len(made.Data) == 2, "data: %v", made.Data) },
		)
	}},
	{"an apply that says nothing new leaves the version", func(ctx context.Context, t *tools) error {
		maps := t.json.CoreV1().ConfigMaps(t.namespace)
		wanted := applycore.ConfigMap("a", t.namespace).WithData(map[string]string{"one": "1"})
		first, err := maps.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "first"})
		if err != nil {
			return err
		}
		second, err := maps.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "first"})
		if err != nil {
			return err
		}
		return want(first.ResourceVersion == second.ResourceVersion, "another version")
	}},
	{"controller-runtime applies custom objects and their status", func(ctx context.Context, t *tools) error {
		object := func(fields map[string]any) *unstructured.Unstructured {
			object := &unstructured.Unstructured{Object: fields}
			object.SetGroupVersionKind(widgetGVK)
			object.SetNamespace(t.namespace)
			object.SetName("a")
			return object
		}
		read := &Widget{}
		key := client.ObjectKey{Namespace: t.namespace, Name: "a"}
		return steps(
			func() error {
				spec := object(map[string]any{"spec": map[string]any{"value": "one", "parts": []any{"a", "b"}}})
				return t.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(spec), client.FieldOwner("first"))
			},
			func() error {
				spec := object(map[string]any{"spec": map[string]any{"parts": []any{"c"}}})
				return t.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(spec), client.FieldOwner("second"))
			},
			func() error {
				spec := object(map[string]any{"spec": map[string]any{"value": "two"}})
				err := t.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(spec), client.FieldOwner("second"))
				return wantError(err, apierrors.IsConflict, "a conflict")
			},
			func() error {
				status := object(map[string]any{"status": map[string]any{"observed": "one"}})
				configuration := client.ApplyConfigurationFromUnstructured(status)
				return t.client.Status().Apply(ctx, configuration, client.FieldOwner("status"), client.ForceOwnership)
			},
			func() error { return t.client.Get(ctx, key, read) },
			func() error {
				return want(len(read.Spec.Parts) == 3 && read.Status.Observed == "one", "got %v %v", read.Spec, read.Status)
			},
			func() error {
				spec := object(map[string]any{"spec": map[string]any{"value": "one", "parts": []any{"b"}}})
				return t.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(spec), client.FieldOwner("first"))
			},
			func() error { return t.client.Get(ctx, key, read) },
			func() error { return want(len(read.Spec.Parts) == 2, "parts: %v", read.Spec.Parts) },
		)
	}},
	{"what a manager owns of a custom object is extracted by the server's OpenAPI", func(ctx context.Context, t *tools) error {
		made := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"value": "one", "parts": []any{"a", "b"}}}}
		made.SetGroupVersionKind(widgetGVK)
		made.SetNamespace(t.namespace)
		made.SetName("a")
		configuration := client.ApplyConfigurationFromUnstructured(made)
		if err := t.client.Apply(ctx, configuration, client.FieldOwner("first")); err != nil {
			return err
		}
		extractor, err := applymeta.NewUnstructuredExtractor(t.json.Discovery())
		if err != nil {
			return err
		}
		read, err := t.dynamic.Resource(widgets).Namespace(t.namespace).Get(ctx, "a", metav1.GetOptions{})
		if err != nil {
			return err
		}
		owned, err := extractor.Extract(read, "first")
		if err != nil {
			return err
		}
		parts, _, err := unstructured.NestedSlice(owned.Object, "spec", "parts")
		if err != nil {
			return err
		}
		colour, _, _ := unstructured.NestedString(owned.Object, "spec", "colour")
		return want(len(parts) == 2 && colour == "", "owned: %v", owned.Object)
	}},
	{"the dynamic client applies objects of every kind", func(ctx context.Context, t *tools) error {
		object := &unstructured.Unstructured{Object: map[string]any{"stringData": map[string]any{"a": "b"}}}
		object.SetAPIVersion("v1")
		object.SetKind("Secret")
		object.SetName("a")
		secrets := t.dynamic.Resource(corev1.SchemeGroupVersion.WithResource("secrets")).Namespace(t.namespace)
		made, err := secrets.Apply(ctx, "a", object, metav1.ApplyOptions{FieldManager: "first"})
		if err != nil {
			return err
		}
		data, _, _ := unstructured.NestedString(made.Object, "data", "a")
		return want(data == "Yg==", "data: %v", made.Object)
	}},
	{"roles and bindings are applied typed", func(ctx context.Context, t *tools) error {
		roles, bindings := t.kube.RbacV1().Roles(t.namespace), t.kube.RbacV1().RoleBindings(t.namespace)
		options := metav1.ApplyOptions{FieldManager: "first"}
		for _, verb := range []string{"get", "list"} {
			rule := applyrbac.PolicyRule().WithAPIGroups("").WithResources("configmaps").WithVerbs(verb)
			made, err := roles.Apply(ctx, applyrbac.Role("a", t.namespace).WithRules(rule), options)
			if err != nil {
				return err
			}
			if err := want(len(made.Rules) == 1 && made.Rules[0].Verbs[0] == verb, "rules: %v", made.Rules); err != nil {
				return err
			}
		}
		subject := applyrbac.Subject().WithKind("User").WithName("ann").WithAPIGroup("rbac.authorization.k8s.io")
		role := applyrbac.RoleRef().WithKind("Role").WithName("a").WithAPIGroup("rbac.authorization.k8s.io")
		_, err := bindings.Apply(ctx, applyrbac.RoleBinding("a", t.namespace).WithSubjects(subject).WithRoleRef(role), options)
		return err
	}},
	{"an apply in a namespace that is not there is refused", func(ctx context.Context, t *tools) error {
		missing := fmt.Sprintf("%s-missing", t.namespace)
		_, err := t.kube.CoreV1().ConfigMaps(missing).Apply(ctx, applycore.ConfigMap("a", missing), metav1.ApplyOptions{FieldManager: "a"})
		return wantError(err, apierrors.IsNotFound, "not found")
	}},
}
