package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"lianmu/hub"
	"lianmu/hub/access"
)

type hubCmd struct {
	Config            string            `placeholder:"FILE" env:"LIANMU_CONFIG" help:"YAML file with the settings; environment and flags come before it."`
	Dir               string            `placeholder:"DIR" env:"LIANMU_DIR" help:"Folder for keys, log and index."`
	HTTP              string            `name:"http" placeholder:"HOST:PORT" env:"LIANMU_HTTP" help:"Address of pages and API (default 127.0.0.1:8080; port 0 picks one)."`
	NATS              string            `name:"nats" placeholder:"HOST:PORT" env:"LIANMU_NATS" xor:"nats" help:"Address of the embedded NATS server (default 127.0.0.1:4222; port 0 picks one)."`
	NATSURL           string            `name:"nats-url" placeholder:"URL" env:"LIANMU_NATS_URL" xor:"nats" help:"An external NATS server instead of the embedded one."`
	TLSCert           string            `name:"tls-cert" placeholder:"FILE" env:"LIANMU_TLS_CERT" help:"Certificate chain (PEM) for HTTP and the embedded NATS server; a new one is taken up by itself."`
	TLSKey            string            `name:"tls-key" placeholder:"FILE" env:"LIANMU_TLS_KEY" help:"Its private key (PEM, readable by its owner only)."`
	Open              bool              `env:"LIANMU_OPEN" help:"Admit every space that signs (trial, demonstration)."`
	Operators         []access.Operator `placeholder:"DID[=ROLE]" env:"LIANMU_OPERATORS" help:"Operators beside the hub's own key, each with an office (lianmu access show)."`
	QueueLength       int               `placeholder:"N" env:"LIANMU_QUEUE_LENGTH" help:"Submissions under way before the hub says busy (default 4096)."`
	IndexEvery        time.Duration     `placeholder:"TIME" env:"LIANMU_INDEX_EVERY" help:"How long the index gathers a batch (default 100ms)."`
	RequestsPerSecond int               `placeholder:"N" env:"LIANMU_REQUESTS_PER_SECOND" help:"HTTP requests a second from one address (default 200; twice as many at once)."`
	MaxBytes          int               `placeholder:"N" help:"Largest document in bytes (default 262144)."`
	MaxDepth          int               `placeholder:"N" help:"Deepest nesting of a document (default 32)."`
	MaxNodes          int               `placeholder:"N" help:"Most JSON values in a document (default 20000)."`
	MaxTime           time.Duration     `placeholder:"TIME" help:"Longest expansion of a document (default 250ms)."`
	LogJSON           bool              `name:"log-json" help:"Log as JSON lines."`
	LogLevel          slog.Level        `name:"log-level" default:"info" help:"debug, info, warn or error."`
	Pprof             string            `placeholder:"HOST:PORT" help:"Serve profiles on this loopback address."`
	JSON              bool              `name:"json" help:"Print DID and addresses as JSON."`
}

// gcPercent lets garbage grow to 1.5 times what is in use: a hub at a low rate
// has little in use, and collected far too often. GOGC in the environment wins.
const gcPercent = 150

// closeWait is how long a hub may take to stop in order.
const closeWait = 5 * time.Second

// Run runs a hub until ctx ends (SIGINT, SIGTERM) or a part of it fails. When
// it is ready it prints one line.
func (c *hubCmd) Run(ctx context.Context, s *streams) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	if config.Dir == "" {
		return errors.New(tr("需要 --dir：存放密钥、账本和索引的文件夹", "needs --dir: the folder for keys, log and index"))
	}
	config.Logger, config.Now = c.logger(s), s.Now
	if c.Pprof != "" {
		stop, err := servePprof(c.Pprof, config.Logger)
		if err != nil {
			return err
		}
		defer stop()
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	h, err := startHub(ctx, config)
	if err != nil {
		return err
	}
	info := h.Info()
	if c.JSON {
		err = json.NewEncoder(s.Out).Encode(info)
	} else {
		err = ready(s, info)
	}
	return errors.Join(err, serve(ctx, h, config.Logger))
}

// ready prints the one line that scripts wait for, the same in every language.
func ready(s *streams, info hub.Info) error {
	_, err := fmt.Fprintf(s.Out, "ready  did=%s  http=%s  nats=%s  log=%d\n", info.DID, info.HTTP, info.NATS, info.LogSize)
	return err
}

