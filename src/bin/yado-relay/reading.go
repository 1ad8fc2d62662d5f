package main

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"sort"
	"strconv"
	"syscall"
)

// A file from `offset` on, or its `last` bytes.
func (f podFiles) getFile(w http.ResponseWriter, r *http.Request) {
	content, size, err := f.part(r)
	if err != nil {
		refuse(w, err)
		return
	}
	defer content.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	io.CopyN(w, content, size)
}

func (f podFiles) part(r *http.Request) (*os.File, int64, error) {
	query := r.URL.Query()
	at, err := f.open(query.Get("path"), false)
	if err != nil {
		return nil, 0, err
	}
	defer at.Close()
	// A pipe that a container has put there must not hold us up.
	file, err := at.OpenFile(at.rest, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = bad("%q is no regular file", query.Get("path"))
	}
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	start, err := startOf(r, info.Size())
	if err == nil {
		_, err = file.Seek(start, io.SeekStart)
	}
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, info.Size() - start, nil
}

func startOf(r *http.Request, size int64) (int64, error) {
	query := r.URL.Query()
	name := "offset"
	if query.Has("last") {
		name = "last"
	}
	number, err := strconv.ParseInt(query.Get(name), 10, 64)
	if err != nil || number < 0 {
		return 0, bad("%s=%q is no number of bytes", name, query.Get(name))
	}
	if name == "last" {
		return max(0, size-number), nil
	}
	return min(number, size), nil
}

func (f podFiles) stat(r *http.Request) (any, error) {
	at, err := f.open(r.URL.Query().Get("path"), false)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	info, err := at.Stat(at.rest)
	if err != nil {
		return nil, err
	}
	return map[string]any{"sizeBytes": info.Size(), "inode": info.Sys().(*syscall.Stat_t).Ino}, nil
}

func (f podFiles) names(r *http.Request) (any, error) {
	folder, err := f.openFolder(r.URL.Query().Get("path"))
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	sort.Strings(names)
	return append([]string{}, names...), err
}

// The folder as it is; of "" the folder of all pods.
func (f podFiles) openFolder(path string) (*os.File, error) {
	if path == "" {
		return os.Open(f.root)
	}
	at, err := f.open(path, false)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	return at.Open(at.rest)
}

// Bytes of a tree as its file system counts them, each file once however many names it has.
func (f podFiles) usage(r *http.Request) (any, error) {
	at, err := f.open(r.URL.Query().Get("path"), false)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]any{"bytes": 0}, nil
	}
	if err != nil {
		return nil, err
	}
	defer at.Close()
	total := int64(0)
	seen := map[[2]uint64]bool{}
	fs.WalkDir(at.FS(), at.rest, func(_ string, entry fs.DirEntry, err error) error {
		// What has gone meanwhile takes up nothing.
		if err != nil || r.Context().Err() != nil {
			return r.Context().Err()
		}
		info, err := entry.Info()
		if err != nil {
			return nil
		}
		stat := info.Sys().(*syscall.Stat_t)
		if key := [2]uint64{uint64(stat.Dev), stat.Ino}; stat.Nlink == 1 || !seen[key] {
			seen[key] = stat.Nlink > 1
			total += stat.Blocks * 512
		}
		return nil
	})
	return map[string]any{"bytes": total}, nil
}
