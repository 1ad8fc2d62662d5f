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
	"syscall"
)

// Streams at a time, and how much of each is kept while nobody reads it. All of them together never hold up one.
const (
	mostStreams     = 512
	streamBuffer    = 64 << 10
	largestDocument = 16 << 20
)

func plainServer(handler http.Handler) *http.Server {
	server := &http.Server{Handler: handler, Protocols: new(http.Protocols), HTTP2: http2Settings(), ErrorLog: faults()}
	server.Protocols.SetUnencryptedHTTP2(true)
	return server
}

func tlsServer(given settings, handler http.Handler) (*http.Server, error) {
	authorities := x509.NewCertPool()
	text, err := os.ReadFile(given.clientCA)
	if err != nil {
		return nil, fmt.Errorf("--client-ca: %w", err)
	}
	if !authorities.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--client-ca: %s has no certificate", given.clientCA)
	}
	server := &http.Server{
		Addr: given.listen, Handler: handler, Protocols: new(http.Protocols), HTTP2: http2Settings(), ErrorLog: faults(),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authorities},
	}
	server.Protocols.SetHTTP2(true)
	return server, nil
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
