package main

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Of rtnetlink(7), fib_rules.h and rtnetlink.h.
const (
	newRule      = 32
	ruleToTable  = 1
	ruleInput    = 3
	rulePriority = 6
	ruleTable    = 15
	onLink       = 4
	mainTable    = 254
	outwardTable = 88
	fromOutside  = 100
	fromGuest    = 101
	fromPods     = 102
	statically   = 4
)

// What pods say goes out to the host, even what another pod of this guest is meant to get: a service's address is
// translated there, and the answer must come back the same way. What comes from the host goes to the pods, and so does
// what the guest itself says: its pods answer it directly, and the host drops connections of which it sees one half.
func routeOutwards() error {
	uplink, gateway, found := defaultRoute()
	if !found {
		// A guest without a cable has nowhere to send anything: its pods have each other.
		if cards, _ := filepath.Glob("/sys/class/net/*/device"); len(cards) == 0 {
			return nil
		}
		return errors.New("the guest has no default route yet")
	}
	device, err := net.InterfaceByName(uplink)
	if err != nil {
		return err
	}
	return withNetlink(func(n netlink) error {
		route := []byte{syscall.AF_INET, 0, 0, 0, outwardTable, statically, syscall.RT_SCOPE_UNIVERSE, syscall.RTN_UNICAST}
		route = binary.NativeEndian.AppendUint32(route, onLink)
		err := n.request(syscall.RTM_NEWROUTE, syscall.NLM_F_CREATE|syscall.NLM_F_REPLACE, route,
			attribute(syscall.RTA_GATEWAY, gateway), attribute(syscall.RTA_OIF, number(device.Index)))
		if err != nil {
			return err
		}
		if err := n.addRule(fromOutside, mainTable, attribute(ruleInput, text(uplink))); err != nil {
			return err
		}
		if err := n.addRule(fromGuest, mainTable, attribute(ruleInput, text("lo"))); err != nil {
			return err
		}
		return n.addRule(fromPods, outwardTable)
	})
}

// A rule that is there already is left as it is.
func (n netlink) addRule(priority, table int, condition ...[]byte) error {
	header := []byte{syscall.AF_INET, 0, 0, 0, byte(table), 0, 0, ruleToTable, 0, 0, 0, 0}
	parts := append([][]byte{header, attribute(rulePriority, number(priority)), attribute(ruleTable, number(table))}, condition...)
	err := n.request(newRule, syscall.NLM_F_CREATE|syscall.NLM_F_EXCL, parts...)
	if errors.Is(err, syscall.EEXIST) {
		return nil
	}
	return err
}

// The first default route that has a gateway: its interface, and the gateway's four bytes.
func defaultRoute() (string, []byte, bool) {
	content, _ := os.ReadFile("/proc/net/route")
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if len(fields) < 8 || fields[1] != "00000000" || fields[7] != "00000000" || fields[2] == "00000000" {
			continue
		}
		gateway, err := hex.DecodeString(fields[2])
		if err != nil || len(gateway) != 4 {
			continue
		}
		// The kernel prints the bytes as one number of this machine.
		return fields[0], binary.NativeEndian.AppendUint32(nil, binary.BigEndian.Uint32(gateway)), true
	}
	return "", nil, false
}
