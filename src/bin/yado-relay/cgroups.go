package main

import (
	"os"
	"path/filepath"
	"strings"
)

const cgroupRoot = "/sys/fs/cgroup"

// Cgroups of pods that have no files any more. The runtime makes them on the way to those of a pod's containers, and
// removes only these. Who removes one that is in use after all gets an error from the kernel.
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
