package deploy

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"debug/elf"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"lianmu/vocab"
)

// The Containerfile's own build command gives a static program; it takes
// lianmu.yaml as it is, the image's health check passes on it, and it exposes
// every metric that alerts and dashboard ask for.
func TestHub(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the hub")
	}
	list := instructions(t)
	bin := buildAsInImage(t, list)
	var info struct{ HTTP, DID string }
	dir := t.TempDir()
	stop := runHub(t, bin, dir, &info)
	defer stop()

	t.Run("health check", func(t *testing.T) {
		_, form, _ := strings.Cut(of(t, list, "HEALTHCHECK"), "CMD ")
		var args []string
		if err := json.Unmarshal([]byte(form), &args); err != nil {
			t.Fatal(err)
		}
		port := regexp.MustCompile(`LIANMU_HTTP=[0-9.]+:(\d+)`).FindStringSubmatch(of(t, list, "ENV"))
		i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "http://") })
		if i < 0 || port == nil || !strings.HasSuffix(args[i], ":"+port[1]) {
			t.Fatalf("%q does not ask the hub's port %v", args, port)
		}
		args[i] = info.HTTP
		if out, err := exec.Command(bin, args[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		args[i] = "http://127.0.0.1:1"
		if exec.Command(bin, args[1:]...).Run() == nil {
			t.Error("it passes without a hub")
		}
	})

	// A refusal and a page, so that counters with labels exist.
	resp, err := http.Post(info.HTTP+"/api/v1/submissions", "application/json", strings.NewReader("{"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	// And a mirrored log, for those that are of one.
	defer befriend(t, bin, dir, info.HTTP)()
	exposed := metrics(t, info.HTTP+"/metrics")
	for exposed["lianmu_mirror_entries"] == nil { // the test's own time limit ends it
		time.Sleep(50 * time.Millisecond)
		exposed = metrics(t, info.HTTP+"/metrics")
	}
	if len(exposed["lianmu_receipts_total"]) == 0 {
		t.Fatalf("no receipts among %d metrics", len(exposed))
	}
	t.Run("alerts", func(t *testing.T) { checkAlerts(t, exposed) })
	t.Run("dashboard", func(t *testing.T) { checkDashboard(t, exposed) })
	t.Run("documents", func(t *testing.T) {
		for _, path := range []string{"../docs/operate.md", "../docs/operate.zh-CN.md"} {
			for _, m := range regexp.MustCompile("`(lianmu_[a-z_]+|process_[a-z_]+)[`{]").FindAllStringSubmatch(read(t, path), -1) {
				if exposed[m[1]] == nil && exposed[m[1]+"_count"] == nil {
					t.Errorf("%s: the hub exposes no %s", path, m[1])
				}
			}
		}
	})
}

// buildAsInImage runs the image's build command here.
func buildAsInImage(t *testing.T, list [][2]string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "lianmu")
	i := slices.IndexFunc(list, func(in [2]string) bool { return in[0] == "RUN" && strings.Contains(in[1], "go build") })
	if i < 0 || !strings.Contains(list[i][1], "-o /out/lianmu ") {
		t.Fatal("the Containerfile builds no /out/lianmu")
	}
	cmd := exec.Command("sh", "-c", strings.Replace(list[i][1], "/out/lianmu", bin, 1))
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if runtime.GOOS != "linux" {
		return bin
	}
	f, err := elf.Open(bin)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it is not static: scratch has no loader for it")
		}
	}
	return bin
}

// runHub starts the hub from lianmu.yaml and reads its ready line into info.
func runHub(t *testing.T, bin, dir string, info any, flags ...string) (stop func()) {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.Command(bin, append([]string{"hub", "--config", "lianmu.yaml", "--dir", dir, "--http", "127.0.0.1:0", "--nats", "127.0.0.1:0", "--json"}, flags...)...)
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, info)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("%v; %s%s", err, line, stderr.String())
	}
	return func() {
		// As systemd and containers stop it.
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("stopping: %v; %s", err, stderr.String())
		}
	}
}