// serve waits for ctx or a failing part, then closes the hub in order.
func serve(ctx context.Context, h *hub.Hub, log *slog.Logger) error {
	failed := make(chan error, 1)
	go func() { failed <- h.Wait() }()
	var err error
	select {
	case <-ctx.Done():
		log.Info("stopping")
	case err = <-failed:
	}
	return closeAfter(ctx, h, err)
}

// closeAfter closes the hub in order; err is why, nil where it was asked to.
func closeAfter(ctx context.Context, h *hub.Hub, err error) error {
	// The signal's context is over; stopping has time of its own.
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
	defer cancel()
	return errors.Join(err, h.Close(stop))
}

// startHub starts a hub and explains what users meet most: an address that is
// wrong or taken.
func startHub(ctx context.Context, c hub.Config) (*hub.Hub, error) {
	if err := checkAddress("--http", c.HTTP); err != nil {
		return nil, err
	}
	if err := checkAddress("--nats", c.NATS); err != nil {
		return nil, err
	}
	h, err := hub.Start(ctx, c)
	if err == nil {
		return h, nil
	}
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "listen" && errors.Is(err, syscall.EADDRINUSE):
		return nil, taken("--http", op.Addr.String())
	case errors.As(err, &op) && op.Op == "listen":
		return nil, fmt.Errorf(tr("不能在 %s 上提供网页和接口：%w；请核对 --http", "pages and API cannot be served on %s: %w; check --http"), c.HTTP, op.Err)
	case strings.Contains(err.Error(), "NATS") && strings.Contains(err.Error(), "address already in use"):
		return nil, taken("--nats", cmp.Or(c.NATS, "127.0.0.1:4222"))
	}
	return nil, err
}

// taken says that another program listens on an address.
func taken(flag, address string) error {
	return fmt.Errorf(tr("地址 %[2]s 已被占用，也许已有一个节点在运行；请用 %[1]s 换一个端口，端口写 0 则自动选择",
		"%[2]s is in use, perhaps by another hub; choose another port with %[1]s, or port 0 to have one picked"), flag, address)
}

// checkAddress wants HOST:PORT with a port from 0 to 65535; "" is the default.
func checkAddress(flag, address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		if n, perr := strconv.Atoi(port); perr == nil && n >= 0 && n <= 65535 {
			return nil
		}
	}
	return fmt.Errorf(tr("%s 应写成 主机:端口，端口在 0 到 65535 之间，例如 127.0.0.1:8080，而不是 %q", "%s is HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:8080, not %q"), flag, address)
}

func (c *hubCmd) logger(s *streams) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogJSON {
		return slog.New(slog.NewJSONHandler(s.Err, o))
	}
	return slog.New(slog.NewTextHandler(s.Err, o))
}

// config reads the file, then lays environment and flags over it.
func (c *hubCmd) config() (hub.Config, error) {
	var config hub.Config
	if c.Config != "" {
		raw, err := os.ReadFile(c.Config)
		if err != nil {
			return config, err
		}
		if config, err = parseConfig(raw); err != nil {
			return config, fmt.Errorf("%s: %w", c.Config, err)
		}
	}
	overlay(&config.Dir, c.Dir)
	overlay(&config.HTTP, c.HTTP)
	if c.NATS != "" || c.NATSURL != "" { // one takes the place of the other
		config.NATS, config.NATSURL = c.NATS, c.NATSURL
	}
	overlay(&config.TLSCert, c.TLSCert)
	overlay(&config.TLSKey, c.TLSKey)
	config.Open = config.Open || c.Open
	config.Operators = append(config.Operators, c.Operators...)
	overlay(&config.QueueLength, c.QueueLength)
	overlay(&config.RequestsPerSecond, c.RequestsPerSecond)
	overlay(&config.IndexEvery, c.IndexEvery)
	overlay(&config.Limits.Bytes, c.MaxBytes)
	overlay(&config.Limits.Depth, c.MaxDepth)
	overlay(&config.Limits.Nodes, c.MaxNodes)
	overlay(&config.Limits.Time, c.MaxTime)
	return config, nil
}

func overlay[T comparable](setting *T, flag T) {
	var none T
	if flag != none {
		*setting = flag
	}
}

// servePprof serves net/http/pprof on a loopback address only: profiles show
// what passes through the hub.
func servePprof(addr string, log *slog.Logger) (stop func(), err error) {
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf(tr("--pprof 只能用本机地址，例如 127.0.0.1:6060，而不是 %q", "--pprof takes a loopback address only, such as 127.0.0.1:6060, not %q"), addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("pprof", "err", err)
		}
	}()
	log.Info("pprof", "addr", l.Addr().String())
	return func() { _ = server.Close() }, nil
}
