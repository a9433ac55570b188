// Package deploy holds what it takes to run a hub as a service: unit,
// container, NATS configuration, alerts, dashboard. Its tests read each file
// with something real. It has no code and is imported by nobody.
package deploy
