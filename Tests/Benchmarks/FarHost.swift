// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Another host of an overlay, with a tunnel made by hand and an address of a container.
final class FarHost {
    /// The address by which it is reached on the underlay.
    let publicIP: String

    /// The hardware address of its end of the tunnel.
    let mac = "02:00:00:00:09:02"

    private let address: String
    private var isLed = false
    private let name = "far"

    /// Makes the host of an interface that it gets.
    init(at publicIP: String, by interface: String, address: String, _ namespaces: Namespaces) throws {
        (self.publicIP, self.address) = (publicIP, address)
        _ = try namespaces.host(name)
        try Call.tool(["ip", "link", "set", interface, "netns", name], output: nil)
        try type("ip", "link set \(interface) up")
        try type("ip", "address add \(publicIP)/24 dev \(interface)")
        try type("ip", "address add \(address)/32 dev lo")
        let tunnel = "link add tunnel mtu 1450 address \(mac) type vxlan id 1 dstport 8472 nolearning"
        try type("ip", "\(tunnel) dev \(interface) local \(publicIP)")
        try type("ip", "link set tunnel up")
    }

    deinit { try? Call.tool(["ip", "netns", "delete", name], output: nil) }

    /// Leads all of the overlay to a host whose end of the tunnel has the hardware address that is in a file.
    func lead(to file: String, at host: String) throws {
        if isLed { return }
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let mac = text.trimmingCharacters(in: .whitespacesAndNewlines)
        try type("ip", "neighbour add 10.0.0.0 lladdr \(mac) dev tunnel nud permanent")
        try type("bridge", "fdb append \(mac) dev tunnel dst \(host) self permanent")
        try type("ip", "route add 10.0.0.0/8 via 10.0.0.0 dev tunnel onlink")
        isLed = true
    }

    /// Whether it answers; where no route leads to it nothing is waited for.
    func answers() throws -> Bool {
        // Nobody listens at the port, so the answer comes from the kernel.
        let (descriptor, error) = Listener.dial(address, 9)
        close(descriptor)
        if error == ECONNREFUSED { return true }
        // A question that is asked while the way goes may find the route there and the neighbour gone.
        guard error == ENETUNREACH || error == EHOSTUNREACH else {
            throw Failure("\(address): \(String(cString: strerror(error)))")
        }
        return false
    }

    private func type(_ tool: String, _ line: String) throws {
        try Call.tool([tool, "-n", name] + line.split(separator: " ").map { String($0) }, output: nil)
    }
}
