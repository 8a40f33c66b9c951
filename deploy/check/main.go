// Checks what is deployed and never compiled: the workflows with actionlint, compose.yaml with
// Compose's own loader, the Kubernetes example against the types of its API; a field that none of
// them knows is an error. `make deploy-check`.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/rhysd/actionlint"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

func main() {
	root := "../.."
	failed := false
	for name, check := range map[string]func(string) error{
		"workflows": workflows, "compose.yaml": compose, "kubernetes": kubernetes,
	} {
		if err := check(root); err != nil {
			fmt.Printf("%s: %v\n", name, err)
			failed = true
		} else {
			fmt.Printf("%s: ok\n", name)
		}
	}
	if failed {
		os.Exit(1)
	}
}

func workflows(root string) error {
	linter, err := actionlint.NewLinter(os.Stdout, &actionlint.LinterOptions{LogWriter: io.Discard})
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(root, ".github/workflows/*.yml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no workflow found: %v", err)
	}
	faults, err := linter.LintFiles(files, nil)
	if err == nil && len(faults) > 0 {
		err = fmt.Errorf("%d faults", len(faults))
	}
	return err
}

// Also that each service starts behind what it needs, listens on this machine only, and finds the files
// that it mounts; that Prometheus asks services that there are, and Grafana one that has the dashboards.
func compose(root string) error {
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "compose.yaml")}, cli.WithProfiles([]string{"*"}))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	for name, service := range project.Services {
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				return fmt.Errorf("%s: port %s listens on more than this machine", name, port.Published)
			}
		}
		if service.Build == nil && !strings.Contains(service.Image, ":") {
			return fmt.Errorf("%s: image %s is not pinned", name, service.Image)
		}
		for _, volume := range service.Volumes {
			if _, err := os.Stat(volume.Source); volume.Type == "bind" && err != nil {
				return fmt.Errorf("%s mounts %w", name, err)
			}
		}
		for _, config := range service.Configs {
			if _, is := project.Configs[config.Source]; !is {
				return fmt.Errorf("%s: no configuration %s", name, config.Source)
			}
		}
	}
	var scraped struct {
		Scrape []struct {
			Static []struct {
				Targets []string `json:"targets"`
			} `json:"static_configs"`
		} `json:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(project.Configs["prometheus"].Content), &scraped); err != nil {
		return fmt.Errorf("prometheus: %w", err)
	}
	targets := 0
	for _, job := range scraped.Scrape {
		for _, static := range job.Static {
			for _, target := range static.Targets {
				if _, is := project.Services[strings.Split(target, ":")[0]]; !is {
					return fmt.Errorf("prometheus asks %s, which is no service", target)
				}
				targets++
			}
		}
	}
	if targets < 2 {
		return fmt.Errorf("prometheus asks %d targets", targets)
	}
	dashboards, err := filepath.Glob(filepath.Join(root, "deploy/grafana/*.json"))
	if err != nil || len(dashboards) == 0 {
		return fmt.Errorf("no dashboards: %v", err)
	}
	return nil
}

func kubernetes(root string) error {
	text, err := os.ReadFile(filepath.Join(root, "deploy/kubernetes/redis-stock.yaml"))
	if err != nil {
		return err
	}
	claims := map[string]map[string]string{}
	for _, document := range strings.Split(string(text), "\n---\n") {
		var head struct {
			Kind string `json:"kind"`
		}
		if err := yaml.Unmarshal([]byte(document), &head); err != nil {
			return err
		}
		set, budget, service := &appsv1.StatefulSet{}, &policyv1.PodDisruptionBudget{}, &corev1.Service{}
		into := map[string]any{
			"ConfigMap": &corev1.ConfigMap{}, "Service": service, "StatefulSet": set, "PodDisruptionBudget": budget,
		}[head.Kind]
		if into == nil {
			return fmt.Errorf("%s is not checked here", head.Kind)
		}
		data, err := yaml.YAMLToJSONStrict([]byte(document))
		if err != nil {
			return fmt.Errorf("%s: %w", head.Kind, err)
		}
		// As the API server reads it: the case of a field counts.
		unknown, err := json.UnmarshalStrict(data, into)
		if err != nil || len(unknown) > 0 {
			return fmt.Errorf("%s: %v %v", head.Kind, unknown, err)
		}
		switch head.Kind {
		case "StatefulSet":
			claims["set"] = set.Spec.Template.Labels
			claims["selector"] = set.Spec.Selector.MatchLabels
		case "PodDisruptionBudget":
			claims["budget"] = budget.Spec.Selector.MatchLabels
		case "Service":
			claims["service"] = service.Spec.Selector
		}
	}
	for who, labels := range claims {
		if fmt.Sprint(labels) != fmt.Sprint(claims["set"]) || len(labels) == 0 {
			return fmt.Errorf("%s selects %v, the pods are %v", who, labels, claims["set"])
		}
	}
	return nil
}