// befriend makes another hub with one entry a peer of the one in a folder.
func befriend(t *testing.T, bin, dir, address string) (stop func()) {
	t.Helper()
	var other struct{ HTTP string }
	stop = runHub(t, bin, t.TempDir(), &other, "--open")
	key, doc := filepath.Join(t.TempDir(), "space.key"), filepath.Join(t.TempDir(), "doc.json")
	if err := os.WriteFile(doc, []byte(`{"@context":"https://w3id.org/lianmu/v1","@type":"数据集","@id":"urn:x:1","标题":"潮位"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"key", "new", "--out", key},
		{"publish", "--hub", other.HTTP, "--key", key, doc},
		{"peer", "add", "--yes", "--hub", address, "--key", filepath.Join(dir, "hub.key"), other.HTTP},
	} {
		if out, err := exec.Command(bin, args...).CombinedOutput(); err != nil {
			stop()
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	return stop
}

// metrics reads the text form: name → labels that it has anywhere.
func metrics(t *testing.T, url string) map[string][]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Asked twice: the first answer is what counts the first request.
	var body []byte
	for range 2 {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	found := map[string][]string{}
	sample := regexp.MustCompile(`(?m)^([a-z_]+)(?:\{(.*)\})? `)
	label := regexp.MustCompile(`([a-z]+)="`)
	for _, m := range sample.FindAllStringSubmatch(string(body), -1) {
		labels := []string{"job", "instance"} // from Prometheus
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			labels = append(labels, l[1])
		}
		found[m[1]] = labels
	}
	return found
}

// foreign metrics are not the hub's: Prometheus's own and node_exporter's.
var foreign = []string{"up", "node_filesystem_avail_bytes"}

// checkExpr holds a PromQL expression's metrics, labels and statuses against
// what the hub exposes.
func checkExpr(t *testing.T, where, expr string, exposed map[string][]string) {
	t.Helper()
	selector := regexp.MustCompile(`([a-zA-Z_:]\w*)\{([^}]*)\}`)
	matcher := regexp.MustCompile(`(\w+)\s*[=!]~?\s*"([^"]*)"`)
	for _, m := range selector.FindAllStringSubmatch(expr, -1) {
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(foreign, m[1]) && !slices.Contains(exposed[m[1]], l[1]) {
				t.Errorf("%s: %s has no label %s", where, m[1], l[1])
			}
			if l[1] == "status" && !slices.Contains([]vocab.Status{vocab.Accepted, vocab.Refused, vocab.Busy}, vocab.Status(l[2])) {
				t.Errorf("%s: there is no status %q", where, l[2])
			}
		}
	}
	bare := regexp.MustCompile(`\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)|"[^"]*"`).ReplaceAllString(expr, " ")
	names := 0
	for _, m := range regexp.MustCompile(`\b([a-zA-Z_]\w*)\b\s*(\()?`).FindAllStringSubmatch(bare, -1) {
		if m[2] != "" || m[1] == "or" || m[1] == "and" {
			continue // a function, an operator
		}
		names++
		if exposed[m[1]] == nil && !slices.Contains(foreign, m[1]) {
			t.Errorf("%s: the hub exposes no %s", where, m[1])
		}
	}
	if names == 0 {
		t.Errorf("%s: %q names no metric", where, expr)
	}
}

func checkAlerts(t *testing.T, exposed map[string][]string) {
	var rules struct {
		Groups []struct {
			Name  string `json:"name"`
			Rules []struct {
				Alert       string            `json:"alert"`
				Expr        string            `json:"expr"`
				For         string            `json:"for"`
				Labels      map[string]string `json:"labels"`
				Annotations map[string]string `json:"annotations"`
			} `json:"rules"`
		} `json:"groups"`
	}
	if err := yaml.UnmarshalStrict([]byte(read(t, "prometheus/alerts.yaml")), &rules); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			seen++
			checkExpr(t, r.Alert, r.Expr, exposed)
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["summary_zh"] == "" {
				t.Errorf("%s lacks its severity or a summary", r.Alert)
			}
			for _, doc := range []string{"../docs/operate.md", "../docs/operate.zh-CN.md"} {
				if !strings.Contains(read(t, doc), r.Alert) {
					t.Errorf("%s does not say what to do about %s", doc, r.Alert)
				}
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d alerts", seen)
	}
	if bin, err := exec.LookPath("promtool"); err == nil {
		if out, err := exec.Command(bin, "check", "config", "prometheus/prometheus.yml").CombinedOutput(); err != nil {
			t.Errorf("promtool: %v\n%s", err, out)
		}
	}
}

func checkDashboard(t *testing.T, exposed map[string][]string) {
	var d struct {
		Title  string
		Panels []struct {
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr, RefID string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "grafana/lianmu.json")), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Panels) < 5 {
		t.Fatalf("only %d panels", len(d.Panels))
	}
	for _, p := range d.Panels {
		if len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s shows nothing, or beyond the edge", p.Title)
		}
		for _, target := range p.Targets {
			checkExpr(t, p.Title, target.Expr, exposed)
		}
	}
}

// certificate writes a throw-away key and certificate for nginx -t.
func certificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"catalogue.example"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"fullchain.pem": {Type: "CERTIFICATE", Bytes: cert},
		"privkey.pem":   {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
