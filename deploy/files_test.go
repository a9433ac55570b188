package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"lianmu/hub"
	"lianmu/hub/peering"
	"lianmu/vocab/jsonld"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The unit parses, hardens what it promises, and systemd finds nothing wrong.
func TestUnit(t *testing.T) {
	text := read(t, "systemd/lianmu.service")
	have := unitSettings(t, text)
	for setting, want := range map[string]string{
		"Service/User": "lianmu", "Service/Restart": "always", "Service/StateDirectory": "lianmu",
		"Service/NoNewPrivileges": "yes", "Service/ProtectSystem": "strict", "Service/LimitNOFILE": "65536",
		"Service/CapabilityBoundingSet": "", "Service/UMask": "0077",
	} {
		if got, ok := have[setting]; !ok || got != want {
			t.Errorf("%s is %q, not %q", setting, got, want)
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not there: only the form of the unit was checked")
	}
	// It wants an executable where ours will be installed: this test's own.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "lianmu.service")
	if err := os.WriteFile(unit, []byte(strings.ReplaceAll(text, "/usr/local/bin/lianmu", self)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", "--recursive-errors=no", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
}

func TestJournal(t *testing.T) {
	have := unitSettings(t, read(t, "systemd/journald-lianmu.conf"))
	days, err := time.ParseDuration(strings.Replace(have["Journal/MaxRetentionSec"], "day", "h", 1)) // a day read as an hour
	if err != nil || days < 180*time.Hour {
		t.Errorf("logs are kept for %q, less than 180 days", have["Journal/MaxRetentionSec"])
	}
}

// unitSettings reads systemd's form of ini: section/name → value.
func unitSettings(t *testing.T, text string) map[string]string {
	t.Helper()
	settings, section := map[string]string{}, ""
	for i, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' && strings.HasSuffix(line, "]") {
			section = line[1 : len(line)-1]
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if _, twice := settings[section+"/"+name]; !ok || twice || section == "" {
			t.Errorf("line %d, %q: no setting, or one made before", i+1, line)
		}
		settings[section+"/"+name] = value
	}
	return settings
}

// Every setting of a hub stands in lianmu.yaml with its default; that the hub
// takes the file as it is, TestHub shows.
func TestSettings(t *testing.T) {
	text := read(t, "lianmu.yaml")
	var have map[string]any
	if err := yaml.UnmarshalStrict([]byte(text), &have); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[hub.Config]()) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "-" && f.IsExported() {
			want[name] = true
		}
	}
	sameNames(t, "lianmu.yaml", have, want)
	limits, ok := have["limits"].(map[string]any)
	if !ok {
		t.Fatalf("limits is %T", have["limits"])
	}
	want = map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[jsonld.Limits]()) {
		want[strings.ToLower(f.Name)] = true
	}
	sameNames(t, "limits", limits, want)
	defaults := map[string]any{
		"bytes": float64(jsonld.DefaultBytes), "depth": float64(jsonld.DefaultDepth),
		"nodes": float64(jsonld.DefaultNodes), "time": jsonld.DefaultTime.String(),
	}
	if !reflect.DeepEqual(limits, defaults) {
		t.Errorf("limits are %v, the defaults %v", limits, defaults)
	}
}

func sameNames(t *testing.T, where string, have map[string]any, want map[string]bool) {
	t.Helper()
	for name := range have {
		if !want[name] {
			t.Errorf("%s: there is no setting %q", where, name)
		}
	}
	for name := range want {
		if _, ok := have[name]; !ok {
			t.Errorf("%s: the setting %q is missing", where, name)
		}
	}
}

// instructions of a Containerfile: name and the rest, in order.
func instructions(t *testing.T) [][2]string {
	t.Helper()
	text := strings.ReplaceAll(read(t, "container/Containerfile"), "\\\n", " ")
	var list [][2]string
	for _, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		list = append(list, [2]string{name, strings.TrimSpace(rest)})
	}
	return list
}

// of returns the arguments of the last instruction of that name.
func of(t *testing.T, list [][2]string, name string) string {
	t.Helper()
	for _, in := range slices.Backward(list) {
		if in[0] == name {
			return in[1]
		}
	}
	t.Fatalf("no %s", name)
	return ""
}

