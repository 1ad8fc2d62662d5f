// yado-cni forwards CNI commands to the node agent over its socket and prints the answer. It decides nothing itself,
// so that it starts in a millisecond and never needs an update of its own.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

const (
	defaultSocket = "/run/yadokari/cni.sock"
	// An agent that is restarting is back within this time; a pod must not fail for it.
	patience = 10 * time.Second
	// The agent answers every request within 90 seconds.
	longest = 100 * time.Second

	codeInvalidEnvironment = 4
	codeDecodingFailure    = 6
	codeTryAgainLater      = 11
)

var supported = []string{"0.3.1", "0.4.0", "1.0.0", "1.1.0"}

type config struct {
	CNIVersion string `json:"cniVersion"`
	Socket     string `json:"socket"`
}

type request struct {
	Command     string          `json:"command"`
	ContainerID string          `json:"containerId"`
	Netns       string          `json:"netns"`
	IfName      string          `json:"ifName"`
	Args        string          `json:"args"`
	Config      json.RawMessage `json:"config"`
}

type reply struct {
	OK     bool            `json:"ok"`
	Output json.RawMessage `json:"output"`
}

func main() {
	os.Exit(run(os.Stdin, os.Stdout, os.Getenv))
}

func run(stdin io.Reader, stdout io.Writer, getenv func(string) string) int {
	command := getenv("CNI_COMMAND")
	input, err := io.ReadAll(stdin)
	if err != nil {
		return fail(stdout, "", codeDecodingFailure, "the network configuration cannot be read: "+err.Error())
	}
	var given config
	if err := json.Unmarshal(input, &given); err != nil && command != "VERSION" {
		return fail(stdout, "", codeDecodingFailure, "the network configuration is no JSON: "+err.Error())
	}
	switch command {
	case "VERSION":
		return printJSON(stdout, map[string]any{"cniVersion": orElse(given.CNIVersion, "1.0.0"), "supportedVersions": supported})
	case "ADD", "DEL", "CHECK", "GC", "STATUS":
	default:
		return fail(stdout, given.CNIVersion, codeInvalidEnvironment, fmt.Sprintf("CNI_COMMAND %q is not known", command))
	}
	answer, err := ask(orElse(given.Socket, defaultSocket), request{
		Command:     command,
		ContainerID: getenv("CNI_CONTAINERID"),
		Netns:       getenv("CNI_NETNS"),
		IfName:      getenv("CNI_IFNAME"),
		Args:        getenv("CNI_ARGS"),
		Config:      input,
	}, patience)
	if err != nil {
		return fail(stdout, given.CNIVersion, codeTryAgainLater, "the node agent does not answer: "+err.Error())
	}
	if !answer.OK {
		stdout.Write(append(answer.Output, '\n'))
		return 1
	}
	if command == "ADD" {
		stdout.Write(append(answer.Output, '\n'))
	}
	return 0
}

// ask sends one request and returns its reply. Every command may be repeated, so a connection that breaks off before
// the reply (the agent was restarted) is made anew until the patience since the last break is over.
func ask(socket string, call request, patience time.Duration) (reply, error) {
	line, err := json.Marshal(call)
	if err != nil {
		return reply{}, err
	}
	end := time.Now().Add(longest)
	until := time.Now().Add(patience)
	for {
		conn, err := net.DialTimeout("unix", socket, time.Second)
		if err == nil {
			var answer reply
			if answer, err = exchange(conn, line, end); err == nil {
				return answer, nil
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return reply{}, err
			}
			until = time.Now().Add(patience)
		}
		if now := time.Now(); now.After(until) || now.After(end) {
			return reply{}, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func exchange(conn net.Conn, line []byte, end time.Time) (reply, error) {
	defer conn.Close()
	var answer reply
	if err := conn.SetDeadline(end); err != nil {
		return answer, err
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		return answer, err
	}
	text, err := bufio.NewReader(conn).ReadBytes('\n')
	if err != nil {
		return answer, err
	}
	return answer, json.Unmarshal(text, &answer)
}

func fail(stdout io.Writer, version string, code int, message string) int {
	printJSON(stdout, map[string]any{"cniVersion": orElse(version, "1.0.0"), "code": code, "msg": message})
	return 1
}

func printJSON(stdout io.Writer, value any) int {
	if err := json.NewEncoder(stdout).Encode(value); err != nil {
		return 1
	}
	return 0
}

func orElse(value, other string) string {
	if value == "" {
		return other
	}
	return value
}
