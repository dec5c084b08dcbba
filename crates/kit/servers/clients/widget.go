package main

import (
	"context"
	"fmt"
	"time"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsclient "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

var (
	group     = "clients.drover.io"
	version   = schema.GroupVersion{Group: group, Version: "v1"}
	widgets   = version.WithResource("widgets")
	widgetGVK = version.WithKind("Widget")
)

// Widget is a custom kind, as a project that uses controller-runtime declares one.
type Widget struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   WidgetSpec   `json:"spec"`
	Status WidgetStatus `json:"status,omitempty"`
}

// WidgetSpec is what is wanted.
type WidgetSpec struct {
	Value    string   `json:"value,omitempty"`
	Colour   string   `json:"colour,omitempty"`
	Replicas int32    `json:"replicas,omitempty"`
	Parts    []string `json:"parts,omitempty"`
}

// WidgetStatus is what there is.
type WidgetStatus struct {
	Observed   string             `json:"observed,omitempty"`
	Replicas   int32              `json:"replicas,omitempty"`
	Selector   string             `json:"selector,omitempty"`
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// WidgetList is a list of widgets.
type WidgetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Widget `json:"items"`
}

// DeepCopy gives a widget that shares nothing with this one.
func (w *Widget) DeepCopy() *Widget {
	copied := *w
	copied.ObjectMeta = *w.ObjectMeta.DeepCopy()
	copied.Spec.Parts = append([]string(nil), w.Spec.Parts...)
	copied.Status.Conditions = append([]metav1.Condition(nil), w.Status.Conditions...)
	return &copied
}

// DeepCopyObject is for runtime.Object.
func (w *Widget) DeepCopyObject() runtime.Object { return w.DeepCopy() }

// DeepCopyObject is for runtime.Object.
func (l *WidgetList) DeepCopyObject() runtime.Object {
	copied := *l
	copied.ListMeta = *l.ListMeta.DeepCopy()
	copied.Items = make([]Widget, len(l.Items))
	for at := range l.Items {
		copied.Items[at] = *l.Items[at].DeepCopy()
	}
	return &copied
}

// newScheme knows Kubernetes' kinds, definitions and widgets.
func newScheme() *runtime.Scheme {
	known := runtime.NewScheme()
	_ = scheme.AddToScheme(known)
	_ = apiextensions.AddToScheme(known)
	known.AddKnownTypes(version, &Widget{}, &WidgetList{})
	metav1.AddToGroupVersion(known, version)
	return known
}

func widget(namespace, name, value string) *Widget {
	return &Widget{
		TypeMeta:   metav1.TypeMeta{APIVersion: version.String(), Kind: "Widget"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       WidgetSpec{Value: value, Replicas: 1},
	}
}

// definition is the widgets' CustomResourceDefinition.
func definition() *apiextensions.CustomResourceDefinition {
	text := apiextensions.JSONSchemaProps{Type: "string"}
	number := apiextensions.JSONSchemaProps{Type: "integer", Format: "int32"}
	zero, set, selector := 0.0, "set", ".status.selector"
	bounded := number
	bounded.Minimum = &zero
	condition := apiextensions.JSONSchemaProps{
		Type: "object",
		Properties: map[string]apiextensions.JSONSchemaProps{
			"type": text, "status": text, "reason": text, "message": text,
			"lastTransitionTime": {Type: "string", Format: "date-time"}, "observedGeneration": {Type: "integer", Format: "int64"},
		},
		Required: []string{"type", "status"},
	}
	asMap := "map"
	spec := apiextensions.JSONSchemaProps{
		Type: "object",
		Properties: map[string]apiextensions.JSONSchemaProps{
			"value": text,
			"colour": {
				Type: "string", Enum: []apiextensions.JSON{{Raw: []byte(`"red"`)}, {Raw: []byte(`"green"`)}},
				Default: &apiextensions.JSON{Raw: []byte(`"red"`)},
			},
			"replicas": bounded,
			"parts":    {Type: "array", XListType: &set, Items: &apiextensions.JSONSchemaPropsOrArray{Schema: &text}},
		},
	}
	status := apiextensions.JSONSchemaProps{
		Type: "object",
		Properties: map[string]apiextensions.JSONSchemaProps{
			"observed": text, "replicas": number, "selector": text,
			"conditions": {
				Type: "array", XListType: &asMap, XListMapKeys: []string{"type"},
				Items: &apiextensions.JSONSchemaPropsOrArray{Schema: &condition},
			},
		},
	}
	return &apiextensions.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets." + group},
		Spec: apiextensions.CustomResourceDefinitionSpec{
			Group: group,
			Scope: apiextensions.NamespaceScoped,
			Names: apiextensions.CustomResourceDefinitionNames{
				Plural: "widgets", Singular: "widget", Kind: "Widget", ListKind: "WidgetList", ShortNames: []string{"wg"},
			},
			Versions: []apiextensions.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensions.CustomResourceValidation{OpenAPIV3Schema: &apiextensions.JSONSchemaProps{
					Type:       "object",
					Properties: map[string]apiextensions.JSONSchemaProps{"spec": spec, "status": status},
				}},
				Subresources: &apiextensions.CustomResourceSubresources{
					Status: &apiextensions.CustomResourceSubresourceStatus{},
					Scale: &apiextensions.CustomResourceSubresourceScale{
						SpecReplicasPath: ".spec.replicas", StatusReplicasPath: ".status.replicas", LabelSelectorPath: &selector,
					},
				},
				SelectableFields: []apiextensions.SelectableField{{JSONPath: ".spec.colour"}},
			}},
		},
	}
}

// install makes the definition and waits until widgets are served. Definitions go as protobuf, as Kubernetes' own do.
func install(ctx context.Context, config *rest.Config) error {
	client, err := apiextensionsclient.NewForConfig(protobuf(config))
	if err != nil {
		return err
	}
	definitions := client.ApiextensionsV1().CustomResourceDefinitions()
	if _, err := definitions.Create(ctx, definition(), metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("the definition: %w", err)
	}
	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		found, err := definitions.Get(ctx, "widgets."+group, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		for _, condition := range found.Status.Conditions {
			if condition.Type == apiextensions.Established && condition.Status == apiextensions.ConditionTrue {
				return true, nil
			}
		}
		return false, nil
	})
}
