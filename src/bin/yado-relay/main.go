// yado-relay lets the host of a virtual machine use the container runtime inside it: it carries the runtime's socket,
// looks after the files of pods, and connects them. It serves HTTP/2 on a virtio-serial port or over TLS, connects to
// nothing outside of the guest and holds no credentials but, where TLS is wanted, its own. Called as `yado-pod` or
// `loopback` it is a CNI plugin.
package main

import (
	"errors"
	"flag"
	"log"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
)

// The name of the port as the host's domain has it.
const defaultPort = "/dev/virtio-ports/dev.yadokari.relay.0"

type settings struct {
	port    string
	runtime runtimeDoor
	pods    string
	listen  string
	keys    string
}

func main() {
	switch filepath.Base(os.Args[0]) {
	case podPlugin:
		os.Exit(runPlugin(podCommands{endpoints: endpointsFolder}, os.Stdin, os.Stdout, os.Getenv))
	case loopbackPlugin:
		os.Exit(runPlugin(loopbackCommands{}, os.Stdin, os.Stdout, os.Getenv))
	}
	log.SetFlags(0)
	log.SetPrefix("yado-relay: ")
	if err := serve(parse(os.Args[1:])); err != nil {
		log.Fatal(err)
	}
}

func parse(arguments []string) settings {
	var given settings
	flags := flag.NewFlagSet("yado-relay", flag.ExitOnError)
	flags.StringVar(&given.port, "port", defaultPort, "virtio-serial port to serve on; waited for when it is not there")
	flags.StringVar(&given.runtime.socket, "runtime", "/run/containerd/containerd.sock", "socket of the container runtime")
	flags.StringVar(&given.runtime.after, "after", "", "file without which the runtime is not shown to the host")
	flags.StringVar(&given.pods, "pods", "/var/lib/yadokari/pods", "folder of the files of pods")
	flags.StringVar(&given.listen, "listen", ":10350", "address to serve on with TLS, once there are keys")
	flags.StringVar(&given.keys, "keys", "/run/yadokari/relay", "folder of "+strings.Join(keyFiles, ", ")+"; waited for when they are not there")
	flags.Parse(arguments)
	return given
}

func serve(given settings) error {
	syscall.Umask(0)
	// When memory runs out the kernel may end pods, not the way to them.
	os.WriteFile("/proc/self/oom_score_adj", []byte("-998"), 0o644)
	// Small guests: rather collect often than grow.
	debug.SetGCPercent(40)
	debug.SetMemoryLimit(48 << 20)
	if err := os.MkdirAll(given.pods, 0o750); err != nil {
		return err
	}
	handler := newHandler(given)
	go keepHouse(given)
	if given.listen != "" {
		go func() { log.Fatal(serveTLS(given, handler)) }()
	}
	if given.port == "" {
		if given.listen == "" {
			return errors.New("neither --port nor --listen is given")
		}
		select {}
	}
	return servePort(given.port, handler)
}
