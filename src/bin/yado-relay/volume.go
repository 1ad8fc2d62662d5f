package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

const (
	dataLink = "..data"
	newLink  = "..data_tmp"
)

type volumeFile struct {
	Path string `json:"path"`
	Mode uint32 `json:"mode"`
	// Root's where nobody is named.
	Owner   int    `json:"owner"`
	Content []byte `json:"content"`
}

// Replaces a volume's content so that a reader sees the old or the new, as Kubernetes does it: files lie in a folder
// named after the time, `..data` leads to it, and a link for each first part of a path leads through `..data`.
func (f podFiles) putVolume(r *http.Request) (any, error) {
	var document struct {
		Files []volumeFile `json:"files"`
	}
	if err := readDocument(r, &document); err != nil {
		return nil, err
	}
	group, err := groupOf(r)
	if err != nil {
		return nil, err
	}
	at, err := f.open(r.URL.Query().Get("path"), true)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	if err := at.MkdirAll(at.rest, 0o755); err != nil {
		return nil, err
	}
	volume, err := at.OpenRoot(at.rest)
	if err != nil {
		return nil, err
	}
	defer volume.Close()
	files, err := wanted(document.Files, group)
	if err != nil {
		return nil, err
	}
	return nil, writeVolume(volume, files, group)
}

// The files by path, with the modes that they get. A group may read what the owner may.
func wanted(given []volumeFile, group int) (map[string]volumeFile, error) {
	files := map[string]volumeFile{}
	for _, file := range given {
		path := filepath.Clean(file.Path)
		if !filepath.IsLocal(path) || path == "." || strings.HasPrefix(path, "..") {
			return nil, bad("the path %q cannot be in a volume", file.Path)
		}
		if file.Owner < 0 {
			return nil, bad("%q: there is no user %d", path, file.Owner)
		}
		if file.Mode > 0o777 {
			return nil, bad("%q: the mode %o is not possible in a volume", path, file.Mode)
		}
		if group >= 0 {
			file.Mode |= 0o440
		}
		files[path] = file
	}
	return files, nil
}

func writeVolume(volume *os.Root, files map[string]volumeFile, group int) error {
	old, err := volume.Readlink(dataLink)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || !holds(volume, old, files, group) {
		folder := fmt.Sprintf("..%s", time.Now().UTC().Format("2006_01_02_15_04_05.000000000"))
		if err := fill(volume, folder, files, group); err != nil {
			volume.RemoveAll(folder)
			return err
		}
		if err := volume.RemoveAll(newLink); err != nil {
			return err
		}
		if err := volume.Symlink(folder, newLink); err != nil {
			return err
		}
		if err := volume.Rename(newLink, dataLink); err != nil {
			return err
		}
	}
	return linkFirstParts(volume, files)
}

// Whether the folder has exactly these files, their modes, owners and group.
func holds(volume *os.Root, folder string, files map[string]volumeFile, group int) bool {
	found := 0
	err := fs.WalkDir(volume.FS(), folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, known := files[strings.TrimPrefix(path, folder+"/")]
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := volume.ReadFile(path)
		if err != nil {
			return err
		}
		if !known || !bytes.Equal(content, file.Content) || info.Mode() != fs.FileMode(file.Mode) || ownerIDOf(info) != file.Owner || group >= 0 && groupIDOf(info) != group {
			found = -1
			return fs.SkipAll
		}
		found++
		return nil
	})
	return err == nil && found == len(files)
}

func fill(volume *os.Root, folder string, files map[string]volumeFile, group int) error {
	if err := makeFolder(volume, folder, group); err != nil {
		return err
	}
	for _, path := range sortedPaths(files) {
		if err := makeFolders(volume, folder, filepath.Dir(path), group); err != nil {
			return err
		}
		full := folder + "/" + path
		mode := fs.FileMode(files[path].Mode)
		if err := volume.WriteFile(full, files[path].Content, mode); err != nil {
			return err
		}
		if err := volume.Chown(full, files[path].Owner, group); err != nil {
			return err
		}
		if err := volume.Chmod(full, mode); err != nil {
			return err
		}
	}
	return nil
}

func makeFolders(volume *os.Root, base, path string, group int) error {
	if path == "." {
		return nil
	}
	current := base
	for part := range strings.SplitSeq(path, "/") {
		current += "/" + part
		if err := makeFolder(volume, current, group); err != nil {
			return err
		}
	}
	return nil
}

func makeFolder(volume *os.Root, path string, group int) error {
	if err := volume.Mkdir(path, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	if group < 0 {
		return nil
	}
	if err := volume.Chown(path, -1, group); err != nil {
		return err
	}
	return volume.Chmod(path, 0o755|fs.ModeSetgid)
}

// Makes the links that are missing and removes those, and former folders, that nothing leads to any more.
func linkFirstParts(volume *os.Root, files map[string]volumeFile) error {
	parts := map[string]bool{}
	for path := range files {
		first, _, _ := strings.Cut(path, "/")
		parts[first] = true
	}
	current, err := volume.Readlink(dataLink)
	if err != nil {
		return err
	}
	for part := range parts {
		target := dataLink + "/" + part
		if present, err := volume.Readlink(part); err == nil && present == target {
			continue
		}
		if err := volume.RemoveAll(part); err != nil {
			return err
		}
		if err := volume.Symlink(target, part); err != nil {
			return err
		}
	}
	entries, err := fs.ReadDir(volume.FS(), ".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		if parts[name] || name == dataLink || name == current {
			continue
		}
		if err := volume.RemoveAll(name); err != nil {
			return err
		}
	}
	return nil
}

func sortedPaths(files map[string]volumeFile) []string {
	paths := make([]string, 0, len(files))
	for path := range files {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	return paths
}
