package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const cgroupRoot = "/sys/fs/cgroup"

// Cgroups of pods that have no files any more. The runtime makes them on the way to those of a pod's containers, and
// removes only these.
func orphanedCgroups(root, pods string) []string {
	found := []string{}
	// Each controller of version 1 has a tree of its own; quality of service is a level of which there may be none.
	for _, pattern := range []string{"kubepods/pod*", "kubepods/*/pod*", "*/kubepods/pod*", "*/kubepods/*/pod*"} {
		folders, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, folder := range folders {
			uid := strings.TrimPrefix(filepath.Base(folder), "pod")
			if _, err := os.Lstat(filepath.Join(pods, uid)); os.IsNotExist(err) {
				found = append(found, folder)
			}
		}
	}
	return found
}

// Removes a cgroup with all below it, which may be containers' that were killed half made. What is in use is left.
func removeCgroup(folder string) {
	below, _ := filepath.Glob(filepath.Join(folder, "*", "cgroup.procs"))
	for _, path := range below {
		removeCgroup(filepath.Dir(path))
	}
	text, _ := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
	for _, pid := range strings.Fields(string(text)) {
		if number, err := strconv.Atoi(pid); err == nil && isHalfMade("/proc", pid) && isOrphan("/proc", pid) {
			syscall.Kill(number, syscall.SIGKILL)
		}
	}
	os.Remove(folder)
}

// Whether the process waits to become a container's.
func isHalfMade(proc, pid string) bool {
	name, err := os.ReadFile(filepath.Join(proc, pid, "comm"))
	return err == nil && strings.HasPrefix(string(name), "runc:[")
}

// Whether who has started the process has died: what waits for word from there waits for ever.
func isOrphan(proc, pid string) bool {
	_, parent, _, ok := readStat(filepath.Join(proc, pid, "stat"))
	return ok && parent == "1"
}