func TestContainerfile(t *testing.T) {
	known := []string{"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
	list := instructions(t)
	var stages []string
	for _, in := range list {
		if !slices.Contains(known, in[0]) {
			t.Errorf("unknown instruction %s", in[0])
		}
		if in[0] == "FROM" {
			stages = append(stages, in[1])
		}
	}
	if len(stages) != 2 || stages[1] != "scratch" {
		t.Errorf("stages are %q", stages)
	}
	if user := of(t, list, "USER"); !regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*$`).MatchString(user) {
		t.Errorf("it runs as %q; scratch knows numbers only, and 0 is root", user)
	}
	// What the compiler in the image must at least be.
	gomod := read(t, "../go.mod")
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(gomod)
	if version == nil || !strings.Contains(stages[0], "golang:"+version[1]) {
		t.Errorf("built with %q, go.mod says %v", stages[0], version)
	}
	for _, name := range []string{"ENTRYPOINT", "CMD"} {
		if err := json.Unmarshal([]byte(of(t, list, name)), new([]string)); err != nil {
			t.Errorf("%s has a shell's form, and there is no shell: %v", name, err)
		}
	}
}

// compose is what compose.yaml uses of the compose specification.
type compose struct {
	Name     string `json:"name"`
	Services map[string]struct {
		Image string `json:"image"`
		Build struct {
			Context    string `json:"context"`
			Dockerfile string `json:"dockerfile"`
		} `json:"build"`
		Profiles        []string          `json:"profiles"`
		Environment     map[string]string `json:"environment"`
		Ports           []string          `json:"ports"`
		Volumes         []string          `json:"volumes"`
		Restart         string            `json:"restart"`
		StopGracePeriod string            `json:"stop_grace_period"`
		ReadOnly        bool              `json:"read_only"`
		Tmpfs           []string          `json:"tmpfs"`
		CapDrop         []string          `json:"cap_drop"`
		SecurityOpt     []string          `json:"security_opt"`
		Ulimits         map[string]int    `json:"ulimits"`
		Logging         struct {
			Driver  string            `json:"driver"`
			Options map[string]string `json:"options"`
		} `json:"logging"`
	} `json:"services"`
	Volumes map[string]any `json:"volumes"`
}

func TestCompose(t *testing.T) {
	var c compose
	if err := yaml.UnmarshalStrict([]byte(read(t, "compose/compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	b := c.Services["hub"].Build
	if _, err := os.Stat(filepath.Join("compose", b.Context, b.Dockerfile)); err != nil || b.Dockerfile == "" {
		t.Errorf("the hub is built from %q: %v", b.Dockerfile, err)
	}
	for name, s := range c.Services {
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s opens %s to the network", name, p)
			}
		}
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if _, named := c.Volumes[source]; named {
				continue
			}
			if _, err := os.Stat(filepath.Join("compose", source)); err != nil {
				t.Errorf("%s mounts %s: %v", name, v, err)
			}
		}
	}
	known := hubVariables(t)
	for name := range c.Services["hub"].Environment {
		if !known[name] {
			t.Errorf("lianmu hub reads no variable %s", name)
		}
	}
}

// hubVariables are the environment variables in the command line's grammar.
func hubVariables(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`env:"([A-Z_]+)"`).FindAllStringSubmatch(read(t, "../cmd/lianmu/hub.go"), -1) {
		known[m[1]] = true
	}
	if len(known) < 5 {
		t.Fatalf("only %v found", known)
	}
	for _, field := range strings.Fields(of(t, instructions(t), "ENV")) {
		if name, _, _ := strings.Cut(field, "="); !known[name] {
			t.Errorf("Containerfile: lianmu hub reads no variable %s", name)
		}
	}
	return known
}

// nginx reads the proxy's configuration where it is installed; else braces and
// directives are counted.
func TestNginx(t *testing.T) {
	text := read(t, "nginx/lianmu.conf")
	depth := 0
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || strings.HasSuffix(line, ";"):
		case strings.HasSuffix(line, "{"):
			depth++
		case line == "}":
			depth--
		default:
			t.Errorf("line %d has no end: %s", i+1, line)
		}
	}
	if depth != 0 {
		t.Errorf("%d braces stay open", depth)
	}
	// A bundle is as large as the hub takes, and its import takes long.
	_, imports, _ := strings.Cut(text, "location = /api/v1/logs/import {")
	imports, _, _ = strings.Cut(imports, "}")
	for _, want := range []string{fmt.Sprintf("client_max_body_size %dg;", peering.MaxBundle>>30), "proxy_request_buffering off;", "proxy_read_timeout 6h;"} {
		if !strings.Contains(imports, want) {
			t.Errorf("the import of a bundle has no %q:%s", want, imports)
		}
	}
	bin, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not there: only the form of its configuration was checked")
	}
	dir := t.TempDir()
	certificate(t, dir)
	text = strings.ReplaceAll(text, "/etc/ssl/lianmu", dir)
	text = regexp.MustCompile(`listen (\[::\]:)?(\d+)`).ReplaceAllString(text, "listen ${1}3$2") // ports that need no root
	main := "pid " + dir + "/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n"
	for _, temp := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		main += temp + "_temp_path " + filepath.Join(dir, temp) + ";\n"
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(main+text+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(bin, "-t", "-c", conf).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
