package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func runIn(t *testing.T, folder string, environment map[string]string, input string) (int, string) {
	var output bytes.Buffer
	code := runPlugin(podCommands{endpoints: folder}, strings.NewReader(input), &output, func(name string) string { return environment[name] })
	return code, output.String()
}

func TestAPodWithoutAnAddressIsTriedAgainLater(t *testing.T) {
	folder := t.TempDir()
	add := map[string]string{"CNI_COMMAND": "ADD", "CNI_NETNS": "/nowhere", "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_UID=u1"}
	if code, output := runIn(t, folder, add, `{"cniVersion":"1.0.0"}`); code != 1 || !strings.Contains(output, `"code":11`) {
		t.Error(code, output)
	}
	os.WriteFile(filepath.Join(folder, "u1"), []byte("10.0.0.7"), 0o600)
	if code, output := runIn(t, folder, add, `{"cniVersion":"1.0.0"}`); code != 1 || !strings.Contains(output, `"code":4`) {
		t.Error(code, output)
	}
	add["CNI_ARGS"] = "K8S_POD_UID=../u1"
	if code, output := runIn(t, folder, add, `{}`); code != 1 || !strings.Contains(output, "no pod's uid") {
		t.Error(code, output)
	}
}

func TestTellsItsVersionsAndRefusesTheRest(t *testing.T) {
	if code, output := runIn(t, "", map[string]string{"CNI_COMMAND": "VERSION"}, ""); code != 0 || !strings.Contains(output, `"supportedVersions":["0.3.1"`) {
		t.Error(code, output)
	}
	if code, output := runIn(t, "", map[string]string{"CNI_COMMAND": "ADD"}, "{"); code != 1 || !strings.Contains(output, `"code":6`) {
		t.Error(code, output)
	}
	if code, _ := runIn(t, "", map[string]string{"CNI_COMMAND": "MAKE"}, "{}"); code != 1 {
		t.Error(code)
	}
}

func TestNamesFitTheKernel(t *testing.T) {
	call := cniCall{container: strings.Repeat("c", 64), ifName: "eth0"}
	if name := hostEnd(call); len(name) != 15 || name == hostEnd(cniCall{container: "other", ifName: "eth0"}) {
		t.Error(name)
	}
	if mac := podMAC(call); len(mac) != 6 || mac[0]&3 != 2 {
		t.Error(mac)
	}
}
