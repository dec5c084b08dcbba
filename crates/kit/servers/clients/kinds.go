package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	admission "k8s.io/api/admissionregistration/v1"
	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	coordination "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	clientevents "k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/tools/reference"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The built-in kinds, with bodies in protobuf.
var kindChecks = []check{
	{"config maps keep text and bytes", func(ctx context.Context, t *tools) error {
		maps := t.kube.CoreV1().ConfigMaps(t.namespace)
		object := &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{"a": "b"}},
			Data:       map[string]string{"text": "ä\n"}, BinaryData: map[string][]byte{"bytes": {0, 255, 1}},
		}
		made, err := maps.Create(ctx, object, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if err := want(bytes.Equal(made.BinaryData["bytes"], []byte{0, 255, 1}) && made.Data["text"] == "ä\n", "got %v", made); err != nil {
			return err
		}
		made.Immutable = ptr.To(true)
		if made, err = maps.Update(ctx, made, metav1.UpdateOptions{}); err != nil {
			return err
		}
		made.Data["text"] = "other"
		_, err = maps.Update(ctx, made, metav1.UpdateOptions{})
		return wantError(err, apierrors.IsInvalid, "invalid")
	}},
	{"secrets have types, and those that are wrong are refused", func(ctx context.Context, t *tools) error {
		secrets := t.kube.CoreV1().Secrets(t.namespace)
		object := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Data: map[string][]byte{"a": []byte("b")}}
		made, err := secrets.Create(ctx, object, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if err := want(made.Type == corev1.SecretTypeOpaque, "type %q", made.Type); err != nil {
			return err
		}
		object = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "b"}, Type: corev1.SecretTypeTLS}
		if _, err = secrets.Create(ctx, object, metav1.CreateOptions{}); !apierrors.IsInvalid(err) {
			return fmt.Errorf("an empty TLS secret: %w", err)
		}
		opaque := metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("type", string(corev1.SecretTypeOpaque)).String()}
		list, err := secrets.List(ctx, opaque)
		if err != nil {
			return err
		}
		return want(len(list.Items) == 1, "%d secrets", len(list.Items))
	}},
	{"a namespace goes with all that is in it", func(ctx context.Context, t *tools) error {
		name := t.namespace + "-more"
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		made, err := t.kube.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if err := want(made.Status.Phase == corev1.NamespaceActive && len(made.Spec.Finalizers) == 1, "got %v", made); err != nil {
			return err
		}
		if err := t.client.Create(ctx, widget(name, "a", "one")); err != nil {
			return err
		}
		if err := t.kube.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			return err
		}
		return until(ctx, "the namespace to go", func(ctx context.Context) error {
			_, err := t.kube.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
			return wantError(err, apierrors.IsNotFound, "not found")
		})
	}},
	{"leases hold times to the microsecond", func(ctx context.Context, t *tools) error {
		now := metav1.NewMicroTime(time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC))
		object := &coordination.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: "a"},
			Spec:       coordination.LeaseSpec{HolderIdentity: ptr.To("me"), LeaseDurationSeconds: ptr.To[int32](15), RenewTime: &now},
		}
		leases := t.kube.CoordinationV1().Leases(t.namespace)
		if _, err := leases.Create(ctx, object, metav1.CreateOptions{}); err != nil {
			return err
		}
		read, err := leases.Get(ctx, "a", metav1.GetOptions{})
		if err != nil {
			return err
		}
		return want(read.Spec.RenewTime.Equal(&now), "time %v", read.Spec.RenewTime)
	}},
	{"roles and bindings are made, and change nothing that they may not", func(ctx context.Context, t *tools) error {
		role := &rbac.Role{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "a"},
			Rules:      []rbac.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get"}}},
		}
		binding := &rbac.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "a"},
			Subjects:   []rbac.Subject{{Kind: "User", Name: "ann"}},
			RoleRef:    rbac.RoleRef{Kind: "Role", Name: "a"},
		}
		return steps(
			func() error { return t.client.Create(ctx, role) },
			func() error { return t.client.Create(ctx, binding) },
			func() error {
				return want(binding.RoleRef.APIGroup == rbac.GroupName && binding.Subjects[0].APIGroup == rbac.GroupName, "no defaults: %v", binding)
			},
			func() error {
				binding.RoleRef.Name = "b"
				return wantError(t.client.Update(ctx, binding), apierrors.IsInvalid, "invalid")
			},
			func() error {
				review := &authorization.LocalSubjectAccessReview{
					ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace},
					Spec: authorization.SubjectAccessReviewSpec{
						User:               "ann",
						ResourceAttributes: &authorization.ResourceAttributes{Namespace: t.namespace, Verb: "get", Resource: "configmaps"},
					},
				}
				return until(ctx, "the binding", func(ctx context.Context) error {
					review := review.DeepCopy()
					if err := t.client.Create(ctx, review); err != nil {
						return err
					}
					return want(review.Status.Allowed, "not allowed: %v", review.Status)
				})
			},
		)
	}},
	{"reviews are answered", func(ctx context.Context, t *tools) error {
		self, err := t.kube.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authentication.SelfSubjectReview{}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if err := want(self.Status.UserInfo.Username != "", "nobody: %v", self); err != nil {
			return err
		}
		access := &authorization.SelfSubjectAccessReview{Spec: authorization.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorization.ResourceAttributes{Verb: "*", Group: "*", Resource: "*"},
		}}
		access, err = t.kube.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, access, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if err := want(access.Status.Allowed, "not allowed: %v", access.Status); err != nil {
			return err
		}
		rules := &authorization.SelfSubjectRulesReview{Spec: authorization.SelfSubjectRulesReviewSpec{Namespace: t.namespace}}
		rules, err = t.kube.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, rules, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if err := want(len(rules.Status.ResourceRules) > 0, "no rules"); err != nil {
			return err
		}
		token := &authentication.TokenReview{Spec: authentication.TokenReviewSpec{Token: "nobody's"}}
		token, err = t.kube.AuthenticationV1().TokenReviews().Create(ctx, token, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		return want(!token.Status.Authenticated, "authenticated: %v", token.Status)
	}},
	{"an admission policy is made with its binding", func(ctx context.Context, t *tools) error {
		name := t.namespace + ".drover.io"
		policy := &admission.ValidatingAdmissionPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: admission.ValidatingAdmissionPolicySpec{
				MatchConstraints: &admission.MatchResources{ResourceRules: []admission.NamedRuleWithOperations{{
					RuleWithOperations: admission.RuleWithOperations{
						Operations: []admission.OperationType{admission.Create},
						Rule:       admission.Rule{APIGroups: []string{"nothing.drover.io"}, APIVersions: []string{"v1"}, Resources: []string{"none"}},
					},
				}}},
				Validations: []admission.Validation{{Expression: "object.metadata.name != 'x'"}},
			},
		}
		binding := &admission.ValidatingAdmissionPolicyBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: admission.ValidatingAdmissionPolicyBindingSpec{
				PolicyName: name, ValidationActions: []admission.ValidationAction{admission.Deny},
			},
		}
		return steps(
			func() error { return t.client.Create(ctx, policy) },
			func() error {
				return want(policy.Spec.FailurePolicy != nil && *policy.Spec.FailurePolicy == admission.Fail, "no default: %v", policy.Spec)
			},
			func() error { return t.client.Create(ctx, binding) },
			func() error { return t.client.Delete(ctx, binding) },
			func() error { return t.client.Delete(ctx, policy) },
		)
	}},
	{"a service account is given a token that is its own", func(ctx context.Context, t *tools) error {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "a"}}
		request := &authentication.TokenRequest{Spec: authentication.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](3600)}}
		return steps(
			func() error { return t.client.Create(ctx, account) },
			func() error { return t.client.SubResource("token").Create(ctx, account, request) },
			func() error {
				review := &authentication.TokenReview{Spec: authentication.TokenReviewSpec{Token: request.Status.Token}}
				if err := t.client.Create(ctx, review); err != nil {
					return err
				}
				wanted := fmt.Sprintf("system:serviceaccount:%s:a", t.namespace)
				return want(review.Status.User.Username == wanted, "the token of %q", review.Status.User.Username)
			},
		)
	}},
	{"events are recorded in both groups, and counted when they come again", func(ctx context.Context, t *tools) error {
		made := widget(t.namespace, "a", "one")
		if err := t.client.Create(ctx, made); err != nil {
			return err
		}
		made.SetGroupVersionKind(widgetGVK)
		subject, err := reference.GetReference(t.client.Scheme(), made)
		if err != nil {
			return err
		}
		for _, kube := range []*kubernetes.Clientset{t.kube, t.json} {
			if err := recorded(ctx, t, kube, subject); err != nil {
				return err
			}
		}
		return nil
	}},
}

