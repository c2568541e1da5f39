// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// An address of an interface.
public struct InterfaceAddress: Equatable, Sendable {
    /// The number of the interface.
    public let interface: UInt32
    /// The address with the length of its network.
    public let prefix: Prefix
    /// The flags IFA_F_… of linux/if_addr.h.
    public let flags: UInt32
    /// The scope: 0 is global, 253 is that of the link.
    public let scope: UInt8
    /// What the kernel said of it, with all that this code does not read.
    private let description: [UInt8]

    /// Whether the address may not be used yet, because nobody knows whether it is unique.
    public var isTentative: Bool { flags & UInt32(IFA_F_TENTATIVE) != 0 && !hasFailed }

    /// Whether another machine was found to have the address.
    public var hasFailed: Bool { flags & UInt32(IFA_F_DADFAILED) != 0 }

    /// Whether new connections may begin with the address, and nobody means it to be replaced soon by another one.
    public var isLasting: Bool { flags & UInt32(IFA_F_DEPRECATED | IFA_F_TEMPORARY) == 0 }

    /// Reads a message RTM_NEWADDR; nothing if it is another or is cut short.
    public init?(_ message: Message) {
        let payload = message.payload
        guard message.type == UInt16(RTM_NEWADDR), payload.count >= MemoryLayout<ifaddrmsg>.size,
            let interface = payload.integer(UInt32.self, at: 4), let length = payload.dropFirst(1).first
        else {
            return nil
        }
        var (local, remote, flags) = (IPAddress?.none, IPAddress?.none, UInt32(payload[payload.startIndex + 2]))
        for attribute in message.attributes(after: MemoryLayout<ifaddrmsg>.size) {
            switch attribute.type {
            case Int(IFA_LOCAL): local = IPAddress(bytes: Array(attribute.value))
            case Int(IFA_ADDRESS): remote = IPAddress(bytes: Array(attribute.value))
            case Int(IFA_FLAGS): flags = attribute.uint32 ?? flags
            default: break
            }
        }
        guard let address = local ?? remote, let prefix = Prefix(address: address, length: Int(length)) else {
            return nil
        }
        self.interface = interface
        self.prefix = prefix
        self.flags = flags
        description = Array(payload)
        scope = payload[payload.startIndex + 3]
    }

    /// Reads the group of an answer to RTM_GETMULTICAST; nothing if it is of another interface or is cut short.
    static func group(_ message: Message, of interface: UInt32) -> IPAddress? {
        guard message.payload.integer(UInt32.self, at: 4) == interface else { return nil }
        for attribute in message.attributes(after: MemoryLayout<ifaddrmsg>.size)
        where attribute.type == Int(IFA_MULTICAST) {
            return IPAddress(bytes: Array(attribute.value))
        }
        return nil
    }
}

extension MessageBatch {
    /// Adds an address to an interface: ip address add.
    ///
    /// `detectsDuplicates` tells whether the kernel first asks the link, which takes it a second or two; IPv6 only.
    public mutating func addAddress(_ prefix: Prefix, to interface: UInt32, detectsDuplicates: Bool = false) {
        begin(
            "add the address \(prefix.description)",
            RTM_NEWADDR,
            NLM_F_CREATE | NLM_F_EXCL,
            Self.header(prefix, interface)
        )
        putAddress(prefix)
        if prefix.address.family == .v4 {
            if prefix.length < 31 { put(Int(IFA_BROADCAST), prefix.last.bytes) }
        } else if !detectsDuplicates {
            put(Int(IFA_FLAGS), UInt32(IFA_F_NODAD))
        }
    }

    /// Adds an address just as it was: with its label, its broadcast address and its flags.
    public mutating func restoreAddress(_ address: InterfaceAddress) {
        let header = address.header
        begin("restore the address \(address.prefix.description)", RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, header)
        for attribute in address.attributes where attribute.type != IFA_CACHEINFO {
            put(attribute.type, Array(attribute.value))
        }
    }

    /// Adds the removal of an address from an interface: ip address delete.
    public mutating func deleteAddress(_ prefix: Prefix, from interface: UInt32) {
        begin("delete the address \(prefix.description)", RTM_DELADDR, 0, Self.header(prefix, interface))
        putAddress(prefix)
    }

    private mutating func putAddress(_ prefix: Prefix) {
        put(Int(IFA_LOCAL), prefix.address.bytes)
        put(Int(IFA_ADDRESS), prefix.address.bytes)
    }

    private static func header(_ prefix: Prefix, _ interface: UInt32) -> ifaddrmsg {
        var header = ifaddrmsg()
        header.ifa_family = prefix.address.family.kernelValue
        header.ifa_prefixlen = UInt8(prefix.length)
        header.ifa_index = interface
        return header
    }
}

extension InterfaceAddress {
    fileprivate var header: ifaddrmsg {
        var header = ifaddrmsg()
        header.ifa_family = prefix.address.family.kernelValue
        header.ifa_prefixlen = UInt8(prefix.length)
        header.ifa_scope = scope
        header.ifa_index = interface
        return header
    }

    fileprivate var attributes: Attributes { Attributes(description.dropFirst(MemoryLayout<ifaddrmsg>.size)) }
}

extension IPAddress.Family {
    /// The number AF_INET or AF_INET6.
    var kernelValue: UInt8 { UInt8(self == .v4 ? AF_INET : AF_INET6) }
}
