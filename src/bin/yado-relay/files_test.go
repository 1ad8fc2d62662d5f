package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func serveFiles(t *testing.T) (string, func(method, target, body string) (int, string)) {
	root := t.TempDir()
	handler := newHandler(settings{pods: root})
	return root, func(method, target, body string) (int, string) {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(method, target, strings.NewReader(body)))
		text, _ := io.ReadAll(recorder.Body)
		return recorder.Code, string(text)
	}
}

func TestPathsStayInTheirFolder(t *testing.T) {
	root, call := serveFiles(t)
	os.WriteFile(filepath.Join(root, "..", "secret"), []byte("secret"), 0o600)
	os.MkdirAll(filepath.Join(root, "a/v"), 0o755)
	os.MkdirAll(filepath.Join(root, "b"), 0o755)
	os.WriteFile(filepath.Join(root, "b/secret"), []byte("secret"), 0o600)
	os.Symlink("../../b", filepath.Join(root, "a/v/other"))
	os.Symlink("../../..", filepath.Join(root, "a/v/up"))
	for _, path := range []string{"..", ".", "/etc", "a/../b", "a//v", "a/v/other/secret", "a/v/up/secret", ""} {
		for _, request := range []struct{ method, target string }{{"GET", "/v1/file?offset=0&path="}, {"PUT", "/v1/file?mode=600&path="}, {"PUT", "/v1/folder?mode=700&path="}, {"PUT", "/v1/volume?path="}, {"GET", "/v1/stat?path="}, {"DELETE", "/v1/tree?path="}, {"POST", "/v1/rename?from=a/v&to="}} {
			if code, text := call(request.method, request.target+path, `{"files":[]}`); code < 400 {
				t.Errorf("%s %s%s: %d %s", request.method, request.target, path, code, text)
			}
		}
	}
	if text, err := os.ReadFile(filepath.Join(root, "b/secret")); err != nil || string(text) != "secret" {
		t.Error(err)
	}
}

func TestAVolumeIsReplacedAsAWhole(t *testing.T) {
	root, call := serveFiles(t)
	write := func(files map[string]string) (int, string) {
		var document struct {
			Files []volumeFile `json:"files"`
		}
		for path, content := range files {
			document.Files = append(document.Files, volumeFile{Path: path, Mode: 0o640, Content: []byte(content)})
		}
		body, _ := json.Marshal(document)
		return call("PUT", "/v1/volume?path=p/v", string(body))
	}
	data := func() string {
		target, _ := os.Readlink(filepath.Join(root, "p/v/..data"))
		return target
	}
	write(map[string]string{"a": "1", "d/b": "2"})
	first := data()
	write(map[string]string{"d/b": "2", "a": "1"})
	if data() != first {
		t.Error("the same content was written again")
	}
	write(map[string]string{"a": "1", "d/b": "3"})
	if text, _ := os.ReadFile(filepath.Join(root, "p/v/d/b")); string(text) != "3" || data() == first {
		t.Errorf("%q in %s", text, data())
	}
	write(map[string]string{"c": "4"})
	entries, _ := os.ReadDir(filepath.Join(root, "p/v"))
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if strings.Join(names, " ") != data()+" ..data c" {
		t.Error(names)
	}
	write(map[string]string{})
	if entries, _ := os.ReadDir(filepath.Join(root, "p/v")); len(entries) != 2 {
		t.Error(entries)
	}
	for _, path := range []string{"../x", "/x", "..x", "a/../../x"} {
		if code, _ := write(map[string]string{path: ""}); code != http.StatusBadRequest {
			t.Errorf("%s: %d", path, code)
		}
	}
}

func TestAFileOfAVolumeHasTheOwnerThatIsNamed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root gives files away")
	}
	root, call := serveFiles(t)
	owner := func() int {
		info, err := os.Stat(filepath.Join(root, "p/v/token"))
		if err != nil {
			t.Fatal(err)
		}
		return ownerIDOf(info)
	}
	for _, wanted := range []int{1000, 1000, 0, 7} {
		if code, text := call("PUT", "/v1/volume?path=p/v", fmt.Sprintf(`{"files": [{"path": "token", "mode": 384, "owner": %d, "content": "eA=="}]}`, wanted)); code >= 300 {
			t.Fatal(code, text)
		}
		if owner() != wanted {
			t.Errorf("%d instead of %d", owner(), wanted)
		}
	}
	if code, _ := call("PUT", "/v1/volume?path=p/v", `{"files": [{"path": "token", "owner": -1}]}`); code != http.StatusBadRequest {
		t.Error(code)
	}
}