// recorded records an event twice with each of client-go's recorders, and finds them through both groups.
func recorded(ctx context.Context, t *tools, kube *kubernetes.Clientset, subject *corev1.ObjectReference) error {
	old := record.NewBroadcaster()
	defer old.Shutdown()
	sink := old.StartRecordingToSink(&kubernetesSink{kube, t.namespace})
	defer sink.Stop()
	recorder := old.NewRecorder(t.client.Scheme(), corev1.EventSource{Component: "old"})
	recorder.Event(subject, "Normal", "Old", "something")
	recorder.Event(subject, "Normal", "Old", "something")
	series := clientevents.NewBroadcaster(&clientevents.EventSinkImpl{Interface: kube.EventsV1()})
	defer series.Shutdown()
	if err := series.StartRecordingToSinkWithContext(ctx); err != nil {
		return err
	}
	newer := series.NewRecorder(t.client.Scheme(), "drover.io/newer")
	newer.Eventf(subject, nil, "Normal", "New", "Trying", "something")
	err := until(ctx, "the events", func(ctx context.Context) error {
		selector := fields.Set{"involvedObject.uid": string(subject.UID)}.AsSelector().String()
		list, err := kube.CoreV1().Events(t.namespace).List(ctx, metav1.ListOptions{FieldSelector: selector})
		if err != nil {
			return err
		}
		found := map[string]int32{}
		for _, event := range list.Items {
			found[event.Reason] = max(event.Count, 1)
		}
		return want(found["Old"] == 2 && found["New"] == 1, "found %v", found)
	})
	if err != nil {
		return err
	}
	selector := fields.Set{"regarding.uid": string(subject.UID), "reason": "New"}.AsSelector().String()
	list, err := kube.EventsV1().Events(t.namespace).List(ctx, metav1.ListOptions{FieldSelector: selector})
	if err != nil {
		return err
	}
	if err := want(len(list.Items) == 1 && list.Items[0].ReportingController == "drover.io/newer", "found %v", list.Items); err != nil {
		return err
	}
	return t.client.DeleteAllOf(ctx, &corev1.Event{}, client.InNamespace(t.namespace))
}

// kubernetesSink writes events with a typed client.
type kubernetesSink struct {
	kube      *kubernetes.Clientset
	namespace string
}

func (s *kubernetesSink) Create(event *corev1.Event) (*corev1.Event, error) {
	return s.kube.CoreV1().Events(s.namespace).CreateWithEventNamespace(event)
}

func (s *kubernetesSink) Update(event *corev1.Event) (*corev1.Event, error) {
	return s.kube.CoreV1().Events(s.namespace).UpdateWithEventNamespace(event)
}

func (s *kubernetesSink) Patch(event *corev1.Event, data []byte) (*corev1.Event, error) {
	return s.kube.CoreV1().Events(s.namespace).PatchWithEventNamespace(event, data)
}
