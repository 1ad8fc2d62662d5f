package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestIdleShimsAreThoseOfThisRuntimeWithoutAChild(t *testing.T) {
	proc := t.TempDir()
	process := func(pid, parent string, command ...string) {
		folder := filepath.Join(proc, pid)
		os.MkdirAll(folder, 0o755)
		stat := pid + " (odd) name) S " + parent + strings.Repeat(" 0", 17) + " 77" + pid + " 0 0\n"
		os.WriteFile(filepath.Join(folder, "stat"), []byte(stat), 0o644)
		os.WriteFile(filepath.Join(folder, "cmdline"), []byte(strings.Join(command, "\x00")+"\x00"), 0o644)
	}
	shim := func(pid, namespace, socket string, more ...string) {
		process(pid, "1", append([]string{"/usr/bin/" + shimName, "-namespace", namespace, "-id", "i" + pid, "-address", socket}, more...)...)
	}
	const socket = "/run/containerd/containerd.sock"
	shim("10", criNamespace, socket)
	process("11", "10", "/pause")
	shim("20", criNamespace, socket)
	shim("30", "moby", socket)
	shim("70", criNamespace, socket)
	process("71", "70", "runc", "init")
	os.WriteFile(filepath.Join(proc, "71", "comm"), []byte("runc:[2:INIT]\n"), 0o644)
	shim("40", criNamespace, "/run/other.sock")
	shim("50", criNamespace, socket, "start")
	process("60", "1", "sh", "-namespace", criNamespace, "-address", socket)
	if found := idleShims(proc, socket); !slices.Equal(slices.Sorted(slices.Values(found)), []string{"20 7720", "70 7770"}) {
		t.Fatalf("found %q", found)
	}
}

func TestWhoWasBusyInBetweenIsCountedAnew(t *testing.T) {
	looks := stillIdle(stillIdle(map[string]int{}, []string{"a", "b"}), []string{"a"})
	looks = stillIdle(looks, []string{"a", "b"})
	if looks["a"] != 3 || looks["b"] != 1 {
		t.Fatalf("counted %v", looks)
	}
}
