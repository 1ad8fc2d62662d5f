package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const dialTimeout = 10 * time.Second

// Where the runtime listens, and which file tells that it has all it needs.
type runtimeDoor struct{ socket, after string }

func (d runtimeDoor) dial(ctx context.Context) (halfCloser, error) {
	if d.after != "" {
		if _, err := os.Stat(d.after); err != nil {
			return nil, fmt.Errorf("the runtime is not ready yet: %w", err)
		}
	}
	return dialIn(ctx, "unix", d.socket)
}

// A connection whose directions end one by one.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// Joins the request's stream to a socket of the guest: `runtime`, `127.0.0.1:PORT`, or `pod:PID:PORT` in the network
// namespace of that process. The host's end of its direction is passed on; the guest's end of the other ends all.
func tunnel(w http.ResponseWriter, r *http.Request, door runtimeDoor) {
	conn, err := dial(r.Context(), r.Host, door)
	if err != nil {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusBadGateway)
		io.WriteString(w, err.Error())
		return
	}
	defer conn.Close()
	defer context.AfterFunc(r.Context(), func() { conn.Close() })()
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	if control.Flush() != nil {
		return
	}
	go func() {
		if _, err := io.Copy(conn, r.Body); err != nil {
			conn.Close()
			return
		}
		conn.CloseWrite()
	}()
	buffer := make([]byte, 32<<10)
	for {
		n, err := conn.Read(buffer)
		if n > 0 {
			if _, failed := w.Write(buffer[:n]); failed != nil || control.Flush() != nil {
				return
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			// The stream is reset instead of ended, so that the host does not take a part for the whole.
			panic(http.ErrAbortHandler)
		}
	}
}

func dial(ctx context.Context, target string, door runtimeDoor) (halfCloser, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if target == "runtime" {
		return door.dial(ctx)
	}
	if rest, ok := strings.CutPrefix(target, "127.0.0.1:"); ok {
		port, err := portNumber(rest)
		if err != nil {
			return nil, err
		}
		return dialIn(ctx, "tcp", "127.0.0.1:"+port)
	}
	if rest, ok := strings.CutPrefix(target, "pod:"); ok {
		pid, port, _ := strings.Cut(rest, ":")
		return dialPod(ctx, pid, port)
	}
	return nil, fmt.Errorf("there is no way to %q", target)
}

func dialIn(ctx context.Context, network, address string) (halfCloser, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return conn.(halfCloser), nil
}

func portNumber(text string) (string, error) {
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || number == 0 {
		return "", fmt.Errorf("%q is no port", text)
	}
	return strconv.FormatUint(number, 10), nil
}

// Connects to the loopback of the namespace that the process is in.
func dialPod(ctx context.Context, pidText, portText string) (halfCloser, error) {
	pid, err := strconv.ParseUint(pidText, 10, 31)
	if err != nil || pid == 0 {
		return nil, fmt.Errorf("%q is no process", pidText)
	}
	port, err := portNumber(portText)
	if err != nil {
		return nil, err
	}
	namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, err
	}
	defer namespace.Close()
	var conn halfCloser
	err = inNamespace(namespace, func() error {
		var failed error
		if conn, failed = dialIn(ctx, "tcp", "127.0.0.1:"+port); failed == nil {
			return nil
		}
		var other error
		if conn, other = dialIn(ctx, "tcp", "[::1]:"+port); other != nil {
			return failed
		}
		return nil
	})
	return conn, err
}

// Runs work on a thread that is in the network namespace, and that ends with it.
func inNamespace(namespace *os.File, work func() error) error {
	done := make(chan error, 1)
	go func() {
		// Never unlocked: a thread in another namespace must not serve anything else.
		runtime.LockOSThread()
		if _, _, failed := syscall.RawSyscall(setnsNumber, namespace.Fd(), syscall.CLONE_NEWNET, 0); failed != 0 {
			done <- fmt.Errorf("the namespace cannot be entered: %w", failed)
			return
		}
		done <- work()
	}()
	return <-done
}
