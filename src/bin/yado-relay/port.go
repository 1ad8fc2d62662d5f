package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// A virtio-serial port: one stream of bytes, whose other end may go and come without this end being closed. What a
// former host has written may still be in it.
type port struct {
	file *os.File
	// Held while somebody reads or writes, so that a session that ends and what comes after it never share bytes.
	reading, writing sync.Mutex
}

func openPort(path string) (*port, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	// Fails where the file is none that can be waited for.
	if err := file.SetDeadline(time.Time{}); err != nil {
		file.Close()
		return nil, fmt.Errorf("%s is no virtio-serial port: %w", path, err)
	}
	return &port{file: file}, nil
}

// Makes the port usable again after a session, once nobody waits in it any more.
func (p *port) reset() {
	p.reading.Lock()
	defer p.reading.Unlock()
	p.writing.Lock()
	defer p.writing.Unlock()
	p.file.SetDeadline(time.Time{})
}

// Next bytes from whichever host is there; waits while there is none.
func (p *port) readAny(buffer []byte) (n int, err error) {
	p.reading.Lock()
	defer p.reading.Unlock()
	raw, err := p.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, failed = syscall.Read(int(fd), buffer)
			if failed == syscall.EINTR {
				continue
			}
			// Nothing to read with a host (EAGAIN) or without one (0 bytes): the kernel wakes us when either changes.
			return failed != syscall.EAGAIN && !(failed == nil && n == 0)
		}
	})
	return n, errors.Join(err, failed)
}

// Writes what fits at once; false when it does not, since then no host is there that reads.
func (p *port) writeNow(data []byte) bool {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return false
	}
	written := 0
	err = raw.Control(func(fd uintptr) { written, _ = syscall.Write(int(fd), data) })
	return err == nil && written == len(data)
}

// One host's use of the port, as the HTTP server wants it.
type session struct {
	port  *port
	first []byte
	once  sync.Once
	over  chan struct{}
}

func newSession(p *port, first []byte) *session {
	return &session{port: p, first: first, over: make(chan struct{})}
}

func (s *session) Read(buffer []byte) (int, error) {
	s.port.reading.Lock()
	defer s.port.reading.Unlock()
	select {
	case <-s.over:
		return 0, net.ErrClosed
	default:
	}
	if len(s.first) > 0 {
		n := copy(buffer, s.first)
		s.first = s.first[n:]
		return n, nil
	}
	n, err := s.port.file.Read(buffer)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err
}

func (s *session) Write(data []byte) (int, error) {
	s.port.writing.Lock()
	defer s.port.writing.Unlock()
	select {
	case <-s.over:
		return 0, net.ErrClosed
	default:
		return s.port.file.Write(data)
	}
}

// Close ends this session alone; who waits in Read or Write is let go by a deadline that has passed.
func (s *session) Close() error {
	s.once.Do(func() {
		close(s.over)
		s.port.file.SetDeadline(time.Unix(1, 0))
	})
	return nil
}

type portAddress struct{}

func (portAddress) Network() string { return "virtio-serial" }
func (portAddress) String() string  { return "host" }

func (s *session) LocalAddr() net.Addr              { return portAddress{} }
func (s *session) RemoteAddr() net.Addr             { return portAddress{} }
func (s *session) SetDeadline(time.Time) error      { return nil }
func (s *session) SetReadDeadline(time.Time) error  { return nil }
func (s *session) SetWriteDeadline(time.Time) error { return nil }
