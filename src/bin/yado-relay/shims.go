package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const (
	shimName = "containerd-shim-runc-v2"
	// The namespace of CRI's containers.
	criNamespace = "k8s.io"
)

// A containerd that is killed while it makes or removes a pod forgets the shim that it has started, and so does the
// one after it (1.6, 1.7): the shim would stay until the guest's end. Ends those of this runtime's pods that have long
// been idle, and returns how long each has been.
func endIdleShims(idle map[string]int, door runtimeDoor) map[string]int {
	// Who is not there cannot have noticed yet that a pod has ended.
	conn, err := door.dial(context.Background())
	if err != nil {
		return map[string]int{}
	}
	conn.Close()
	idle = stillIdle(idle, idleShims("/proc", door.socket))
	for shim, looks := range idle {
		if looks < houseLooks {
			continue
		}
		if pid, err := strconv.Atoi(strings.SplitN(shim, " ", 2)[0]); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return idle
}

// Shims of the runtime that have no child, which each has for as long as it serves a pod; as pid and moment of start,
// which together name a process for good. A container that was half made when containerd no longer wanted it is none.
func idleShims(proc, socket string) []string {
	stats, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "stat"))
	parents := map[string]bool{}
	candidates := map[string]string{}
	for _, path := range stats {
		pid, parent, started, ok := readStat(path)
		if !ok {
			continue
		}
		if !isHalfMade(proc, pid) {
			parents[parent] = true
		}
		if isShimOf(filepath.Join(filepath.Dir(path), "cmdline"), socket) {
			candidates[pid] = started
		}
	}
	idle := []string{}
	for pid, started := range candidates {
		if !parents[pid] {
			idle = append(idle, fmt.Sprintf("%s %s", pid, started))
		}
	}
	return idle
}

// See proc_pid_stat(5); the command in it may hold spaces and brackets.
func readStat(path string) (pid, parent, started string, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", "", "", false
	}
	end := strings.LastIndexByte(string(text), ')')
	if end < 0 {
		return "", "", "", false
	}
	fields := strings.Fields(string(text)[end+1:])
	if len(fields) < 20 {
		return "", "", "", false
	}
	return filepath.Base(filepath.Dir(path)), fields[1], fields[19], true
}

func isShimOf(path, socket string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	words := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
	// `start` and `delete` are calls that end by themselves.
	if filepath.Base(words[0]) != shimName || slices.Contains(words, "start") || slices.Contains(words, "delete") {
		return false
	}
	return after(words, "-namespace") == criNamespace && after(words, "-address") == socket
}

func after(words []string, flag string) string {
	if at := slices.Index(words, flag); at >= 0 && at+1 < len(words) {
		return words[at+1]
	}
	return ""
}
