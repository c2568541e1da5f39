// SPDX-License-Identifier: Apache-2.0

/// What a configuration wants of a bridge and of the container's port of it.
public struct BridgeSettings: Sendable {
    /// The name of the bridge.
    public var name: String
    /// The alias that a bridge gets which is made for this configuration; empty for none.
    public var alias = ""
    /// Whether the bridge has the gateway's address, and the host forwards.
    public var isGateway = false
    /// Whether containers get a default route to the gateway.
    public var isDefaultGateway = false
    /// Whether an address of the bridge that conflicts is replaced.
    public var forceAddress = false
    /// The largest packet in bytes; the kernel's default if it is missing.
    public var mtu: UInt32?
    /// Whether a bridge that is made keeps its MTU whatever its ports have.
    public var keepsMTU = false
    /// Whether frames may leave by the port where they came in.
    public var hairpinMode = false
    /// Whether the bridge is promiscuous.
    public var promiscMode = false
    /// The untagged VLAN of the port; 0 for none.
    public var vlan: UInt16 = 0
    /// The tagged VLANs of the port.
    public var vlanTrunk: [ClosedRange<UInt16>]?
    /// Whether the port stays in the VLAN that the kernel puts it into.
    public var preserveDefaultVlan = false
    /// Whether frames to other isolated ports are dropped.
    public var portIsolation = false

    /// Wants nothing but a bridge of this name.
    public init(name: String) { self.name = name }

    /// Whether the bridge has to tell VLANs apart; an empty trunk asks for it too, as in the reference.
    var needsVLANFiltering: Bool { vlan != 0 || vlanTrunk != nil }
}
