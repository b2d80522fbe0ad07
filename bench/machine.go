package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// A machine is what the figures were measured on.
type machine struct {
	Cores  int     `json:"cores"`
	MemGiB float64 `json:"memGiB"`
	Model  string  `json:"model"`
}

func (m machine) String() string {
	return fmt.Sprintf("%d cores (%s), %.0f GiB", m.Cores, m.Model, m.MemGiB)
}

// thisMachine reads /proc; what is not said there stays unknown.
func thisMachine() machine {
	m := machine{Cores: runtime.NumCPU(), Model: "unknown model"}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.Model = cpuModel(string(text), m.Model)
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		m.MemGiB = memGiB(string(text))
	}
	return m
}

// cpuModel finds the first "model name" of /proc/cpuinfo.
func cpuModel(text, otherwise string) string {
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return otherwise
}

// memGiB finds "MemTotal" of /proc/meminfo.
func memGiB(text string) float64 {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			if err == nil {
				return kib / (1 << 20)
			}
		}
	}
	return 0
}

// load is the number of processes that wanted to run in the last minute, by /proc/loadavg.
func load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	n, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return n
}

// commit names the checkout that is measured, with a mark where it holds changes.
func commit(ctx context.Context, root string) string {
	cmd := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
