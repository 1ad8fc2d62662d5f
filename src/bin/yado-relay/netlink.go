package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
)

// Of rtnetlink(7) and the kernel's if_link.h and neighbour.h, what Go's syscall package does not know.
const (
	iflaLinkInfo  = 18
	iflaNetNsFd   = 28
	infoKind      = 1
	infoData      = 2
	vethPeer      = 1
	neighbourDst  = 1
	neighbourLink = 2
	permanent     = 0x80
)

// A socket of rtnetlink in the namespace of the thread that opened it.
type netlink int

func withNetlink(work func(netlink) error) error {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	return work(netlink(fd))
}

// Sends a request and waits for the kernel's verdict.
func (n netlink) request(kind, flags uint16, parts ...[]byte) error {
	message := make([]byte, syscall.NLMSG_HDRLEN)
	for _, part := range parts {
		message = append(message, part...)
	}
	order := binary.NativeEndian
	order.PutUint32(message[0:], uint32(len(message)))
	order.PutUint16(message[4:], kind)
	order.PutUint16(message[6:], flags|syscall.NLM_F_REQUEST|syscall.NLM_F_ACK)
	if err := syscall.Sendto(int(n), message, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 8192)
	size, _, err := syscall.Recvfrom(int(n), answer, 0)
	if err != nil {
		return err
	}
	if size < syscall.NLMSG_HDRLEN+4 || order.Uint16(answer[4:]) != syscall.NLMSG_ERROR {
		return fmt.Errorf("the kernel's answer of %d bytes is no verdict", size)
	}
	if code := int32(order.Uint32(answer[syscall.NLMSG_HDRLEN:])); code != 0 {
		return syscall.Errno(-code)
	}
	return nil
}

func attribute(kind uint16, parts ...[]byte) []byte {
	bytes := make([]byte, syscall.SizeofRtAttr)
	for _, part := range parts {
		bytes = append(bytes, part...)
	}
	binary.NativeEndian.PutUint16(bytes[0:], uint16(len(bytes)))
	binary.NativeEndian.PutUint16(bytes[2:], kind)
	for len(bytes)%4 != 0 {
		bytes = append(bytes, 0)
	}
	return bytes
}

func text(value string) []byte { return append([]byte(value), 0) }

func number(value int) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(value)) }

