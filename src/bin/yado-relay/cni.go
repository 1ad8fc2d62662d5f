package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
)

const (
	podPlugin      = "yado-pod"
	loopbackPlugin = "loopback"

	codeInvalidEnvironment = 4
	codeDecodingFailure    = 6
	codeTryAgainLater      = 11
	codeFailed             = 999
)

var supported = []string{"0.3.1", "0.4.0", "1.0.0", "1.1.0"}

// What a pod sees as its gateway. Nobody has this address: the pod knows the hardware address of its link's other end.
var gateway = netip.MustParseAddr("169.254.1.2")

var gatewayMAC = net.HardwareAddr{0xee, 0xee, 0xee, 0xee, 0xee, 0xee}

// One call of a plugin: https://www.cni.dev/docs/spec/
type cniCall struct {
	container, netns, ifName string
	args                     map[string]string
	mtu                      int
}

type cniInterface struct {
	Name    string `json:"name"`
	MAC     string `json:"mac,omitempty"`
	Sandbox string `json:"sandbox,omitempty"`
}

type cniAddress struct {
	// Asked for before 1.0.0, ignored after.
	Version   string `json:"version,omitempty"`
	Interface int    `json:"interface"`
	Address   string `json:"address"`
	Gateway   string `json:"gateway,omitempty"`
}

type cniResult struct {
	CNIVersion string              `json:"cniVersion"`
	Interfaces []cniInterface      `json:"interfaces"`
	IPs        []cniAddress        `json:"ips,omitempty"`
	Routes     []map[string]string `json:"routes,omitempty"`
	DNS        struct{}            `json:"dns"`
}

type cniError struct {
	code int
	error
}

type cniCommands interface {
	add(cniCall) (cniResult, error)
	del(cniCall) error
	check(cniCall) error
}

// Runs the command that the environment names, and returns the exit code.
func runPlugin(commands cniCommands, stdin io.Reader, stdout io.Writer, getenv func(string) string) int {
	var config struct {
		CNIVersion string `json:"cniVersion"`
		MTU        int    `json:"mtu"`
	}
	input, err := io.ReadAll(stdin)
	if err == nil && len(input) > 0 {
		err = json.Unmarshal(input, &config)
	}
	if config.CNIVersion == "" {
		config.CNIVersion = "1.0.0"
	}
	if err != nil {
		return cniFail(stdout, config.CNIVersion, cniError{codeDecodingFailure, err})
	}
	call := cniCall{container: getenv("CNI_CONTAINERID"), netns: getenv("CNI_NETNS"), ifName: getenv("CNI_IFNAME"), args: parseArgs(getenv("CNI_ARGS")), mtu: config.MTU}
	var output any
	switch command := getenv("CNI_COMMAND"); command {
	case "VERSION":
		output = map[string]any{"cniVersion": config.CNIVersion, "supportedVersions": supported}
	case "ADD":
		var result cniResult
		result, err = commands.add(call)
		result.CNIVersion = config.CNIVersion
		output = result
	case "DEL":
		err = commands.del(call)
	case "CHECK":
		err = commands.check(call)
	case "GC", "STATUS":
	default:
		err = cniError{codeInvalidEnvironment, fmt.Errorf("CNI_COMMAND %q is not known", command)}
	}
	if err != nil {
		return cniFail(stdout, config.CNIVersion, err)
	}
	if output != nil && json.NewEncoder(stdout).Encode(output) != nil {
		return 1
	}
	return 0
}

func parseArgs(text string) map[string]string {
	args := map[string]string{}
	for pair := range strings.SplitSeq(text, ";") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			args[name] = value
		}
	}
	return args
}

func cniFail(stdout io.Writer, version string, err error) int {
	code := codeFailed
	if coded, ok := errors.AsType[cniError](err); ok {
		code = coded.code
	}
	json.NewEncoder(stdout).Encode(map[string]any{"cniVersion": version, "code": code, "msg": err.Error()})
	return 1
}

// Gives a pod its own link to the guest: a veth whose end in the pod has the pod's address alone, with all else behind
// the gateway. The guest's end has no address, so that the guest reaches its pods by its own, without translation.
type podCommands struct{ endpoints string }

func (c podCommands) add(call cniCall) (cniResult, error) {
	address, err := endpointOf(c.endpoints, call.args["K8S_POD_UID"])
	if errors.Is(err, fs.ErrNotExist) {
		return cniResult{}, cniError{codeTryAgainLater, err}
	}
	if err != nil {
		return cniResult{}, err
	}
	namespace, err := os.Open(call.netns)
	if err != nil {
		return cniResult{}, cniError{codeInvalidEnvironment, err}
	}
	defer namespace.Close()
	host, mac := hostEnd(call), podMAC(call)
	// A former try may have been cut off half way.
	if err := deleteLink(host); err != nil {
		return cniResult{}, err
	}
	if err := connectPod(link{host: host, pod: call.ifName, podMAC: mac, mtu: call.mtu, address: address}, namespace); err != nil {
		deleteLink(host)
		return cniResult{}, err
	}
	version := "4"
	return cniResult{
		Interfaces: []cniInterface{{Name: host, MAC: gatewayMAC.String()}, {Name: call.ifName, MAC: mac.String(), Sandbox: call.netns}},
		IPs:        []cniAddress{{Version: version, Interface: 1, Address: address.String() + "/32", Gateway: gateway.String()}},
		Routes:     []map[string]string{{"dst": "0.0.0.0/0", "gw": gateway.String()}},
	}, nil
}

func (podCommands) del(call cniCall) error { return deleteLink(hostEnd(call)) }

func (podCommands) check(call cniCall) error {
	_, err := net.InterfaceByName(hostEnd(call))
	return err
}

func digest(call cniCall) [32]byte { return sha256.Sum256([]byte(call.container + " " + call.ifName)) }

func hostEnd(call cniCall) string {
	sum := digest(call)
	return "yado" + hex.EncodeToString(sum[:])[:11]
}

func podMAC(call cniCall) net.HardwareAddr {
	sum := digest(call)
	return append(net.HardwareAddr{0x02}, sum[16:21]...)
}

// Sets the loopback interface up, which every sandbox is given first.
type loopbackCommands struct{}

func (loopbackCommands) add(call cniCall) (cniResult, error) {
	namespace, err := os.Open(call.netns)
	if err != nil {
		return cniResult{}, cniError{codeInvalidEnvironment, err}
	}
	defer namespace.Close()
	err = inNamespace(namespace, func() error {
		return withNetlink(func(socket netlink) error { return socket.setUp(call.ifName) })
	})
	return cniResult{Interfaces: []cniInterface{{Name: call.ifName, MAC: "00:00:00:00:00:00", Sandbox: call.netns}}}, err
}

func (loopbackCommands) del(cniCall) error   { return nil }
func (loopbackCommands) check(cniCall) error { return nil }

func deleteLink(name string) error {
	return withNetlink(func(socket netlink) error {
		if err := socket.deleteLink(name); err != nil && err != syscall.ENODEV {
			return fmt.Errorf("%s cannot be removed: %w", name, err)
		}
		return nil
	})
}
