package main

import (
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Both ends of what stands for a port: what is written to the one is read from the other.
func pair(t *testing.T) (*port, *os.File) {
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	guest, host := os.NewFile(uintptr(ends[0]), "guest"), os.NewFile(uintptr(ends[1]), "host")
	t.Cleanup(func() { guest.Close(); host.Close() })
	host.SetDeadline(time.Now().Add(10 * time.Second))
	return &port{file: guest}, host
}

const nonce = "00112233445566778899aabbccddeeff"

func TestASessionBeginsWithTheLastGreeting(t *testing.T) {
	device, host := pair(t)
	stale := "\x00\x00\x05 left behind YADO-LINK 1 zz\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + strings.Repeat("x", 5000)
	first, second := "YADO-LINK 1 "+nonce+"0001\n", "YADO-LINK 1 "+nonce+"0002\n"
	go io.WriteString(host, stale+first+second+preface+"\r\nSM\r\n\r\nframes")
	rest, err := (&greeter{port: device}).await()
	if err != nil || !strings.HasPrefix(string(rest), preface+"\r\nSM") {
		t.Fatalf("%q %v", rest, err)
	}
	answer := make([]byte, len(first)+len(second))
	if _, err := io.ReadFull(host, answer); err != nil || string(answer) != first+second {
		t.Fatalf("%q %v", answer, err)
	}
}

func TestASessionEndsWithoutTheNextLosingBytes(t *testing.T) {
	device, host := pair(t)
	current := newSession(device, []byte("first"))
	buffer := make([]byte, 100)
	if n, err := current.Read(buffer); err != nil || string(buffer[:n]) != "first" {
		t.Fatalf("%q %v", buffer[:n], err)
	}
	ended := make(chan error)
	go func() {
		_, err := current.Read(buffer)
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond)
	current.Close()
	if err := <-ended; err == nil {
		t.Fatal("a read outlived its session")
	}
	device.reset()
	io.WriteString(host, "next")
	n, err := device.readAny(buffer)
	if err != nil || string(buffer[:n]) != "next" {
		t.Fatalf("%q %v", buffer[:n], err)
	}
	if _, err := current.Write([]byte("late")); err == nil {
		t.Fatal("a session that is over can still write")
	}
}
