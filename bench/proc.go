package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tickLength is the unit of the times in /proc/PID/stat: USER_HZ is 100 on all of Linux's
// architectures that Go runs on. Source: proc_pid_stat(5).
const tickLength = 10 * time.Millisecond

// errNoProcess says that there is no process of that id.
var errNoProcess = errors.New("no such process")

// A procStat is what /proc/PID/stat says of a process.
type procStat struct {
	parent   int
	own      time.Duration // user and system time of the process
	children time.Duration // the same of its children that have ended and were waited for
}

// parseStat reads the text of /proc/PID/stat. The second field, the name, may hold anything.
func parseStat(text []byte) (procStat, error) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return procStat{}, fmt.Errorf("no name in /proc/PID/stat: %.80q", text)
	}
	fields := strings.Fields(string(text[end+1:])) // from field 3, the state
	if len(fields) < 15 {
		return procStat{}, fmt.Errorf("too few fields in /proc/PID/stat: %.80q", text)
	}
	var numbers [5]int64
	for i, field := range []int{4, 14, 15, 16, 17} { // ppid, utime, stime, cutime, cstime
		n, err := strconv.ParseInt(fields[field-3], 10, 64)
		if err != nil {
			return procStat{}, fmt.Errorf("field %d of /proc/PID/stat: %w", field, err)
		}
		numbers[i] = n
	}
	return procStat{parent: int(numbers[0]), own: time.Duration(numbers[1]+numbers[2]) * tickLength,
		children: time.Duration(numbers[3]+numbers[4]) * tickLength}, nil
}

func readStat(pid int) (procStat, error) {
	text, err := os.ReadFile(procPath(pid, "stat"))
	if errors.Is(err, os.ErrNotExist) {
		return procStat{}, fmt.Errorf("%w: %d", errNoProcess, pid)
	}
	if err != nil {
		return procStat{}, err
	}
	return parseStat(text)
}

func procPath(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }

// treeCPU is the processor time of the processes and all that they have started, ended children
// included.
func treeCPU(roots ...int) (time.Duration, error) {
	stats, err := allStats()
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for pid, stat := range stats {
		if below(stats, pid, roots) {
			sum += stat.own + stat.children
		}
	}
	return sum, nil
}

// below says whether a process is one of the roots or was started by them.
func below(stats map[int]procStat, pid int, roots []int) bool {
	for range len(stats) { // ids are read one after another, so a cycle is possible
		for _, root := range roots {
			if pid == root {
				return true
			}
		}
		stat, ok := stats[pid]
		if !ok {
			return false
		}
		pid = stat.parent
	}
	return false
}

func allStats() (map[int]procStat, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	stats := map[int]procStat{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue // not a process
		}
		if stat, err := readStat(pid); err == nil { // else it has ended meanwhile
			stats[pid] = stat
		}
	}
	return stats, nil
}

// A memory is what /proc/PID/status says of a process's memory, in bytes.
type memory struct {
	peak      int64 // the most that was resident at once, mapped files included
	resident  int64
	anonymous int64 // resident and no file's page: what the process itself asked for
}

// parseStatus reads the text of /proc/PID/status.
func parseStatus(text []byte) (memory, error) {
	var m memory
	found := 0
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		var to *int64
		switch name {
		case "VmHWM":
			to = &m.peak
		case "VmRSS":
			to = &m.resident
		case "RssAnon":
			to = &m.anonymous
		default:
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return m, fmt.Errorf("%s of /proc/PID/status: %w", name, err)
		}
		*to, found = kib<<10, found+1
	}
	if found < 3 {
		return m, errors.New("/proc/PID/status tells nothing of memory: the process has ended, or this is not Linux")
	}
	return m, nil
}

func readMemory(pid int) (memory, error) {
	text, err := os.ReadFile(procPath(pid, "status"))
	if err != nil {
		return memory{}, err
	}
	return parseStatus(text)
}
