package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestCgroupsWithoutAPodAreOrphans(t *testing.T) {
	root, pods := t.TempDir(), t.TempDir()
	for _, folder := range []string{"kubepods/podgone", "kubepods/burstable/podgone", "kubepods/burstable/podhere/container", "memory/kubepods/besteffort/podgone", "memory/kubepods/podhere", "system.slice/podgone"} {
		os.MkdirAll(filepath.Join(root, folder), 0o755)
	}
	os.Mkdir(filepath.Join(pods, "here"), 0o755)
	found := orphanedCgroups(root, pods)
	slices.Sort(found)
	wanted := []string{"kubepods/burstable/podgone", "kubepods/podgone", "memory/kubepods/besteffort/podgone"}
	for index := range wanted {
		wanted[index] = filepath.Join(root, wanted[index])
	}
	if !slices.Equal(found, wanted) {
		t.Errorf("found %q", found)
	}
}
