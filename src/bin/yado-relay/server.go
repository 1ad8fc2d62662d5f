package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Streams at a time, and how much of each is kept while nobody reads it. All of them together never hold up one.
const (
	mostStreams     = 512
	streamBuffer    = 64 << 10
	largestDocument = 16 << 20
)

const keysLook = 200 * time.Millisecond

func plainServer(handler http.Handler) *http.Server {
	server := &http.Server{Handler: handler, Protocols: new(http.Protocols), HTTP2: http2Settings(), ErrorLog: faults()}
	server.Protocols.SetUnencryptedHTTP2(true)
	return server
}

// What a host that comes over the network is shown, and what it is known by.
const (
	certFile     = "relay-cert.pem"
	keyFile      = "relay-key.pem"
	clientCAFile = "relay-client-ca.pem"
)

var keyFiles = []string{certFile, keyFile, clientCAFile}

// The seed that brings the keys is read while the guest boots; a guest whose host has a channel gets none.
func serveTLS(given settings, handler http.Handler) error {
	for !hasAll(given.keys, keyFiles) {
		time.Sleep(keysLook)
	}
	authorities := x509.NewCertPool()
	file := filepath.Join(given.keys, clientCAFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !authorities.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s has no certificate", file)
	}
	server := &http.Server{
		Addr: given.listen, Handler: handler, Protocols: new(http.Protocols), HTTP2: http2Settings(), ErrorLog: faults(),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authorities},
	}
	server.Protocols.SetHTTP2(true)
	return server.ListenAndServeTLS(filepath.Join(given.keys, certFile), filepath.Join(given.keys, keyFile))
}

func hasAll(folder string, names []string) bool {
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			return false
		}
	}
	return true
}

// Of what the server reports, our own faults alone: hosts come and go.
type faultWriter struct{}

func (faultWriter) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("panic")) {
		os.Stderr.Write(line)
	}
	return len(line), nil
}

func faults() *log.Logger { return log.New(faultWriter{}, "yado-relay: ", 0) }

func http2Settings() *http.HTTP2Config {
	return &http.HTTP2Config{MaxConcurrentStreams: mostStreams, MaxReceiveBufferPerStream: streamBuffer, MaxReceiveBufferPerConnection: mostStreams * streamBuffer, MaxReadFrameSize: 64 << 10}
}

func newHandler(given settings) http.Handler {
	files := podFiles{root: given.pods}
	mux := http.NewServeMux()
	mux.Handle("GET /v1/info", answer(func(*http.Request) (any, error) { return readInfo() }))
	mux.Handle("GET /v1/pressure", answer(func(*http.Request) (any, error) { return readPressure(given.pods) }))
	mux.Handle("PUT /v1/network", answer(putNetwork))
	mux.Handle("PUT /v1/endpoints/{uid}", answer(putEndpoint))
	mux.Handle("DELETE /v1/endpoints/{uid}", answer(deleteEndpoint))
	files.register(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			tunnel(w, r, given.runtime)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// A request that is wrong by itself.
type badRequest struct{ error }

func bad(format string, values ...any) error { return badRequest{fmt.Errorf(format, values...)} }

// A handler that answers with a JSON document, or nothing when it is nil.
func answer(work func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result, err := work(r)
		if err != nil {
			refuse(w, err)
			return
		}
		if result == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(result)
	})
}

func refuse(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statusOf(err))
	json.NewEncoder(w).Encode(map[string]string{"message": err.Error()})
}

func statusOf(err error) int {
	switch {
	case errors.As(err, &badRequest{}):
		return http.StatusBadRequest
	case errors.Is(err, fs.ErrNotExist):
		return http.StatusNotFound
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return http.StatusInsufficientStorage
	default:
		return http.StatusInternalServerError
	}
}

func readDocument(r *http.Request, into any) error {
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, largestDocument)).Decode(into); err != nil {
		return bad("the document cannot be read: %w", err)
	}
	return nil
}
