package main

import (
	"bytes"
	"log"
	"net"
	"net/http"
	"os"
	"regexp"
	"time"
)

// A host begins with a line of its own making, throws away everything up to its echo, and then speaks HTTP/2. So
// neither side is misled by what a former connection has left behind.
var greeting = regexp.MustCompile(`YADO-LINK 1 ([0-9a-f]{16,64})\n$`)

const (
	hello       = "YADO-LINK 1 hello\n"
	preface     = "PRI * HTTP/2.0\r\n"
	longestLine = 256
)

// What has been read and belongs to no session yet.
type greeter struct {
	port *port
	rest []byte
}

// Waits for a host's greeting, answers it, and returns the bytes of the session that begins.
func (g *greeter) await() ([]byte, error) {
	greeted := false
	for {
		line, err := g.line()
		if err != nil {
			return nil, err
		}
		if found := greeting.Find(line); found != nil {
			greeted = g.port.writeNow(found)
			continue
		}
		if greeted && string(line) == preface {
			first := append(line, g.rest...)
			g.rest = nil
			return first, nil
		}
		greeted = false
	}
}

// The next line with its end, or the last bytes of one that is too long to matter.
func (g *greeter) line() ([]byte, error) {
	var line []byte
	for {
		if end := bytes.IndexByte(g.rest, '\n'); end >= 0 {
			line = append(line, g.rest[:end+1]...)
			g.rest = g.rest[end+1:]
			return line, nil
		}
		line = append(line, g.rest...)
		if len(line) > longestLine {
			line = line[len(line)-longestLine:]
		}
		buffer := make([]byte, 4096)
		n, err := g.port.readAny(buffer)
		if err != nil {
			return nil, err
		}
		g.rest = buffer[:n]
	}
}

// Hands one connection after the other to an HTTP server.
type handover chan net.Conn

func (h handover) Accept() (net.Conn, error) { return <-h, nil }
func (h handover) Close() error              { return nil }
func (h handover) Addr() net.Addr            { return portAddress{} }

// Serves one host after the other on the port, for ever. Returns when the port is gone for good.
func servePort(path string, handler http.Handler) error {
	connections := make(handover)
	server := plainServer(handler)
	go func() { log.Fatal(server.Serve(connections)) }()
	device := waitForPort(path)
	// A host that still talks to a former relay learns of the new one by what is no HTTP/2.
	device.writeNow([]byte(hello))
	greeter := greeter{port: device}
	for {
		first, err := greeter.await()
		if err != nil {
			return err
		}
		current := newSession(device, first)
		connections <- current
		<-current.over
		device.reset()
	}
}

func waitForPort(path string) *port {
	for told := false; ; told = true {
		device, err := openPort(path)
		if err == nil {
			return device
		}
		if !told {
			log.Printf("waiting for the port: %v", err)
		}
		if told && !os.IsNotExist(err) {
			log.Print(err)
		}
		time.Sleep(time.Second)
	}
}
