// Clients tries a Kubernetes API with client-go and controller-runtime, as controllers do.
//
//	clients suite --kubeconfig FILE                 what one client may ask for, check by check
//	clients storm --kubeconfig FILE --seconds 40    many clients at once, while somebody kills and starts the server
//
// A check is a line of standard output: `ok NAME`, or `FAIL NAME: WHY`. The exit code is 1 where one failed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

func run(arguments []string) error {
	if len(arguments) == 0 {
		return errors.New("say `suite` or `storm`")
	}
	flags := flag.NewFlagSet(arguments[0], flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "the kubeconfig")
	seconds := flags.Int("seconds", 40, "how long the storm lasts")
	objects := flags.Int("objects", 2000, "how many objects the storm is about")
	writers := flags.Int("writers", 8, "how many write at once")
	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = -1, -1
	// Reconnecting is what is tried; what is said about it on the way is noise.
	klog.SetLogger(logr.Discard())
	log.SetLogger(logr.Discard())
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	switch arguments[0] {
	case "suite":
		return suite(ctx, config)
	case "storm":
		return storm(ctx, config, plan{time.Duration(*seconds) * time.Second, *objects, *writers})
	}
	return fmt.Errorf("there is no `%s`", arguments[0])
}

// protobuf is the configuration as Kubernetes' own components use it.
func protobuf(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	return config
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
