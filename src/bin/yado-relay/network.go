package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	endpointsFolder = "/run/yadokari/endpoints"
	cniFolder       = "/etc/cni/net.d"
	cniConfig       = "10-yadokari.conflist"
	cniPlugins      = "/opt/cni/bin"
	ipv4Settings    = "/proc/sys/net/ipv4"
)

// Makes the guest ready for pods: it forwards, and the runtime finds plugins and their configuration. The configuration
// comes last, since the runtime takes pods from then on.
func putNetwork(r *http.Request) (any, error) {
	var document struct {
		MTU int `json:"mtu"`
	}
	if err := readDocument(r, &document); err != nil {
		return nil, err
	}
	if document.MTU < 576 || document.MTU > 65535 {
		return nil, bad("the MTU %d is not between 576 and 65535", document.MTU)
	}
	if err := setForwarding(); err != nil {
		return nil, err
	}
	if err := routeOutwards(); err != nil {
		return nil, err
	}
	if err := linkPlugins(); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(map[string]any{
		"cniVersion": "1.0.0", "name": "yadokari",
		"plugins": []any{map[string]any{"type": podPlugin, "mtu": document.MTU}},
	}, "", "  ")
	if err != nil {
		return nil, err
	}
	return nil, writeIfNew(filepath.Join(cniFolder, cniConfig), append(text, '\n'))
}

// Packets of pods go through the guest as they are: no source check, no redirects, and the way to the host answers
// for pods too, wherever the host looks for them on the link itself.
func setForwarding() error {
	values := map[string]string{"ip_forward": "1"}
	for _, name := range append(uplinks(), "all", "default") {
		values["conf/"+name+"/rp_filter"] = "0"
		values["conf/"+name+"/send_redirects"] = "0"
		values["conf/"+name+"/accept_redirects"] = "0"
	}
	for _, name := range uplinks() {
		values["conf/"+name+"/proxy_arp"] = "1"
		values["neigh/"+name+"/proxy_delay"] = "0"
	}
	for name, value := range values {
		if err := os.WriteFile(filepath.Join(ipv4Settings, name), []byte(value), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// The interfaces that default routes lead through.
func uplinks() []string {
	text, _ := os.ReadFile("/proc/net/route")
	var names []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 7 && fields[1] == "00000000" && fields[7] == "00000000" {
			names = append(names, fields[0])
		}
	}
	return names
}

// The plugins are this program under other names. A loopback plugin that is there already does as well.
func linkPlugins() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cniPlugins, 0o755); err != nil {
		return err
	}
	own := filepath.Join(cniPlugins, podPlugin)
	if present, _ := os.Readlink(own); present != program {
		os.Remove(own)
		if err := os.Symlink(program, own); err != nil {
			return err
		}
	}
	if err := os.Symlink(program, filepath.Join(cniPlugins, loopbackPlugin)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Replaces a file in one step, unless it has this content: the runtime reads its configuration anew at each change.
func writeIfNew(path string, content []byte) error {
	if present, err := os.ReadFile(path); err == nil && bytes.Equal(present, content) {
		return nil
	}
	folder, name := filepath.Split(path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	temporary := filepath.Join(folder, "."+name+".new")
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

var uidPattern = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]{0,127}$`)

func endpointPath(folder, uid string) (string, error) {
	if !uidPattern.MatchString(uid) {
		return "", bad("%q is no pod's uid", uid)
	}
	return filepath.Join(folder, uid), nil
}

func putEndpoint(r *http.Request) (any, error) {
	var document struct {
		Address string `json:"address"`
	}
	if err := readDocument(r, &document); err != nil {
		return nil, err
	}
	address, err := netip.ParseAddr(document.Address)
	if err != nil || !address.Is4() {
		return nil, bad("%q is no IPv4 address", document.Address)
	}
	path, err := endpointPath(endpointsFolder, r.PathValue("uid"))
	if err != nil {
		return nil, err
	}
	return nil, writeIfNew(path, []byte(address.String()))
}

func deleteEndpoint(r *http.Request) (any, error) {
	path, err := endpointPath(endpointsFolder, r.PathValue("uid"))
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return nil, nil
}

// The address that the host has given to the pod.
func endpointOf(folder, uid string) (netip.Addr, error) {
	path, err := endpointPath(folder, uid)
	if err != nil {
		return netip.Addr{}, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("the host has given pod %s no address yet: %w", uid, err)
	}
	return netip.ParseAddr(string(text))
}
