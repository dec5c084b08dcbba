package main

import (
	"context"
	"errors"
	"reflect"
	"strings"

	openapiv3 "github.com/google/gnostic-models/openapiv3"
	"google.golang.org/protobuf/proto"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/openapi"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// What the server says of itself, and what clients make of it.
var discoveryChecks = []check{
	{"a cached mapper knows the kinds, their short names and categories", func(_ context.Context, t *tools) error {
		cached := memory.NewMemCacheClient(t.json.Discovery())
		mapper := restmapper.NewShortcutExpander(restmapper.NewDeferredDiscoveryRESTMapper(cached), cached, nil)
		for short, wanted := range map[string]string{"cm": "configmaps", "ns": "namespaces", "wg": "widgets", "crds": "customresourcedefinitions"} {
			found, err := mapper.ResourceFor(schema.GroupVersionResource{Resource: short})
			if err != nil {
				return err
			}
			if err := want(found.Resource == wanted, "%s is %v", short, found); err != nil {
				return err
			}
		}
		mapping, err := mapper.RESTMapping(widgetGVK.GroupKind())
		if err != nil {
			return err
		}
		if err := want(mapping.Scope == meta.RESTScopeNamespace && mapping.Resource == widgets, "mapping %v", mapping); err != nil {
			return err
		}
		expanded, _ := restmapper.NewDiscoveryCategoryExpander(cached).Expand("api-extensions")
		return want(len(expanded) >= 3, "api-extensions: %v", expanded)
	}},
	{"discovery is the same whole and group by group", func(_ context.Context, t *tools) error {
		groups, whole, err := t.json.Discovery().ServerGroupsAndResources()
		if err != nil {
			return err
		}
		legacy := discovery.NewDiscoveryClientForConfigOrDie(t.config)
		legacy.UseLegacyDiscovery = true
		legacyGroups, pieces, err := legacy.ServerGroupsAndResources()
		if err != nil {
			return err
		}
		names := func(lists []*metav1.APIResourceList) map[string]string {
			found := map[string]string{}
			for _, list := range lists {
				for _, resource := range list.APIResources {
					found[list.GroupVersion+"/"+resource.Name] = resource.Kind + " " + strings.Join(resource.Verbs, ",")
				}
			}
			return found
		}
		one, other := names(whole), names(pieces)
		for name, kind := range one {
			if err := want(other[name] == kind, "%s is %q and %q", name, kind, other[name]); err != nil {
				return err
			}
		}
		return want(len(one) == len(other) && len(groups) == len(legacyGroups), "%d and %d resources", len(one), len(other))
	}},
	{"a kind that is made later is found by clients that run", func(ctx context.Context, t *tools) error {
		late := definition()
		late.Name = "gadgets." + group
		late.Spec.Names = apiextensions.CustomResourceDefinitionNames{Plural: "gadgets", Singular: "gadget", Kind: "Gadget", ListKind: "GadgetList"}
		if err := t.client.Create(ctx, late); err != nil {
			return err
		}
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(version.WithKind("GadgetList"))
		err := until(ctx, "the kind", func(ctx context.Context) error { return t.client.List(ctx, list) })
		if err != nil {
			return err
		}
		if err := t.client.Delete(ctx, late); err != nil {
			return err
		}
		return until(ctx, "the kind to go", func(ctx context.Context) error {
			list, err := t.json.Discovery().ServerResourcesForGroupVersion(version.String())
			if err != nil {
				return err
			}
			for _, resource := range list.APIResources {
				if resource.Kind == "Gadget" {
					return errors.New("it is still discovered")
				}
			}
			return wantError(t.client.Get(ctx, client.ObjectKeyFromObject(late), late), apierrors.IsNotFound, "not found")
		})
	}},
	{"the server tells its version and documents", func(_ context.Context, t *tools) error {
		told, err := t.json.Discovery().ServerVersion()
		if err != nil {
			return err
		}
		if err := want(told.Major == "1" && told.Minor == "37", "version %v", told); err != nil {
			return err
		}
		document, err := t.json.Discovery().OpenAPISchema()
		if err != nil {
			return err
		}
		if err := want(len(document.Definitions.AdditionalProperties) > 50, "a short document"); err != nil {
			return err
		}
		paths, err := t.json.Discovery().OpenAPIV3().Paths()
		if err != nil {
			return err
		}
		for path, piece := range paths {
			if _, err := piece.Schema("application/json"); err != nil {
				return err
			}
			if err := sameDocument(path, piece); err != nil {
				return err
			}
		}
		return want(len(paths) > 8, "%d documents", len(paths))
	}},
	{"the scale client finds what can be scaled", func(ctx context.Context, t *tools) error {
		if err := t.client.Create(ctx, widget(t.namespace, "a", "one")); err != nil {
			return err
		}
		cached := memory.NewMemCacheClient(t.json.Discovery())
		mapper := restmapper.NewDeferredDiscoveryRESTMapper(cached)
		resolver := scale.NewDiscoveryScaleKindResolver(cached)
		scales, err := scale.NewForConfig(t.config, mapper, dynamic.LegacyAPIPathResolverFunc, resolver)
		if err != nil {
			return err
		}
		found, err := scales.Scales(t.namespace).Get(ctx, widgets.GroupResource(), "a", metav1.GetOptions{})
		if err != nil {
			return err
		}
		found.Spec.Replicas = 3
		if found, err = scales.Scales(t.namespace).Update(ctx, widgets.GroupResource(), found, metav1.UpdateOptions{}); err != nil {
			return err
		}
		return want(found.Spec.Replicas == 3, "%d replicas", found.Spec.Replicas)
	}},
}

// sameDocument checks that a document in protobuf tells what it tells in JSON.
func sameDocument(path string, piece openapi.GroupVersion) error {
	text, err := piece.Schema("application/json")
	if err != nil {
		return err
	}
	bytes, err := piece.Schema("application/com.github.proto-openapi.spec.v3@v1.0+protobuf")
	if err != nil {
		return err
	}
	read, err := openapiv3.ParseDocument(text)
	if err != nil {
		return err
	}
	parsed := &openapiv3.Document{}
	if err := proto.Unmarshal(bytes, parsed); err != nil {
		return err
	}
	// What is any value is text within the messages, written in one way or another.
	var one, other any
	for document, into := range map[*openapiv3.Document]*any{read: &one, parsed: &other} {
		if text, err = document.YAMLValue(""); err != nil {
			return err
		}
		if err := yaml.Unmarshal(text, into); err != nil {
			return err
		}
	}
	return want(reflect.DeepEqual(one, other), "%s is not the same in protobuf", path)
}
