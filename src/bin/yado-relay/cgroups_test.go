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

func TestOnlyWhoWaitsForNobodyIsHalfMade(t *testing.T) {
	proc := t.TempDir()
	for pid, about := range map[string][2]string{"10": {"runc:[2:INIT]", "1"}, "11": {"runc:[2:INIT]", "9"}, "12": {"sleep", "1"}} {
		os.MkdirAll(filepath.Join(proc, pid), 0o755)
		os.WriteFile(filepath.Join(proc, pid, "comm"), []byte(about[0]+"\n"), 0o644)
		stat := pid + " (" + about[0] + ") S " + about[1] + " 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 55 0 0"
		os.WriteFile(filepath.Join(proc, pid, "stat"), []byte(stat), 0o644)
	}
	for pid, wanted := range map[string]bool{"10": true, "11": false, "12": false, "13": false} {
		if (isHalfMade(proc, pid) && isOrphan(proc, pid)) != wanted {
			t.Errorf("%s: not %v", pid, wanted)
		}
	}
}
