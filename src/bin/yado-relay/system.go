package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

type info struct {
	BootID        string `json:"bootId"`
	MachineID     string `json:"machineId"`
	KernelVersion string `json:"kernelVersion"`
	OSImage       string `json:"osImage"`
	Architecture  string `json:"architecture"`
	CPUs          int    `json:"cpus"`
	MemoryBytes   uint64 `json:"memoryBytes"`
	// 1 also where both versions are mounted: the controllers are then with the first.
	CgroupVersion int `json:"cgroupVersion"`
}

func readInfo() (info, error) {
	memory, err := readMemory()
	if err != nil {
		return info{}, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return info{}, err
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return info{}, err
	}
	// Not every guest has an id of its own.
	machine, _ := os.ReadFile("/etc/machine-id")
	cgroups := 1
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		cgroups = 2
	}
	return info{
		BootID: trimmed(boot), MachineID: trimmed(machine), KernelVersion: trimmed(release), OSImage: osImage(),
		Architecture: runtime.GOARCH, CPUs: runtime.NumCPU(), MemoryBytes: memory["MemTotal"], CgroupVersion: cgroups,
	}, nil
}

func trimmed(text []byte) string { return string(bytes.TrimSpace(text)) }

func osImage() string {
	text, _ := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(value, `"'`)
		}
	}
	return "Linux"
}

type pressure struct {
	CPUNanoseconds        uint64 `json:"cpuNanoseconds"`
	MemoryAvailableBytes  uint64 `json:"memoryAvailableBytes"`
	MemoryWorkingSetBytes uint64 `json:"memoryWorkingSetBytes"`
	DiskCapacityBytes     uint64 `json:"diskCapacityBytes"`
	DiskAvailableBytes    uint64 `json:"diskAvailableBytes"`
	Inodes                uint64 `json:"inodes"`
	InodesFree            uint64 `json:"inodesFree"`
}

func readPressure(folder string) (pressure, error) {
	memory, err := readMemory()
	if err != nil {
		return pressure{}, err
	}
	cpu, err := readCPU()
	if err != nil {
		return pressure{}, err
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(folder, &disk); err != nil {
		return pressure{}, err
	}
	return pressure{
		CPUNanoseconds:       cpu,
		MemoryAvailableBytes: memory["MemAvailable"],
		// As the kubelet counts it: what is used, without file content that was not read lately.
		MemoryWorkingSetBytes: memory["MemTotal"] - memory["MemFree"] - memory["Inactive(file)"],
		DiskCapacityBytes:     disk.Blocks * uint64(disk.Bsize),
		DiskAvailableBytes:    disk.Bavail * uint64(disk.Bsize),
		Inodes:                disk.Files,
		InodesFree:            disk.Ffree,
	}, nil
}

// The lines of /proc/meminfo, in bytes.
func readMemory() (map[string]uint64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return nil, err
	}
	values := map[string]uint64{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		if kibibytes, err := strconv.ParseUint(fields[1], 10, 54); err == nil {
			values[strings.TrimSuffix(fields[0], ":")] = kibibytes << 10
		}
	}
	return values, nil
}

// Time that all processors have worked since the boot.
func readCPU() (uint64, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	ticks := uint64(0)
	// user nice system idle iowait irq softirq steal; guests' time is within user's.
	for _, index := range []int{1, 2, 3, 6, 7, 8} {
		value, err := strconv.ParseUint(fields[index], 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += value
	}
	return ticks * 10_000_000, nil
}

func ownerIDOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

func groupIDOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Gid) }
