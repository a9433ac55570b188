package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"lianmu/hub"
)

// logEpochCmd lets a log that cannot go on as it was signed begin anew.
type logEpochCmd struct {
	Dir     string `required:"" placeholder:"DIR" env:"LIANMU_DIR" help:"The folder of the hub, which must be stopped."`
	NATSURL string `name:"nats-url" placeholder:"URL" env:"LIANMU_NATS_URL" help:"The external NATS server that holds the log, where the hub uses one."`
	JSON    bool   `name:"json" help:"Print the result as JSON."`
}

// Run begins the next epoch: new origin and log.key, the last checkpoint of the
// former one cited in its first entry.
func (c *logEpochCmd) Run(ctx context.Context, s *streams) error {
	log := slog.New(slog.NewTextHandler(s.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	previous, origin, err := hub.NewEpoch(ctx, hub.Config{Dir: c.Dir, NATSURL: c.NATSURL, Now: s.Now, Logger: log})
	if errors.Is(err, hub.ErrNothingSigned) {
		return errors.New(tr("这里的账本从未签封过，无须另立；直接启动节点即可", "this log was never signed, so there is nothing to leave; start the hub as it is"))
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(map[string]string{"origin": origin, "former_checkpoint": string(previous)})
	}
	_, err = fmt.Fprintf(s.Out, tr(
		"账本已另立，新名称 %s。请把新名称和验证公钥告知信任旧账本的各方。原账本最后的签封：\n\n%s",
		"The log goes on as %s. Tell those who trust the former log its new name and key. The last checkpoint of the former one:\n\n%s"), origin, previous)
	return err
}