// struct ifinfomsg; up or unchanged.
func linkHeader(index int, up bool) []byte {
	header := make([]byte, syscall.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(header[4:], uint32(index))
	if up {
		binary.NativeEndian.PutUint32(header[8:], syscall.IFF_UP)
		binary.NativeEndian.PutUint32(header[12:], syscall.IFF_UP)
	}
	return header
}

// struct rtmsg for a route of one address (32 bits) or all (0 bits) in the main table.
func routeHeader(bits, scope byte) []byte {
	return []byte{syscall.AF_INET, bits, 0, 0, syscall.RT_TABLE_MAIN, syscall.RTPROT_STATIC, scope, syscall.RTN_UNICAST, 0, 0, 0, 0}
}

func (n netlink) setUp(name string) error {
	if err := n.request(syscall.RTM_NEWLINK, 0, linkHeader(0, true), attribute(syscall.IFLA_IFNAME, text(name))); err != nil {
		return fmt.Errorf("%s cannot be set up: %w", name, err)
	}
	return nil
}

func (n netlink) deleteLink(name string) error {
	return n.request(syscall.RTM_DELLINK, 0, linkHeader(0, false), attribute(syscall.IFLA_IFNAME, text(name)))
}

// A pod's link.
type link struct {
	host, pod string
	podMAC    net.HardwareAddr
	// 0: the kernel's default.
	mtu     int
	address netip.Addr
}

// Makes the link, its address and its routes, from both sides.
func connectPod(l link, namespace *os.File) error {
	return withNetlink(func(socket netlink) error {
		if err := socket.makeVeth(l, namespace); err != nil {
			return fmt.Errorf("the pod's link cannot be made: %w", err)
		}
		// Nothing of IPv6 on it; where the guest has none there is nothing to turn off.
		os.WriteFile(filepath.Join("/proc/sys/net/ipv6/conf", l.host, "disable_ipv6"), []byte("1"), 0o644)
		if err := inNamespace(namespace, func() error { return withNetlink(func(inside netlink) error { return inside.configurePod(l) }) }); err != nil {
			return err
		}
		index, err := net.InterfaceByName(l.host)
		if err != nil {
			return err
		}
		if err := socket.setUp(l.host); err != nil {
			return err
		}
		if err := socket.addRoute(l.address, 32, syscall.RT_SCOPE_LINK, attribute(syscall.RTA_OIF, number(index.Index))); err != nil {
			return fmt.Errorf("the route to %s cannot be made: %w", l.address, err)
		}
		return nil
	})
}

func (n netlink) makeVeth(l link, namespace *os.File) error {
	var mtu []byte
	if l.mtu > 0 {
		mtu = attribute(syscall.IFLA_MTU, number(l.mtu))
	}
	peer := attribute(vethPeer, linkHeader(0, false), attribute(syscall.IFLA_IFNAME, text(l.pod)), attribute(syscall.IFLA_ADDRESS, l.podMAC), mtu, attribute(iflaNetNsFd, number(int(namespace.Fd()))))
	info := attribute(iflaLinkInfo, attribute(infoKind, text("veth")), attribute(infoData, peer))
	return n.request(syscall.RTM_NEWLINK, syscall.NLM_F_CREATE|syscall.NLM_F_EXCL,
		linkHeader(0, false), attribute(syscall.IFLA_IFNAME, text(l.host)), attribute(syscall.IFLA_ADDRESS, gatewayMAC), mtu, info)
}

// Inside the pod: address, the gateway's hardware address, and the way to everything through it.
func (n netlink) configurePod(l link) error {
	if err := n.setUp(l.pod); err != nil {
		return err
	}
	device, err := net.InterfaceByName(l.pod)
	if err != nil {
		return err
	}
	own, next := l.address.AsSlice(), gateway.AsSlice()
	out := attribute(syscall.RTA_OIF, number(device.Index))
	// struct ifaddrmsg: family, bits, flags, scope, index.
	addressHeader := append([]byte{syscall.AF_INET, 32, 0, syscall.RT_SCOPE_UNIVERSE}, number(device.Index)...)
	if err := n.request(syscall.RTM_NEWADDR, syscall.NLM_F_CREATE|syscall.NLM_F_EXCL, addressHeader, attribute(syscall.IFA_LOCAL, own), attribute(syscall.IFA_ADDRESS, own)); err != nil {
		return fmt.Errorf("the address %s cannot be set: %w", l.address, err)
	}
	// struct ndmsg: family, padding, index, state, flags, type.
	neighbour := append([]byte{syscall.AF_INET, 0, 0, 0}, number(device.Index)...)
	neighbour = append(neighbour, permanent, 0, 0, 0)
	if err := n.request(syscall.RTM_NEWNEIGH, syscall.NLM_F_CREATE|syscall.NLM_F_REPLACE, neighbour, attribute(neighbourDst, next), attribute(neighbourLink, gatewayMAC)); err != nil {
		return fmt.Errorf("the gateway's hardware address cannot be set: %w", err)
	}
	if err := n.addRoute(gateway, 32, syscall.RT_SCOPE_LINK, out); err != nil {
		return fmt.Errorf("the route to the gateway cannot be made: %w", err)
	}
	if err := n.addRoute(netip.IPv4Unspecified(), 0, syscall.RT_SCOPE_UNIVERSE, attribute(syscall.RTA_GATEWAY, next), out); err != nil {
		return fmt.Errorf("the default route cannot be made: %w", err)
	}
	return nil
}

// Replaces one that a former pod of this address may have left.
func (n netlink) addRoute(to netip.Addr, bits, scope byte, more ...[]byte) error {
	parts := [][]byte{routeHeader(bits, scope)}
	if bits > 0 {
		parts = append(parts, attribute(syscall.RTA_DST, to.AsSlice()))
	}
	return n.request(syscall.RTM_NEWROUTE, syscall.NLM_F_CREATE|syscall.NLM_F_REPLACE, append(parts, more...)...)
}
