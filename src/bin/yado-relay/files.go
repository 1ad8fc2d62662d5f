package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The files of pods. A path is relative to root, and its first part is a folder of its own: no symbolic link, whoever
// made it, leads out of that folder.
type podFiles struct{ root string }

func (f podFiles) register(mux *http.ServeMux) {
	mux.Handle("PUT /v1/folder", answer(f.putFolder))
	mux.Handle("PUT /v1/volume", answer(f.putVolume))
	mux.Handle("PUT /v1/file", answer(f.putFile))
	mux.HandleFunc("GET /v1/file", f.getFile)
	mux.Handle("GET /v1/stat", answer(f.stat))
	mux.Handle("POST /v1/rename", answer(f.rename))
	mux.Handle("GET /v1/names", answer(f.names))
	mux.Handle("GET /v1/usage", answer(f.usage))
	mux.Handle("DELETE /v1/tree", answer(f.deleteTree))
}

// A path's folder of its own, and the rest of the path in it.
type place struct {
	*os.Root
	rest string
}

func split(path string) (first, rest string, err error) {
	if !filepath.IsLocal(path) || filepath.Clean(path) != path || path == "." {
		return "", "", bad("the path %q is not within the pods' folder", path)
	}
	first, rest, _ = strings.Cut(path, "/")
	if rest == "" {
		rest = "."
	}
	return first, rest, nil
}

// Opens a path's own folder; `make` says whether it comes into being.
func (f podFiles) open(path string, make bool) (place, error) {
	first, rest, err := split(path)
	if err != nil {
		return place{}, err
	}
	top, err := os.OpenRoot(f.root)
	if err != nil {
		return place{}, err
	}
	defer top.Close()
	if make {
		if err := top.Mkdir(first, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
			return place{}, err
		}
	}
	own, err := top.OpenRoot(first)
	return place{own, rest}, err
}

func (f podFiles) putFolder(r *http.Request) (any, error) {
	query := r.URL.Query()
	mode, group, err := permissions(r)
	if err != nil {
		return nil, err
	}
	at, err := f.open(query.Get("path"), true)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	if err := at.MkdirAll(at.rest, 0o750); err != nil {
		return nil, err
	}
	if query.Has("memory") {
		if err := mountMemory(at, query.Get("memory")); err != nil {
			return nil, err
		}
	}
	if group >= 0 {
		mode |= fs.ModeSetgid
		if err := at.Chown(at.rest, -1, group); err != nil {
			return nil, err
		}
	}
	return nil, at.Chmod(at.rest, mode)
}

// Mode and group of a request; a group of -1 is none.
func permissions(r *http.Request) (fs.FileMode, int, error) {
	bits, err := strconv.ParseUint(r.URL.Query().Get("mode"), 8, 12)
	if err != nil {
		return 0, 0, bad("the mode %q is not octal", r.URL.Query().Get("mode"))
	}
	group, err := groupOf(r)
	return modeOf(uint32(bits)), group, err
}

func groupOf(r *http.Request) (int, error) {
	text := r.URL.Query().Get("group")
	if text == "" {
		return -1, nil
	}
	group, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, bad("%q is no group", text)
	}
	return int(group), nil
}

// Go keeps the three highest bits elsewhere.
func modeOf(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	for bit, flag := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if bits&bit != 0 {
			mode |= flag
		}
	}
	return mode
}

func (f podFiles) putFile(r *http.Request) (any, error) {
	mode, _, err := permissions(r)
	if err != nil {
		return nil, err
	}
	at, err := f.open(r.URL.Query().Get("path"), true)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	if folder := filepath.Dir(at.rest); folder != "." {
		if err := at.MkdirAll(folder, 0o750); err != nil {
			return nil, err
		}
	}
	if r.ContentLength < 0 || r.ContentLength > largestDocument {
		return nil, bad("the content has %d bytes; %d are possible", r.ContentLength, largestDocument)
	}
	// Read as a whole first, so that a link that breaks off leaves the old content.
	content := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, content); err != nil {
		return nil, bad("the content cannot be read: %w", err)
	}
	if err := at.WriteFile(at.rest, content, mode); err != nil {
		return nil, err
	}
	return nil, at.Chmod(at.rest, mode)
}

func (f podFiles) rename(r *http.Request) (any, error) {
	query := r.URL.Query()
	first, to, err := split(query.Get("to"))
	if err != nil {
		return nil, err
	}
	at, err := f.open(query.Get("from"), false)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	if from, _, _ := strings.Cut(query.Get("from"), "/"); from != first {
		return nil, bad("%q and %q are not below the same folder", query.Get("from"), query.Get("to"))
	}
	return nil, at.Rename(at.rest, to)
}

func (f podFiles) deleteTree(r *http.Request) (any, error) {
	path := r.URL.Query().Get("path")
	first, rest, err := split(path)
	if err != nil {
		return nil, err
	}
	if err := unmountBelow(filepath.Join(f.root, path)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	top, err := os.OpenRoot(f.root)
	if err != nil {
		return nil, err
	}
	defer top.Close()
	if rest == "." {
		return nil, top.RemoveAll(first)
	}
	own, err := top.OpenRoot(first)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer own.Close()
	return nil, own.RemoveAll(rest)
}
