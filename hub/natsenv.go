package hub

import (
	"os"
	"path/filepath"

	"lianmu/hub/bus"
)

// NATSEnv is what an external NATS server must know of a hub, as environment
// variables ("NAME=value") for deploy/nats/lianmu.conf. Nothing of it is secret.
// hub.key and callout.nk are made in dir where absent.
func NATSEnv(dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key, err := ensureKey(filepath.Join(dir, "hub.key"))
	if err != nil {
		return nil, err
	}
	callout, err := bus.OpenCalloutKeys(filepath.Join(dir, CalloutFile))
	if err != nil {
		return nil, err
	}
	return []string{
		"LIANMU_HUB_DID=" + key.DID(),
		"LIANMU_CALLOUT_ISSUER=" + callout.Issuer(),
		"LIANMU_CALLOUT_XKEY=" + callout.XKey(),
	}, nil
}
