package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const unmountNoFollow = 8

// Mounts a tmpfs of `size` bytes (0: the kernel's default) on the folder, unless one is there.
func mountMemory(at place, size string) error {
	bytes, err := strconv.ParseUint(size, 10, 63)
	if err != nil {
		return bad("memory=%q is no number of bytes", size)
	}
	folder, err := at.Open(at.rest)
	if err != nil {
		return err
	}
	defer folder.Close()
	var present syscall.Statfs_t
	if err := syscall.Fstatfs(int(folder.Fd()), &present); err != nil {
		return err
	}
	options := "mode=0755"
	if bytes > 0 {
		options += fmt.Sprintf(",size=%d", bytes)
	}
	// By its descriptor, so that nobody can put another folder in its place.
	path := fmt.Sprintf("/proc/self/fd/%d", folder.Fd())
	real, err := os.Readlink(path)
	if err != nil {
		return err
	}
	if mounted, err := mountsBelow(real); err != nil || len(mounted) > 0 && mounted[0] == real {
		return err
	}
	return syscall.Mount("tmpfs", path, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, options)
}

// Ends all that is mounted on the path or below it.
func unmountBelow(path string) error {
	points, err := mountsBelow(path)
	if err != nil {
		return err
	}
	for index := len(points) - 1; index >= 0; index-- {
		if err := syscall.Unmount(points[index], syscall.MNT_DETACH|unmountNoFollow); err != nil && err != syscall.EINVAL {
			return fmt.Errorf("%s cannot be unmounted: %w", points[index], err)
		}
	}
	return nil
}

var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// Mount points at the path or below it, in the order in which they were made.
func mountsBelow(path string) ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var points []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if point := mountEscapes.Replace(fields[4]); point == path || strings.HasPrefix(point, path+"/") {
			points = append(points, point)
		}
	}
	return points, nil
}
