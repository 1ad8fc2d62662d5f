package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestAnswersVersionItself(t *testing.T) {
	var out bytes.Buffer
	if code := run(strings.NewReader(`{"cniVersion":"0.4.0"}`), &out, environment(map[string]string{"CNI_COMMAND": "VERSION"})); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if got := out.String(); !strings.Contains(got, `"cniVersion":"0.4.0"`) || !strings.Contains(got, `"supportedVersions"`) {
		t.Fatal(got)
	}
}

func TestRefusesWhatItDoesNotKnow(t *testing.T) {
	var out bytes.Buffer
	if code := run(strings.NewReader(`{}`), &out, environment(map[string]string{"CNI_COMMAND": "MOVE"})); code != 1 {
		t.Fatalf("exit code %d", code)
	}
	if !strings.Contains(out.String(), `"code":4`) {
		t.Fatal(out.String())
	}
}

func TestForwardsAndWaitsForAnAgentThatRestarts(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "cni.sock")
	seen := make(chan request, 1)
	go func() {
		time.Sleep(200 * time.Millisecond)
		listener, err := net.Listen("unix", socket)
		if err != nil {
			t.Error(err)
			return
		}
		defer listener.Close()
		// The first connection breaks off, as when the agent is killed.
		broken, _ := listener.Accept()
		broken.Close()
		conn, _ := listener.Accept()
		defer conn.Close()
		line, _ := bufio.NewReader(conn).ReadBytes('\n')
		var got request
		if err := json.Unmarshal(line, &got); err != nil {
			t.Error(err)
		}
		seen <- got
		conn.Write([]byte(`{"ok":true,"output":{"ips":[]}}` + "\n"))
	}()
	var out bytes.Buffer
	code := run(strings.NewReader(`{"socket":"`+socket+`"}`), &out, environment(map[string]string{
		"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_NETNS": "/run/netns/x", "CNI_IFNAME": "eth0", "CNI_ARGS": "A=b",
	}))
	if code != 0 || strings.TrimSpace(out.String()) != `{"ips":[]}` {
		t.Fatalf("exit code %d, output %s", code, out.String())
	}
	if got := <-seen; got.ContainerID != "c1" || got.Netns != "/run/netns/x" || got.Args != "A=b" || got.Command != "ADD" {
		t.Fatalf("%+v", got)
	}
}

func TestPrintsTheAgentsError(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "cni.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, _ := listener.Accept()
		defer conn.Close()
		bufio.NewReader(conn).ReadBytes('\n')
		conn.Write([]byte(`{"ok":false,"output":{"code":11,"msg":"later"}}` + "\n"))
	}()
	var out bytes.Buffer
	code := run(strings.NewReader(`{"socket":"`+socket+`"}`), &out, environment(map[string]string{"CNI_COMMAND": "DEL", "CNI_CONTAINERID": "c1"}))
	if code != 1 || !strings.Contains(out.String(), `"msg":"later"`) {
		t.Fatalf("exit code %d, output %s", code, out.String())
	}
}
